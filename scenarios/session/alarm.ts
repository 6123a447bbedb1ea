/*
 * Keeps a session to few wakes: it asks the world for one only when no earlier one is on its way.
 */

/** Real timers may fire this much before their time; such a wake counts, and the session asks again. */
const earlyMs = 2;

export class Alarm {
  /** Earliest wake on its way; undefined when none is. */
  #atMs: number | undefined;

  /** A wake came. One that was asked for before a nearer one took its place changes nothing. */
  woke(nowMs: number): void {
    if (this.#atMs !== undefined && nowMs >= this.#atMs - earlyMs) this.#atMs = undefined;
  }

  /** True when the world must be asked to wake the session at that time. */
  wants(atMs: number): boolean {
    if (this.#atMs !== undefined && this.#atMs <= atMs) return false;
    this.#atMs = atMs;
    return true;
  }
}
