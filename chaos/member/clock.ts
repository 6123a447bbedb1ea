/*
 * The clock of a real member: whole milliseconds of the monotonic clock, and ticks at a steady pace. A process that was
 * stopped for a while gets one late tick, not all the missed ones: a burst would look like a long silence of others.
 */

export interface Ticking {
  stop(): void;
}

/** Monotonic, from the start of this process; never compared with another member's. */
export const nowMs = (): number => Math.floor(performance.now());

/** Calls back once every `tickMs`, a little late at worst, until stopped. */
export function startTicks(tickMs: number, onTick: () => void): Ticking {
  let dueMs = performance.now() + tickMs;
  let timer = setTimeout(fire, tickMs);
  let stopped = false;
  function fire(): void {
    onTick();
    if (stopped) return;
    const now = performance.now();
    dueMs = Math.max(dueMs + tickMs, now);
    timer = setTimeout(fire, Math.max(1, dueMs - now));
  }
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
