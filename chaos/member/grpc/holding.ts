/*
 * What clients make this process keep for them: requests that have not come whole, answers that are not taken, calls that
 * are open. HTTP/2's windows bound a stream; these bounds are for a client that opens thousands of them. Whoever keeps
 * little is served all the same, so that one client cannot use up the share of all others.
 */

const mib = 1024 * 1024;

export const holdingBounds = {
  /** Of all connections; when reached, a connection that holds more than its own share is refused new calls. */
  bytesMax: 256 * mib,
  shareBytes: mib,
  /** Of all connections; when reached, a new call is refused before anybody has looked at it. Above core's own bounds. */
  callsMax: 250_000,
} as const;

/** Of all connections. */
export class Holding {
  bytes = 0;
  calls = 0;
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
    this.bytes += bytes;
    this.#all.bytes += bytes;
  }

  get isTooMuch(): boolean {
    return this.bytes > holdingBounds.shareBytes && this.#all.bytes > holdingBounds.bytesMax;
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
