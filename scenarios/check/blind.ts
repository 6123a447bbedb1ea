/*
 * The store for the blind search: values and leases only, revisions and versions struck out, one group of keys at a
 * time. A comparison with a revision cannot be judged here: the recorded branch is believed, an unrecorded one may be
 * either. So "impossible" is a proof, and an order is one only after verifyOrder.
 */
import type { HistoryKeyValue, OperationAnswer } from "../history.ts";
import { KeyGroups } from "./key-groups.ts";
import {
  answerWrote,
  type CompactHistory,
  type CompiledCompare,
  compareText,
  mayWrite,
  never,
  type Op,
  type Step,
} from "./operations.ts";
import { compareHolds } from "./replay-store.ts";
import { type SearchModel, type SearchOperation, searchOrder } from "./search.ts";
import type { Order } from "./verify-order.ts";

export type BlindResult =
  | { readonly type: "order"; readonly order: Order; readonly steps: number }
  | { readonly type: "impossible"; readonly stuck: Op | undefined; readonly where: string; readonly steps: number }
  | { readonly type: "exhausted"; readonly where: string; readonly steps: number };

/** One move of a group: an operation, or the end of a lease by the server. */
interface Move {
  readonly op: Op | undefined;
  readonly lease: string;
  readonly search: SearchOperation;
}

/** @param ignoreReported also search histories whose answers carry revisions, which serve as hints */
export function searchBlind(
  history: CompactHistory,
  options: { readonly stepsMax: number; readonly ignoreReported: boolean },
): BlindResult {
  let steps = 0;
  const points: { readonly at: number; readonly entry: number }[] = [];
  const expiries: string[] = [];
  for (const { moves, where } of movesByGroup(history)) {
    const model = new ValueModel(history.keys, moves);
    const found = searchOrder(
      moves.map((move) => move.search),
      model,
      options.stepsMax - steps,
    );
    steps += found.steps;
    if (found.type === "exhausted") return { type: "exhausted", where, steps };
    if (found.type === "impossible") return { type: "impossible", stuck: moves[found.stuck]?.op, where, steps };
    // An operation takes effect at the latest call so far: inside its interval, and never equal in two groups.
    let at = -1;
    for (const index of found.order) {
      const move = moves[index] as Move;
      at = Math.max(at, move.search.call);
      if (move.op === undefined) expiries.push(move.lease);
      points.push({ at, entry: move.op === undefined ? -expiries.length : move.op.index });
    }
  }
  points.sort((a, b) => a.at - b.at);
  return { type: "order", order: { entries: points.map((point) => point.entry), expiries }, steps };
}

function movesByGroup(history: CompactHistory): { moves: Move[]; where: string }[] {
  const groups = new KeyGroups(history);
  const byGroup = new Map<number, Move[]>();
  const add = (group: number, move: Move): void => {
    const list = byGroup.get(group);
    if (list === undefined) byGroup.set(group, [move]);
    else list.push(move);
  };
  for (const op of history.ops) {
    if (op.role !== "ordered" || op.outcome === "failed") continue;
    if (op.outcome === "unknown" && !mayWrite(op.step)) continue;
    const hint = op.revision > 0 ? op.revision : op.index;
    const idle = op.answer !== undefined && answerWrote(op.answer) === false;
    add(groups.ofStep(op.step), { op, lease: "", search: { call: op.call, ret: op.ret, hint, idle } });
    if (op.step.kind === "grant") {
      const lease = op.answer?.op === "leaseGrant" ? op.answer.lease : op.step.lease;
      const search = { call: op.call, ret: never, hint: Number.MAX_SAFE_INTEGER, idle: false };
      add(groups.ofLease(lease), { op: undefined, lease, search });
    }
  }
  const numbers = [...byGroup.keys()].sort((a, b) => a - b);
  return numbers.map((group) => {
    const moves = byGroup.get(group) ?? [];
    const key = history.keys[group];
    return { moves, where: key === undefined ? "the operations" : `the operations on ${JSON.stringify(key)}` };
  });
}

interface Cell {
  readonly value: string;
  readonly lease: string;
}
type State = ReadonlyMap<number, Cell>;

class ValueModel implements SearchModel {
  readonly initial: number;
  readonly #names: readonly string[];
  readonly #moves: readonly Move[];
  readonly #states: State[] = [];
  readonly #numbers = new Map<string, number>();
  /** Per state: move × 4 + choice → next state. */
  readonly #known: Map<number, number>[] = [];

  constructor(names: readonly string[], moves: readonly Move[]) {
    this.#names = names;
    this.#moves = moves;
    this.initial = this.#numberOf(new Map());
  }

  choices(operation: number): number {
    const op = this.#moves[operation]?.op;
    return op !== undefined && op.answer === undefined && hasOpaqueCompare(op.step) ? 2 : 1;
  }

  step(state: number, operation: number, choice: number): number {
    const known = this.#known[state] as Map<number, number>;
    const name = operation * 4 + choice;
    const cached = known.get(name);
    if (cached !== undefined) return cached;
    const move = this.#moves[operation] as Move;
    const before = this.#states[state] as State;
    const run = new BlindRun(this.#names, before, this.choices(operation) === 2 ? choice === 0 : undefined);
    const fits = move.op === undefined ? run.endLease(move.lease) : run.execute(move.op.step, move.op.answer);
    const next = !fits ? -1 : run.after === before ? state : this.#numberOf(run.after);
    known.set(name, next);
    return next;
  }

  #numberOf(state: State): number {
    let name = "";
    for (const key of [...state.keys()].sort((a, b) => a - b)) {
      const cell = state.get(key) as Cell;
      name += `${key}:${cell.lease}:${cell.value.length}:${cell.value};`;
    }
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#states.length;
    this.#numbers.set(name, number);
    this.#states.push(state);
    this.#known.push(new Map());
    return number;
  }
}

/** One operation on one state; the state is copied at the first write. */
class BlindRun {
  after: State;
  readonly #before: State;
  readonly #opaque: boolean | undefined;
  readonly #names: readonly string[];
  #copy: Map<number, Cell> | undefined;

  constructor(names: readonly string[], before: State, opaque: boolean | undefined) {
    this.#names = names;
    this.#before = before;
    this.after = before;
    this.#opaque = opaque;
  }

  execute(step: Step, answer: OperationAnswer | undefined): boolean {
    switch (step.kind) {
      case "range":
        return step.revision > 0 || answer === undefined || (answer.op === "range" && this.#rangeFits(step, answer));
      case "put": {
        const old = this.after.get(step.low);
        if (answer !== undefined && step.source.op === "put" && step.source.prevKv === true) {
          if (answer.op !== "put" || answer.prevKv?.value !== old?.value) return false;
        }
        this.#write(step.low, { value: step.value, lease: step.lease });
        return true;
      }
      case "delete":
        return this.#delete(step, answer);
      case "txn":
        return this.#txn(step, answer);
      case "revoke":
        return this.endLease(step.lease);
      default:
        return true;
    }
  }

  endLease(lease: string): boolean {
    for (const [key, cell] of [...this.after]) if (cell.lease === lease) this.#write(key, undefined);
    return true;
  }

  #delete(step: Step, answer: OperationAnswer | undefined): boolean {
    const keys = this.#keysIn(step);
    if (answer?.op === "deleteRange") {
      if (answer.deleted !== keys.length) return false;
      const shown = answer.prevKvs;
      if (shown !== undefined && !keys.every((key, at) => shown[at]?.value === this.after.get(key)?.value))
        return false;
    }
    for (const key of keys) this.#write(key, undefined);
    return true;
  }

  #txn(step: Step, answer: OperationAnswer | undefined): boolean {
    if (step.txn === undefined) return false;
    const recorded = answer?.op === "txn" ? answer.succeeded : this.#opaque;
    let judged: boolean | undefined = true;
    for (const compare of step.txn.compares) {
      const holds = this.#compare(compare);
      if (holds === false) judged = false;
      else if (holds === undefined && judged === true) judged = undefined;
    }
    if (recorded !== undefined && judged !== undefined && recorded !== judged) return false;
    const succeeded = judged ?? recorded ?? true;
    const branch = succeeded ? step.txn.success : step.txn.failure;
    if (answer?.op === "txn" && answer.responses.length !== branch.length) return false;
    const responses = answer?.op === "txn" ? answer.responses : undefined;
    return branch.every((inner, position) => this.execute(inner, responses?.[position]));
  }

  /** undefined: only a revision could tell. */
  #compare(compare: CompiledCompare): boolean | undefined {
    const { source } = compare;
    let found = 0;
    let result: boolean | undefined = true;
    for (const key of keysIn(this.#before, compare)) {
      found++;
      const cell = this.#before.get(key) as Cell;
      const holds = isOpaque(compare) ? undefined : compareHolds(source, cellKv(cell));
      if (holds === false) return false;
      if (holds === undefined) result = undefined;
    }
    return found === 0 ? compareHolds(source, undefined) : result;
  }

  #rangeFits(step: Step, answer: OperationAnswer & { readonly op: "range" }): boolean {
    const { source } = step;
    if (source.op !== "range") return false;
    const keys = this.#keysIn(step);
    if (answer.count !== keys.length) return false;
    if (source.countOnly === true) return true;
    const limit = source.limit !== undefined && source.limit > 0 ? source.limit : keys.length;
    if (answer.more !== keys.length > limit || answer.kvs.length !== Math.min(limit, keys.length)) return false;
    const left = new Map(keys.map((key) => [this.#names[key] as string, (this.after.get(key) as Cell).value]));
    const rows = [...left];
    const target = source.sortTarget ?? "key";
    // An order by revisions or versions cannot be judged here; what is shown must at least be there, once.
    if (target === "key" || (target === "value" && source.sortOrder !== undefined)) {
      const by = target === "key" ? 0 : 1;
      const sign = source.sortOrder === "descend" ? -1 : 1;
      rows.sort((x, y) => sign * compareText(x[by], y[by]));
      for (let at = 0; at < answer.kvs.length; at++) {
        const shown = answer.kvs[at] as HistoryKeyValue;
        if (source.keysOnly === true && by === 1) continue;
        if ((by === 0 ? shown.key : shown.value) !== rows[at]?.[by]) return false;
      }
    }
    for (const shown of answer.kvs) {
      const value = left.get(shown.key);
      if (value === undefined || shown.value !== (source.keysOnly === true ? "" : value)) return false;
      left.delete(shown.key);
    }
    return true;
  }

  #keysIn(step: { readonly low: number; readonly high: number }): number[] {
    return keysIn(this.after, step);
  }

  #write(key: number, cell: Cell | undefined): void {
    if (this.#copy === undefined) {
      this.#copy = new Map(this.after);
      this.after = this.#copy;
    }
    if (cell === undefined) this.#copy.delete(key);
    else this.#copy.set(key, cell);
  }
}

function keysIn(state: State, interval: { readonly low: number; readonly high: number }): number[] {
  if (interval.high === interval.low + 1) return state.has(interval.low) ? [interval.low] : [];
  const keys: number[] = [];
  for (const key of state.keys()) if (key >= interval.low && key < interval.high) keys.push(key);
  return keys.sort((a, b) => a - b);
}

/** A present key has some revision ≥ 2 and some version ≥ 1: only the comparison with less than that is certain. */
function isOpaque(compare: CompiledCompare): boolean {
  const { target, operand } = compare.source;
  return target !== "value" && target !== "lease" && Number(operand) > 0;
}

function hasOpaqueCompare(step: Step): boolean {
  if (step.txn === undefined) return false;
  return (
    step.txn.compares.some(isOpaque) ||
    step.txn.success.some(hasOpaqueCompare) ||
    step.txn.failure.some(hasOpaqueCompare)
  );
}

const cellKv = (cell: Cell): HistoryKeyValue => ({
  key: "",
  value: cell.value,
  createRevision: 2,
  modRevision: 2,
  version: 1,
  lease: cell.lease,
});
