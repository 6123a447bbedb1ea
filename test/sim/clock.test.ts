import { expect, test } from "vitest";
import { SimClock } from "../../sim/clock.ts";
import { clockSuite } from "../contract/clock.suite.ts";

const driftPpm = -20_000;

clockSuite({
  name: "simulated",
  slack: Math.abs(driftPpm) / 1_000_000,
  open: async () => {
    const clock = new SimClock({ timeUs: 0, offsetMs: 5_000, driftPpm });
    let timeUs = 0;
    let ticking: { dueUs: number; everyUs: number; onTick: () => void } | undefined;
    return {
      nowMs: () => clock.nowMs(timeUs),
      pass: async (ms) => {
        const endUs = timeUs + ms * 1_000;
        while (ticking !== undefined && ticking.dueUs <= endUs) {
          timeUs = ticking.dueUs;
          ticking.dueUs += ticking.everyUs;
          ticking.onTick();
        }
        timeUs = endUs;
      },
      startTicks: (tickMs, onTick) => {
        const everyUs = clock.durationUs(tickMs);
        ticking = { dueUs: timeUs + everyUs, everyUs, onTick };
        return {
          stop: () => {
            ticking = undefined;
          },
        };
      },
      close: async () => undefined,
    };
  },
});

test("drift changes how fast the clock runs, from the change on", () => {
  const clock = new SimClock({ timeUs: 0, offsetMs: 0, driftPpm: 0 });
  expect(clock.nowMs(1_000_000)).toBe(1_000);
  clock.setDrift(1_000_000, 100_000);
  expect(clock.nowMs(2_000_000)).toBe(2_100);
  expect(clock.durationUs(110)).toBe(100_000);
});

test("a jump forward shows at once; after a jump back the clock stands still until it is caught up", () => {
  const clock = new SimClock({ timeUs: 0, offsetMs: 0, driftPpm: 0 });
  clock.jump(1_000_000, 5_000);
  expect(clock.nowMs(1_000_000)).toBe(6_000);
  clock.jump(2_000_000, -3_000);
  expect(clock.nowMs(2_000_000)).toBe(6_000);
  expect(clock.nowMs(3_500_000)).toBe(6_000);
  expect(clock.nowMs(4_500_000)).toBe(6_500);
});

test("a process that begins after a jump back reads the clock as it is", () => {
  const clock = new SimClock({ timeUs: 0, offsetMs: 0, driftPpm: 0 });
  expect(clock.nowMs(5_000_000)).toBe(5_000);
  clock.jump(5_000_000, -4_000);
  expect(clock.wallMs(5_000_000)).toBe(1_000);
  clock.beginProcess(6_000_000);
  expect(clock.nowMs(6_000_000)).toBe(2_000);
  clock.jump(6_000_000, -60_000);
  clock.beginProcess(6_000_000);
  // Far back it is only the wall clock that stands still: a process sees its own time pass.
  expect([clock.nowMs(6_000_000), clock.wallMs(6_000_000)]).toEqual([0, 0]);
  expect([clock.nowMs(7_000_000), clock.wallMs(7_000_000)]).toEqual([1_000, 0]);
  expect([clock.nowMs(65_000_000), clock.wallMs(65_000_000)]).toEqual([59_000, 1_000]);
});
