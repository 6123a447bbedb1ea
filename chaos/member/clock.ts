/*
 * The clock of a real member: whole milliseconds of the monotonic clock, and ticks at a steady pace. A process that was
 * stopped for a while gets one late tick, not all the missed ones: a burst would look like a long silence of others.
 * All that core knows of time comes from here, so a drill can make it run fast or slow here (fault-points.ts).
 */
import type { FaultPoints } from "./fault-points.ts";

export interface Ticking {
  stop(): void;
}

const million = 1_000_000;

export class MemberClock {
  readonly #points: Pick<FaultPoints, "clockDriftPpm"> | undefined;
  readonly #monotonicMs: () => number;
  /** A moment by the monotonic clock, and what this clock showed then: from there on it runs at the present speed. */
  #origin = { monotonicMs: 0, shownMs: 0 };
  #driftPpm = 0;

  /** @param monotonicMs stands in for the machine's clock in tests */
  constructor(points?: Pick<FaultPoints, "clockDriftPpm">, monotonicMs: () => number = () => performance.now()) {
    this.#points = points;
    this.#monotonicMs = monotonicMs;
    this.#followDrift();
  }

  /** Monotonic, from the start of this process; never compared with another member's. */
  readonly nowMs = (): number => Math.floor(this.#shownAt(this.#monotonicMs()));

  /** Calls back once every `tickMs` of this clock, a little late at worst, until stopped. */
  startTicks(tickMs: number, onTick: () => void): Ticking {
    let dueMs = this.#monotonicMs() + this.#lengthOf(tickMs);
    let timer: NodeJS.Timeout;
    let stopped = false;
    const wait = (): void => {
      timer = setTimeout(fire, Math.max(1, dueMs - this.#monotonicMs()));
    };
    const fire = (): void => {
      this.#followDrift();
      onTick();
      if (stopped) return;
      dueMs = Math.max(dueMs + this.#lengthOf(tickMs), this.#monotonicMs());
      wait();
    };
    wait();
    return {
      stop() {
        stopped = true;
        clearTimeout(timer);
      },
    };
  }

  /** What is shown goes on from where it is: only the speed changes. */
  #followDrift(): void {
    const driftPpm = this.#points?.clockDriftPpm ?? 0;
    if (driftPpm === this.#driftPpm) return;
    const monotonicMs = this.#monotonicMs();
    this.#origin = { monotonicMs, shownMs: this.#shownAt(monotonicMs) };
    this.#driftPpm = driftPpm;
  }

  #shownAt(monotonicMs: number): number {
    return this.#origin.shownMs + (monotonicMs - this.#origin.monotonicMs) * this.#speed;
  }

  /** By the monotonic clock, of what lasts so long by this one. */
  #lengthOf(localMs: number): number {
    return localMs / this.#speed;
  }

  get #speed(): number {
    return 1 + this.#driftPpm / million;
  }
}
