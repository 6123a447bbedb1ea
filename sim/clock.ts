/*
 * A member's own clock in simulated time: offset, speed and jumps. What it shows never falls: after a jump back it
 * stands still until it is caught up, as a monotonic clock under a stepped wall clock would be read, or until another
 * process begins to read it. Ticks follow its speed but not its jumps, as timers do. All times are whole microseconds.
 */

const million = 1_000_000;

export class SimClock {
  #originUs: number;
  #originLocalUs: number;
  #driftPpm: number;
  #shownUs: number;
  /** What the processes that read this clock do not know: how far before its beginning the wall clock was put. */
  #wallBehindUs = 0;

  constructor(start: { readonly timeUs: number; readonly offsetMs: number; readonly driftPpm: number }) {
    this.#originUs = start.timeUs;
    this.#originLocalUs = start.offsetMs * 1_000;
    this.#driftPpm = start.driftPpm;
    this.#shownUs = this.#originLocalUs;
  }

  /** What the member reads at that simulated time, whole milliseconds, never less than this process read before. */
  nowMs(timeUs: number): number {
    const localUs = this.#localUs(timeUs);
    if (localUs > this.#shownUs) this.#shownUs = localUs;
    return Math.floor(this.#shownUs / 1_000);
  }

  /** Another process reads it from now on, and knows nothing of what the one before it read. */
  beginProcess(timeUs: number): void {
    this.#rebase(timeUs);
    this.#wallBehindUs -= Math.min(0, this.#originLocalUs);
    this.#originLocalUs = Math.max(0, this.#originLocalUs);
    this.#shownUs = this.#originLocalUs;
  }

  /** The wall clock at that simulated time, which jumps as it is told; never before its beginning. */
  wallMs(timeUs: number): number {
    return Math.max(0, Math.floor((this.#localUs(timeUs) - this.#wallBehindUs) / 1_000));
  }

  /** Moves the clock; forwards at once, backwards by standing still. */
  jump(timeUs: number, byMs: number): void {
    this.#rebase(timeUs);
    this.#originLocalUs += byMs * 1_000;
  }

  /** From that time on the clock runs (1 + ppm / 10^6) as fast; ppm > −10^6. */
  setDrift(timeUs: number, driftPpm: number): void {
    this.#rebase(timeUs);
    this.#driftPpm = driftPpm;
  }

  /** Simulated time that passes while this clock counts so many milliseconds; at least 1 µs. */
  durationUs(localMs: number): number {
    if (this.#driftPpm === 0) return Math.max(1, localMs * 1_000);
    return Math.max(1, Math.round((localMs * 1_000 * million) / (million + this.#driftPpm)));
  }

  #rebase(timeUs: number): void {
    this.#originLocalUs = this.#localUs(timeUs);
    this.#originUs = timeUs;
  }

  #localUs(timeUs: number): number {
    const elapsedUs = timeUs - this.#originUs;
    return this.#originLocalUs + elapsedUs + Math.floor((elapsedUs * this.#driftPpm) / million);
  }
}
