/*
 * Keys and leases in groups, joined by the operations that touch several: what happens in one group says nothing about
 * another, so each can be searched, and blamed, alone.
 */
import type { CompactHistory, Step } from "./operations.ts";

export class KeyGroups {
  /** The group of an operation that touches no key and no lease. */
  static readonly none = -3;
  readonly #parent: Int32Array;
  readonly #leases = new Map<string, number>();

  constructor(history: CompactHistory) {
    const parents: number[] = history.keys.map((_, key) => key);
    for (const op of history.ops) {
      for (const lease of leasesOf(op.step)) {
        if (this.#leases.has(lease)) continue;
        this.#leases.set(lease, parents.length);
        parents.push(parents.length);
      }
    }
    this.#parent = Int32Array.from(parents);
    for (const op of history.ops) this.#join(op.step, -1);
  }

  ofLease(lease: string): number {
    const node = this.#leases.get(lease);
    return node === undefined ? KeyGroups.none : this.#find(node);
  }

  ofStep(step: Step): number {
    const node = this.#anyNode(step);
    return node === undefined ? KeyGroups.none : this.#find(node);
  }

  #anyNode(step: Step): number | undefined {
    if (step.kind === "grant" || step.kind === "revoke") return this.#leases.get(step.lease);
    if (step.txn === undefined) return step.low < step.high ? step.low : undefined;
    for (const compare of step.txn.compares) if (compare.low < compare.high) return compare.low;
    for (const inner of [...step.txn.success, ...step.txn.failure]) {
      const node = this.#anyNode(inner);
      if (node !== undefined) return node;
    }
    return undefined;
  }

  #join(step: Step, first: number): number {
    let anchor = first;
    const add = (node: number): void => {
      if (anchor < 0) anchor = node;
      else this.#parent[this.#find(node)] = this.#find(anchor);
    };
    for (let key = step.low; key < step.high; key++) add(key);
    const lease = step.lease === "0" ? undefined : this.#leases.get(step.lease);
    if (lease !== undefined) add(lease);
    if (step.txn !== undefined) {
      for (const compare of step.txn.compares) for (let key = compare.low; key < compare.high; key++) add(key);
      for (const inner of step.txn.success) anchor = this.#join(inner, anchor);
      for (const inner of step.txn.failure) anchor = this.#join(inner, anchor);
    }
    return anchor;
  }

  #find(node: number): number {
    let root = node;
    while ((this.#parent[root] as number) !== root) root = this.#parent[root] as number;
    let at = node;
    while ((this.#parent[at] as number) !== root) {
      const next = this.#parent[at] as number;
      this.#parent[at] = root;
      at = next;
    }
    return root;
  }
}

function leasesOf(step: Step): string[] {
  const found = step.lease === "0" ? [] : [step.lease];
  for (const inner of step.txn?.success ?? []) found.push(...leasesOf(inner));
  for (const inner of step.txn?.failure ?? []) found.push(...leasesOf(inner));
  return found;
}
