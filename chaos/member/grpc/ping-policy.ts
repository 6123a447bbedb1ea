/*
 * How often a client may ask for a sign of life: not sooner than a least time after it asked last, and with no call open
 * hardly ever. Two that come too soon are forgiven, until this side sends an answer and all are; the next one is not.
 * As grpc-go's server has it. Source: gRPC keep-alive guide, server enforcement.
 */

/** Between pings of a client without calls. */
const idleMs = 7_200_000;
const forgiven = 2;

export class PingPolicy {
  readonly #leastMs: number;
  #strikes = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** @param leastMs between pings of a client with open calls */
  constructor(leastMs: number) {
    this.#leastMs = leastMs;
  }

  /** Something of an answer was sent. */
  forgive(): void {
    this.#strikes = -1;
  }

  /** @returns false: too many came */
  ping(nowMs: number, hasCalls: boolean): boolean {
    const sinceMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    // The first one after an answer counts for nothing: it may be about the answer.
    if (this.#strikes < 0) this.#strikes = 0;
    else if (sinceMs < (hasCalls ? this.#leastMs : idleMs)) this.#strikes += 1;
    return this.#strikes <= forgiven;
  }
}
