/*
 * The hash of a state of the cluster: 64 bits, in two halves. It is the sum of the hashes of the parts, each of them the
 * hash of a canonical text; the messages of an ordered link are chained first, oldest first.
 *
 * States that differ only in who is who have one signature: a sum is made for each renaming of the members that puts
 * them in the order of their ranks, and the least of these is kept. A rank is what can be told of a member without any
 * names; members of different ranks leave one renaming, and only equals have to be tried in every order.
 */
import type { Renaming } from "./canon.ts";
import type { Flight, Row } from "./flight.ts";
import type { Lanes } from "./lanes.ts";
import type { Locals } from "./locals.ts";

export class Signature {
  readonly #locals: Locals;
  readonly #annals: Lanes;
  readonly #messages: Lanes;
  readonly #flight: Flight;
  readonly #members: number;
  readonly #renamings: readonly Renaming[];
  /** By the order in which the ranks of a state stand: positions of the renamings that sort them. */
  readonly #sorting = new Map<number, readonly number[]>();
  /** Of the state that was signed last. */
  low = 0;
  high = 0;
  #sumLow = 0;
  #sumHigh = 0;

  constructor(options: {
    readonly locals: Locals;
    readonly annals: Lanes;
    readonly messages: Lanes;
    readonly flight: Flight;
    readonly members: number;
    readonly renamings: readonly Renaming[];
  }) {
    this.#locals = options.locals;
    this.#annals = options.annals;
    this.#messages = options.messages;
    this.#flight = options.flight;
    this.#members = options.members;
    this.#renamings = options.renamings;
  }

  /** Cells of a state: its members, what is used of the budgets, the annals, the messages in flight. */
  sign(state: Row): void {
    const sorting = this.#sortingOf(state);
    for (let at = 0; at < sorting.length; at++) {
      this.#sum(state, sorting[at] as number);
      const isLeast = this.#sumLow < this.low || (this.#sumLow === this.low && this.#sumHigh < this.high);
      if (at > 0 && !isLeast) continue;
      this.low = this.#sumLow;
      this.high = this.#sumHigh;
    }
  }

  #sum(state: Row, renaming: number): void {
    const { cells } = state;
    const members = this.#members;
    const spent = cells[members] as number;
    this.#sumLow = Math.imul(spent + 1, 0x9e3779b1);
    this.#sumHigh = Math.imul(spent + 1, 0x85ebca6b);
    for (let slot = 0; slot < members; slot++) this.#add(this.#locals.hashes, cells[slot] as number, renaming);
    this.#add(this.#annals, cells[members + 1] as number, renaming);
    this.#addFlight(state, members + 2, renaming);
  }

  #add(lanes: Lanes, number: number, renaming: number): void {
    const at = number * lanes.width + renaming;
    this.#sumLow = (this.#sumLow + (lanes.low[at] as number)) | 0;
    this.#sumHigh = (this.#sumHigh + (lanes.high[at] as number)) | 0;
  }

  /** Link by link; an empty link leaves nothing. */
  #addFlight(state: Row, start: number, renaming: number): void {
    const { low: lanesLow, high: lanesHigh, width } = this.#messages;
    let low = 0;
    let high = 0;
    for (let at = start; at <= state.length; at++) {
      const message = state.cells[at] as number;
      const isChained = at > start && at < state.length && this.#flight.follows(message, state.cells[at - 1] as number);
      if (!isChained) {
        this.#sumLow = (this.#sumLow + Math.imul(low ^ (low >>> 16), 0x85ebca6b)) | 0;
        this.#sumHigh = (this.#sumHigh + Math.imul(high ^ (high >>> 16), 0xc2b2ae35)) | 0;
        low = 0;
        high = 0;
      }
      if (at === state.length) return;
      low = Math.imul(low, 0x5bd1e995) + (lanesLow[message * width + renaming] as number);
      high = Math.imul(high, 0x9e3779b1) + (lanesHigh[message * width + renaming] as number);
      low ^= low >>> 13;
      high ^= high >>> 15;
    }
  }

  #sortingOf(state: Row): readonly number[] {
    let order = 0;
    for (let slot = 1; slot < this.#members; slot++) {
      const rank = this.#rankAt(state, slot);
      for (let other = 0; other < slot; other++) {
        const difference = rank - this.#rankAt(state, other);
        order = order * 3 + (difference < 0 ? 0 : difference === 0 ? 1 : 2);
      }
    }
    const known = this.#sorting.get(order);
    if (known !== undefined) return known;
    const ranks = Array.from({ length: this.#members }, (_none, slot) => this.#rankAt(state, slot));
    const sorting = this.#renamings.flatMap((renaming, position) => (sorts(renaming, ranks) ? [position] : []));
    // Where nobody is interchangeable there is only the renaming that changes nothing.
    const all = this.#renamings.length === 1 ? [0] : sorting;
    this.#sorting.set(order, all);
    return all;
  }

  #rankAt(state: Row, slot: number): number {
    return this.#locals.at(state.cells[slot] as number).rank;
  }
}

/** Whether the ranks rise, or stay, from one renamed member to the next. */
function sorts(renaming: Renaming, ranks: readonly number[]): boolean {
  const renamed: number[] = [];
  for (const [slot, rank] of ranks.entries()) renamed[Number(renaming[slot + 1]) - 1] = rank;
  return renamed.every((rank, position) => position === 0 || (renamed[position - 1] ?? 0) <= rank);
}
