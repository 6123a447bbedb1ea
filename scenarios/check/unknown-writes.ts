/*
 * Writes whose outcome nobody knows, by what they may have done: put that content, or deleted that key. So a revision
 * that was seen is not tried with all of them.
 */
import type { HistoryKeyValue } from "../history.ts";
import type { Fact } from "./evidence.ts";
import type { Op, Step } from "./operations.ts";

export class UnknownWrites {
  /** In order of calls, as are all answers. */
  readonly all: readonly Op[];
  readonly #removers: RemoverIndex;
  readonly #byContent: ReadonlyMap<string, readonly Op[]>;

  constructor(all: readonly Op[]) {
    this.all = all;
    this.#byContent = contentIndex(all);
    this.#removers = new RemoverIndex(all);
  }

  thatPut(kv: { readonly key: string; readonly value: string }): readonly Op[] {
    return this.#byContent.get(contentKey(kv)) ?? [];
  }

  /** @param shown what a fact shows as written, if one does; all when nothing was seen */
  thatMayHaveDone(facts: readonly Fact[], shown: HistoryKeyValue | undefined): readonly Op[] {
    if (shown !== undefined) return this.thatPut(shown);
    const deleted = facts.find((fact) => fact.kv === undefined);
    if (deleted === undefined) return this.all;
    return this.#removers.of(deleted.key);
  }
}

/** Unknown writes by the keys that they may delete. */
class RemoverIndex {
  readonly #byKey = new Map<number, Op[]>();
  /** Ranges and revokes: any key, for all we know. */
  readonly #wide: Op[] = [];
  readonly #merged = new Map<number, readonly Op[]>();

  constructor(unknown: readonly Op[]) {
    for (const op of unknown) this.#add(op, op.step);
  }

  /** In order of calls. */
  of(key: number): readonly Op[] {
    let merged = this.#merged.get(key);
    if (merged === undefined) {
      const own = this.#byKey.get(key) ?? [];
      merged = this.#wide.length === 0 ? own : [...new Set([...own, ...this.#wide])].sort((a, b) => a.index - b.index);
      this.#merged.set(key, merged);
    }
    return merged;
  }

  #add(op: Op, step: Step): void {
    if (step.kind === "revoke" || (step.kind === "delete" && step.high !== step.low + 1)) {
      if (this.#wide.at(-1) !== op) this.#wide.push(op);
    } else if (step.kind === "delete") {
      const list = this.#byKey.get(step.low);
      if (list === undefined) this.#byKey.set(step.low, [op]);
      else if (list.at(-1) !== op) list.push(op);
    }
    for (const inner of step.txn?.success ?? []) this.#add(op, inner);
    for (const inner of step.txn?.failure ?? []) this.#add(op, inner);
  }
}

const contentKey = (kv: { readonly key: string; readonly value: string }): string =>
  `${kv.key.length}:${kv.key}${kv.value}`;

/** Unknown writes by what they may put where. */
function contentIndex(unknown: readonly Op[]): Map<string, Op[]> {
  const index = new Map<string, Op[]>();
  const add = (step: Step, op: Op): void => {
    if (step.source.op === "put") {
      const key = contentKey(step.source);
      const list = index.get(key);
      if (list === undefined) index.set(key, [op]);
      else if (list.at(-1) !== op) list.push(op);
    }
    for (const inner of step.txn?.success ?? []) add(inner, op);
    for (const inner of step.txn?.failure ?? []) add(inner, op);
  };
  for (const op of unknown) add(op.step, op);
  return index;
}
