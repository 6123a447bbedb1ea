/*
 * A map of strings with get, put and append, absent keys read as "": the model of recorded histories of other stores.
 * Values are known to grow, so no revisions help; each key is searched alone and the order found is replayed.
 */
import { compareText, never } from "./operations.ts";
import { type SearchModel, searchOrder } from "./search.ts";
import type { CheckResult } from "./verdict.ts";

export interface StringOperation {
  /** Line of the call. */
  readonly id: number;
  readonly kind: "get" | "put" | "append";
  readonly key: string;
  /** What is written, or what a get returned. */
  readonly value: string;
  readonly call: number;
  /** `never` in operations.ts: not answered. */
  readonly ret: number;
}

export function checkStrings(operations: readonly StringOperation[], stepsMax: number): CheckResult {
  const byKey = new Map<string, StringOperation[]>();
  for (const operation of operations) {
    const list = byKey.get(operation.key);
    if (list === undefined) byKey.set(operation.key, [operation]);
    else list.push(operation);
  }
  const base = { name: "linearizable", method: "search", judged: operations.length, violations: [] } as const;
  let steps = 0;
  for (const key of [...byKey.keys()].sort(compareText)) {
    const list = byKey.get(key) ?? [];
    const searched = list.map(({ kind, call, ret }) => ({ call, ret, hint: call, idle: kind === "get" }));
    const found = searchOrder(searched, new StringModel(list), stepsMax - steps);
    steps += found.steps;
    const name = JSON.stringify(key);
    if (found.type === "exhausted") {
      return { ...base, verdict: "unknown", detail: `no order for key ${name} within ${stepsMax} steps` };
    }
    if (found.type === "impossible") {
      const stuck = list[found.stuck] as StringOperation;
      const text = `no order of the operations on ${name} explains the answers; every order fails at the ${stuck.kind} of line ${stuck.id} or earlier`;
      const violation = { rule: "no-order", text, calls: [stuck.id], watches: [] };
      return { ...base, verdict: "violated", detail: text, violations: [violation] };
    }
    if (!isLegal(list, found.order)) {
      return { ...base, verdict: "unknown", detail: `the order found for key ${name} did not pass its verification` };
    }
  }
  const detail = `${operations.length} operations on ${byKey.size} keys in a legal order each, found by a search`;
  return { ...base, verdict: "holds", detail };
}

/** The judge of the orders found: time, completeness and a plain replay. */
function isLegal(operations: readonly StringOperation[], order: readonly number[]): boolean {
  let value = "";
  let latest = -1;
  const placed = new Set<number>();
  for (const index of order) {
    const operation = operations[index];
    if (operation === undefined || placed.has(index)) return false;
    placed.add(index);
    latest = Math.max(latest, operation.call);
    if (latest > operation.ret) return false;
    if (operation.kind === "get" && operation.value !== value) return false;
    if (operation.kind === "put") value = operation.value;
    if (operation.kind === "append") value += operation.value;
  }
  return operations.every((operation, index) => placed.has(index) || operation.ret === never);
}

class StringModel implements SearchModel {
  readonly initial = 0;
  readonly #operations: readonly StringOperation[];
  readonly #states: string[] = [""];
  readonly #numbers = new Map([["", 0]]);

  constructor(operations: readonly StringOperation[]) {
    this.#operations = operations;
  }

  choices(): number {
    return 1;
  }

  step(state: number, index: number): number {
    const operation = this.#operations[index] as StringOperation;
    const value = this.#states[state] as string;
    if (operation.kind === "get") return operation.value === value ? state : -1;
    const next = operation.kind === "put" ? operation.value : value + operation.value;
    const known = this.#numbers.get(next);
    if (known !== undefined) return known;
    this.#states.push(next);
    this.#numbers.set(next, this.#states.length - 1);
    return this.#states.length - 1;
  }
}
