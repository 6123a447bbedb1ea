/*
 * The blind search: is there an order of these operations that respects time and that a model accepts? It knows nothing
 * of revisions; states are numbers that the model gives out. Wing and Gong 1993, Lowe 2017 (memo of configurations),
 * with: operations that change nothing are placed at once; unknown operations are placed only just before something
 * that needs them; moves in the order of a hint; a budget in steps.
 */
import { never } from "./operations.ts";

export interface SearchOperation {
  readonly call: number;
  /** {@link never}: outcome unknown; it may be left out. */
  readonly ret: number;
  /** Smaller is tried first; believed in nothing. */
  readonly hint: number;
  /** Answered, and as answered it changes no state at all. */
  readonly idle: boolean;
}
export interface SearchModel {
  readonly initial: number;
  /** Number of different things an operation may have done; usually 1. */
  choices(operation: number): number;
  /** @returns the next state, or −1 where the recorded answer is impossible */
  step(state: number, operation: number, choice: number): number;
  /** Whether leaving `state` is a dead end given what is still to be placed; optional. */
  readonly watcher?: SearchWatcher;
}
/** Follows placements to say early that something can no longer be explained. */
export interface SearchWatcher {
  placed(operation: number): void;
  unplaced(operation: number): void;
  deadEnd(from: number, to: number): boolean;
}
export type SearchResult =
  | { readonly type: "order"; readonly order: readonly number[]; readonly steps: number }
  /** `stuck`: the operation whose return no order got past. */
  | { readonly type: "impossible"; readonly stuck: number; readonly steps: number }
  | { readonly type: "exhausted"; readonly steps: number };

interface Frame {
  readonly state: number;
  /** State before the unknown operation placed last, when it still has to prove its use; −1: none. */
  readonly pending: number;
  /** The unknown operation placed last, or −1. */
  readonly unknown: number;
  readonly placedBefore: number;
  readonly moves: readonly number[];
  next: number;
}

/** @param operations in order of calls */
export function searchOrder(
  operations: readonly SearchOperation[],
  model: SearchModel,
  stepsMax: number,
): SearchResult {
  return new Search(operations, model, stepsMax).run();
}

class Search {
  readonly #operations: readonly SearchOperation[];
  readonly #model: SearchModel;
  readonly #stepsMax: number;
  /** Answered operations in order of returns, to find the first return among those not placed. */
  readonly #byReturn: readonly number[];
  readonly #certain: readonly number[];
  readonly #unknown: readonly number[];
  readonly #placed: Uint8Array;
  readonly #order: number[] = [];
  readonly #frames: Frame[] = [];
  readonly #memo = new Set<string>();
  readonly #usedUnknown: number[] = [];
  #firstReturn = 0;
  #firstCertain = 0;
  #certainLeft = 0;
  #steps = 0;
  #furthest = 0;

  constructor(operations: readonly SearchOperation[], model: SearchModel, stepsMax: number) {
    this.#operations = operations;
    this.#model = model;
    this.#stepsMax = stepsMax;
    this.#placed = new Uint8Array(operations.length);
    const certain: number[] = [];
    const unknown: number[] = [];
    operations.forEach((operation, index) => {
      (operation.ret < never ? certain : unknown).push(index);
    });
    this.#certain = certain;
    this.#unknown = unknown;
    this.#certainLeft = certain.length;
    this.#byReturn = [...certain].sort((a, b) => this.#op(a).ret - this.#op(b).ret);
  }

  run(): SearchResult {
    this.#enter(this.#model.initial, -1, -1, 0);
    for (;;) {
      if (this.#certainLeft === 0) return { type: "order", order: [...this.#order], steps: this.#steps };
      const frame = this.#frames.at(-1);
      if (frame === undefined) {
        const stuck = this.#byReturn[Math.min(this.#furthest, this.#byReturn.length - 1)] as number;
        return { type: "impossible", stuck, steps: this.#steps };
      }
      if (this.#steps > this.#stepsMax) return { type: "exhausted", steps: this.#steps };
      if (frame.next >= frame.moves.length) {
        this.#frames.pop();
        this.#takeBackTo(frame.placedBefore);
        continue;
      }
      this.#try(frame, frame.moves[frame.next++] as number);
    }
  }

  #try(frame: Frame, move: number): void {
    const index = Math.floor(move / choicesMax);
    const choice = move % choicesMax;
    this.#steps++;
    const next = this.#model.step(frame.state, index, choice);
    if (next < 0) return;
    const unknown = this.#op(index).ret === never;
    if (unknown && next === frame.state) return;
    if (next !== frame.state && this.#model.watcher?.deadEnd(frame.state, next) === true) return;
    if (frame.pending >= 0 && !this.#needs(frame, index, choice, next, unknown)) return;
    const before = this.#order.length;
    this.#place(index);
    this.#enter(next, unknown ? frame.state : -1, unknown ? index : -1, before);
  }

  /**
   * An unknown operation u earns its place only if the operation x behind it would fare differently without it, or
   * could not as well come first. Otherwise the order with u later, or without u, is tried anyway. Of two unknown ones
   * that commute the earlier called comes first.
   */
  #needs(frame: Frame, index: number, choice: number, next: number, unknown: boolean): boolean {
    const without = this.#model.step(frame.pending, index, choice);
    if (without < 0) return true;
    if (without === next) return false;
    if (unknown && frame.unknown < index) return true;
    for (let other = 0; other < this.#model.choices(frame.unknown); other++) {
      if (this.#model.step(frame.pending, frame.unknown, other) !== frame.state) continue;
      if (this.#model.step(without, frame.unknown, other) === next) return false;
    }
    return true;
  }

  /** Places what can be placed without choice, then opens the choices, unless this configuration was seen before. */
  #enter(state: number, pending: number, unknown: number, placedBefore: number): void {
    if (pending < 0) this.#placeIdle(state);
    if (this.#certainLeft > 0 && this.#seen(state, pending, unknown)) {
      this.#takeBackTo(placedBefore);
      return;
    }
    const moves = this.#certainLeft === 0 ? [] : this.#moves();
    this.#frames.push({ state, pending, unknown, placedBefore, moves, next: 0 });
  }

  /**
   * Answered operations that never change anything go as soon as they fit: sooner harms nobody. One that merely
   * changes nothing here (a put of the same value) may be needed later.
   */
  #placeIdle(state: number): void {
    for (let again = true; again; ) {
      again = false;
      const limit = this.#limit();
      for (let at = this.#firstCertain; at < this.#certain.length; at++) {
        const index = this.#certain[at] as number;
        if (this.#op(index).call > limit) break;
        if (this.#placed[index] === 1 || !this.#op(index).idle) continue;
        this.#steps++;
        if (this.#model.step(state, index, 0) !== state) continue;
        const raises = this.#op(index).ret === limit;
        this.#place(index);
        if (raises) {
          again = true;
          break;
        }
      }
    }
  }

  #moves(): number[] {
    const limit = this.#limit();
    const certain: number[] = [];
    for (let at = this.#firstCertain; at < this.#certain.length; at++) {
      const index = this.#certain[at] as number;
      if (this.#op(index).call > limit) break;
      if (this.#placed[index] === 0) certain.push(index);
    }
    certain.sort((a, b) => this.#op(a).hint - this.#op(b).hint || a - b);
    const moves: number[] = [];
    const add = (index: number): void => {
      for (let choice = 0; choice < this.#model.choices(index); choice++) moves.push(index * choicesMax + choice);
    };
    for (const index of certain) add(index);
    for (const index of this.#unknown) {
      if (this.#op(index).call > limit) break;
      if (this.#placed[index] === 0) add(index);
    }
    return moves;
  }

  /** First return among answered operations not placed: whoever is called later must wait. */
  #limit(): number {
    return this.#op(this.#byReturn[this.#firstReturn] as number)?.ret ?? never;
  }

  #place(index: number): void {
    this.#placed[index] = 1;
    this.#order.push(index);
    this.#model.watcher?.placed(index);
    if (this.#op(index).ret === never) {
      let at = this.#usedUnknown.length;
      while (at > 0 && (this.#usedUnknown[at - 1] as number) > index) at--;
      this.#usedUnknown.splice(at, 0, index);
      return;
    }
    this.#certainLeft--;
    while (this.#firstReturn < this.#byReturn.length && this.#isPlaced(this.#byReturn[this.#firstReturn])) {
      this.#firstReturn++;
    }
    while (this.#firstCertain < this.#certain.length && this.#isPlaced(this.#certain[this.#firstCertain])) {
      this.#firstCertain++;
    }
    this.#furthest = Math.max(this.#furthest, this.#firstReturn);
  }

  #takeBackTo(length: number): void {
    while (this.#order.length > length) {
      const index = this.#order.pop() as number;
      this.#placed[index] = 0;
      this.#model.watcher?.unplaced(index);
      if (this.#op(index).ret === never) {
        this.#usedUnknown.splice(this.#usedUnknown.indexOf(index), 1);
        continue;
      }
      this.#certainLeft++;
      this.#firstReturn = Math.min(this.#firstReturn, this.#returnPosition(index));
      this.#firstCertain = Math.min(this.#firstCertain, this.#certainPosition(index));
    }
  }

  /** Compared exactly: state, first operation not placed, those placed beyond it, unknown ones used. */
  #seen(state: number, pending: number, unknown: number): boolean {
    let text = `${state},${pending},${unknown},${this.#firstCertain},`;
    const limit = this.#limit();
    for (let at = this.#firstCertain + 1; at < this.#certain.length; at++) {
      const index = this.#certain[at] as number;
      if (this.#op(index).call > limit) break;
      if (this.#placed[index] === 1) text += `${at - this.#firstCertain}.`;
    }
    if (this.#usedUnknown.length > 0) text += `,${this.#usedUnknown.join(".")}`;
    if (this.#memo.has(text)) return true;
    this.#memo.add(text);
    return false;
  }

  #op(index: number): SearchOperation {
    return this.#operations[index] as SearchOperation;
  }

  #isPlaced(index: number | undefined): boolean {
    return index !== undefined && this.#placed[index] === 1;
  }

  #returnPosition(index: number): number {
    return positionOf(this.#byReturn, (other) => this.#op(other).ret - this.#op(index).ret);
  }

  #certainPosition(index: number): number {
    return positionOf(this.#certain, (other) => other - index);
  }
}

const choicesMax = 4;

/** First position whose comparison is ≥ 0. */
function positionOf(list: readonly number[], compare: (value: number) => number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(list[middle] as number) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
