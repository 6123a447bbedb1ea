/*
 * The hash of a state of the cluster: 64 bits, in two halves. It is the sum of the hashes of the parts, each of them the
 * hash of a canonical text; the messages of an ordered link are chained first, oldest first. A sum is made for every
 * renaming of the members, and the least of them is the signature: states that differ only in who is who have one.
 */
import type { Flight, Row } from "./flight.ts";
import type { Lanes } from "./lanes.ts";

export class Signature {
  readonly #flight: Flight;
  readonly #renamings: number;
  readonly #low: Int32Array;
  readonly #high: Int32Array;
  readonly #linkLow: Int32Array;
  readonly #linkHigh: Int32Array;
  /** Of the state that was signed last. */
  low = 0;
  high = 0;

  constructor(flight: Flight, renamings: number) {
    this.#flight = flight;
    this.#renamings = renamings;
    this.#low = new Int32Array(renamings);
    this.#high = new Int32Array(renamings);
    this.#linkLow = new Int32Array(renamings);
    this.#linkHigh = new Int32Array(renamings);
  }

  /** Begins with a number that no renaming changes. */
  begin(number: number): void {
    this.#low.fill(Math.imul(number + 1, 0x9e3779b1));
    this.#high.fill(Math.imul(number + 1, 0x85ebca6b));
  }

  add(lanes: Lanes, number: number): void {
    const base = number * this.#renamings;
    for (let renaming = 0; renaming < this.#renamings; renaming++) {
      this.#low[renaming] = (this.#low[renaming] as number) + (lanes.low[base + renaming] as number);
      this.#high[renaming] = (this.#high[renaming] as number) + (lanes.high[base + renaming] as number);
    }
  }

  /** The messages of a state, from `start` on. */
  addFlight(lanes: Lanes, state: Row, start: number): void {
    for (let at = start; at < state.length; at++) {
      const message = state.cells[at] as number;
      const isChained = at > start && this.#flight.follows(message, state.cells[at - 1] as number);
      if (!isChained) this.#endLink();
      this.#chain(lanes, message);
    }
    this.#endLink();
  }

  finish(): void {
    this.low = this.#low[0] as number;
    this.high = this.#high[0] as number;
    for (let renaming = 1; renaming < this.#renamings; renaming++) {
      const low = this.#low[renaming] as number;
      const high = this.#high[renaming] as number;
      if (low > this.low || (low === this.low && high >= this.high)) continue;
      this.low = low;
      this.high = high;
    }
  }

  #chain(lanes: Lanes, message: number): void {
    const base = message * this.#renamings;
    for (let renaming = 0; renaming < this.#renamings; renaming++) {
      const low = Math.imul(this.#linkLow[renaming] as number, 0x5bd1e995) + (lanes.low[base + renaming] as number);
      const high = Math.imul(this.#linkHigh[renaming] as number, 0x9e3779b1) + (lanes.high[base + renaming] as number);
      this.#linkLow[renaming] = low ^ (low >>> 13);
      this.#linkHigh[renaming] = high ^ (high >>> 15);
    }
  }

  /** An empty link leaves nothing. */
  #endLink(): void {
    for (let renaming = 0; renaming < this.#renamings; renaming++) {
      const low = this.#linkLow[renaming] as number;
      const high = this.#linkHigh[renaming] as number;
      this.#low[renaming] = (this.#low[renaming] as number) + Math.imul(low ^ (low >>> 16), 0x85ebca6b);
      this.#high[renaming] = (this.#high[renaming] as number) + Math.imul(high ^ (high >>> 16), 0xc2b2ae35);
    }
    this.#linkLow.fill(0);
    this.#linkHigh.fill(0);
  }
}
