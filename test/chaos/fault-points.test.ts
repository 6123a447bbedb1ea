/*
 * The points at which a drill makes a member's disk and clock fail.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MemberClock } from "../../chaos/member/clock.ts";
import { FaultPoints, setFaultPoints } from "../../chaos/member/fault-points.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "faultline-points-"));
  path = join(directory, "n1.faults");
});
afterEach(() => rmSync(directory, { recursive: true }));

test("without a file, and without a path, no point is set", () => {
  for (const points of [new FaultPoints(path), new FaultPoints(undefined)]) {
    expect(points.hasNoRoom).toBe(false);
    expect(points.holdsSyncs).toBe(false);
    expect(points.slowSyncMs).toBe(0);
    expect(points.clockDriftPpm).toBe(0);
    expect(points.takeSyncFailure()).toBe(false);
  }
});

test("points stand beside each other, and the one that happens once leaves the others", () => {
  const points = new FaultPoints(path);
  setFaultPoints(
    path,
    new Map([
      ["no-room", undefined],
      ["slow-sync", 250],
      ["clock-drift", -30_000],
      ["fail-sync-once", undefined],
    ] as const),
  );
  expect(points.takeSyncFailure()).toBe(true);
  expect(points.takeSyncFailure()).toBe(false);
  expect(points.hasNoRoom).toBe(true);
  expect(points.slowSyncMs).toBe(250);
  expect(points.clockDriftPpm).toBe(-30_000);
  setFaultPoints(path, new Map());
  expect(points.hasNoRoom).toBe(false);
});

test("a clock that is made to run fast or slow goes on from where it is", async () => {
  const drift = { clockDriftPpm: 0 };
  let monotonicMs = 1_000;
  const clock = new MemberClock(drift, () => monotonicMs);
  /** The next tick: until then the clock does not look at the point. */
  const tick = async (): Promise<void> => {
    await new Promise<void>((resolve) => {
      const ticking = clock.startTicks(1, () => {
        ticking.stop();
        resolve();
      });
    });
  };
  const began = clock.nowMs();
  monotonicMs += 100;
  expect(clock.nowMs()).toBe(began + 100);
  drift.clockDriftPpm = 500_000;
  await tick();
  expect(clock.nowMs()).toBe(began + 100);
  monotonicMs += 100;
  expect(clock.nowMs()).toBe(began + 250);
  drift.clockDriftPpm = -500_000;
  await tick();
  expect(clock.nowMs()).toBe(began + 250);
  monotonicMs += 100;
  expect(clock.nowMs()).toBe(began + 300);
});
