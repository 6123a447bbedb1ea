/*
 * Keeps a session to few wakes: it asks the world for one only when none that is early enough is on its way. A call's
 * deadline is hardly ever reached; were its wake forgotten once a nearer one is asked for, every call would cost one.
 */

/** Real timers may fire this much before their time; such a wake counts, and the session asks again. */
const earlyMs = 2;

export class Alarm {
  /** Times of the wakes on their way, each earlier than the one before it. */
  readonly #wakesMs: number[] = [];

  /** A wake came: it, and whatever was due before it, is on its way no more. */
  woke(nowMs: number): void {
    const wakesMs = this.#wakesMs;
    while (wakesMs.length > 0 && nowMs >= (wakesMs[wakesMs.length - 1] as number) - earlyMs) wakesMs.pop();
  }

  /** True when the world must be asked to wake the session at that time. */
  wants(atMs: number): boolean {
    const wakesMs = this.#wakesMs;
    if (wakesMs.length > 0 && (wakesMs[wakesMs.length - 1] as number) <= atMs) return false;
    wakesMs.push(atMs);
    return true;
  }
}
