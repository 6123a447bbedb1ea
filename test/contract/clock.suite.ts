/*
 * What a member may rely on from its clock, simulated or real: whole milliseconds that never fall, and ticks at about
 * the asked pace.
 */
import { describe, expect, test } from "vitest";

export interface ClockSubject {
  nowMs(): number;
  /** Lets at least so much time pass. */
  pass(ms: number): Promise<void>;
  /** Calls back about every so many milliseconds until stopped. */
  startTicks(tickMs: number, onTick: () => void): { stop(): void };
  close(): Promise<void>;
}

export interface ClockContract {
  readonly name: string;
  /** How far a passed duration may be off by the clock's own speed, as a fraction. */
  readonly slack: number;
  open(): Promise<ClockSubject>;
}

export function clockSuite(contract: ClockContract): void {
  const withClock = async (body: (clock: ClockSubject) => Promise<void>): Promise<void> => {
    const clock = await contract.open();
    try {
      await body(clock);
    } finally {
      await clock.close();
    }
  };

  describe(`clock: ${contract.name}`, () => {
    test("shows whole milliseconds that never fall", () =>
      withClock(async (clock) => {
        let last = clock.nowMs();
        for (let step = 0; step < 20; step++) {
          await clock.pass(1);
          const now = clock.nowMs();
          expect(Number.isSafeInteger(now)).toBe(true);
          expect(now).toBeGreaterThanOrEqual(last);
          last = now;
        }
      }));

    test("shows at least the time that passed, up to its own speed", () =>
      withClock(async (clock) => {
        const before = clock.nowMs();
        await clock.pass(50);
        expect(clock.nowMs() - before).toBeGreaterThanOrEqual(Math.floor(50 * (1 - contract.slack)) - 1);
      }));

    test("ticks come one by one at about the asked pace and end when stopped", () =>
      withClock(async (clock) => {
        let ticks = 0;
        const ticking = clock.startTicks(10, () => {
          ticks += 1;
        });
        await clock.pass(100);
        ticking.stop();
        const counted = ticks;
        expect(counted).toBeGreaterThanOrEqual(2);
        await clock.pass(30);
        expect(ticks).toBe(counted);
      }));
  });
}
