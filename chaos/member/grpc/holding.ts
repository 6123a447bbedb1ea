/*
 * What clients make this process keep for them: requests that have not come whole, answers that are not taken, calls that
 * are open. HTTP/2's windows bound a stream; these bounds are for a client that opens thousands of them. Whoever keeps
 * no more than its share is served all the same, so that one client cannot use up what all others need. The first can fill
 * the bound, the second half of it then, the third a third: n of them its n-th harmonic number, 10 times for 12,000.
 */

export const holdingBounds = {
  /** Of all connections; when reached, one that holds more than an equal share is refused new calls and large answers. */
  bytesMax: 256 * 1024 * 1024,
  /** Of all connections; when reached, a new call is refused before anybody has looked at it. Above core's own bounds. */
  callsMax: 250_000,
} as const;

/** Of all connections. */
export class Holding {
  bytes = 0;
  calls = 0;
  /** Connections for which something is kept. */
  holders = 0;
}

/** Of one connection. */
export class Held {
  readonly #all: Holding;
  bytes = 0;

  constructor(all: Holding) {
    this.#all = all;
  }

  /** @param bytes below 0: so many are gone */
  add(bytes: number): void {
    const before = this.bytes;
    this.bytes += bytes;
    this.#all.holders += Number(this.bytes > 0) - Number(before > 0);
    this.#all.bytes += bytes;
  }

  get isTooMuch(): boolean {
    const { bytesMax } = holdingBounds;
    return this.#all.bytes > bytesMax && this.bytes * this.#all.holders > bytesMax;
  }

  /** @returns false: there are too many, and this one is not counted */
  takeCall(): boolean {
    if (this.#all.calls >= holdingBounds.callsMax) return false;
    this.#all.calls += 1;
    return true;
  }

  endCall(): void {
    this.#all.calls -= 1;
  }
}
