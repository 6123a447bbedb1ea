import fc from "fast-check";
import { expect, test } from "vitest";
import { Schedule } from "../../sim/schedule.ts";

const step = fc.oneof(
  fc.record({ timeUs: fc.integer({ min: 0, max: 20 }), order: fc.integer({ min: 0, max: 3 }) }),
  fc.constant(undefined),
);

test("events come out by time, then class, then order of insertion, exactly as a sorted list gives them", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const schedule = new Schedule();
      const slow: { timeUs: number; order: number; number: number }[] = [];
      let number = 0;
      for (const added of steps) {
        if (added !== undefined) {
          schedule.add(added.timeUs, added.order, 1, 0, 0, number, undefined);
          slow.push({ ...added, number });
          number += 1;
          continue;
        }
        slow.sort((a, b) => a.timeUs - b.timeUs || a.order - b.order || a.number - b.number);
        expect(schedule.nextTimeUs).toBe(slow[0]?.timeUs);
        expect(schedule.take()?.number).toBe(slow.shift()?.number);
        expect(schedule.size).toBe(slow.length);
      }
    }),
    { numRuns: 300 },
  );
});

test("an empty schedule gives nothing", () => {
  const schedule = new Schedule();
  expect(schedule.take()).toBeUndefined();
  expect(schedule.nextTimeUs).toBeUndefined();
});
