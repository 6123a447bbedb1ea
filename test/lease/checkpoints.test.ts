/*
 * Checkpoints at the lessor: which leases are written down, when, and how a renewal undoes it.
 */
import { describe, expect, test } from "vitest";
import { defaultMemberConfig, type MemberConfig } from "../../core/config.ts";
import { type LeaseId, leaseIdOf } from "../../core/ids.ts";
import { Lessor } from "../../core/lease/lessor.ts";
import { MemoryBackend } from "../kit/memory-backend.ts";

const id = (value: number): LeaseId => leaseIdOf(BigInt(value));
const lessorOf = (config: Partial<MemberConfig> = {}, backend = new MemoryBackend()): Lessor =>
  new Lessor(backend, { ...defaultMemberConfig, leaseCheckpoints: true, leaseCheckpointMs: 10_000, ...config });

/** "id:seconds left" of each that is due; they are applied at once. */
function take(lessor: Lessor, nowMs: number, max = 1_000): string[] {
  const due = lessor.checkpointsDue(nowMs, max);
  for (const { leaseId, remainingTtlSeconds } of due) lessor.checkpoint(leaseId, remainingTtlSeconds);
  return due.map(({ leaseId, remainingTtlSeconds }) => `${leaseId}:${remainingTtlSeconds}`);
}

describe("a primary", () => {
  test("writes down long leases once an interval, until less than an interval is left", () => {
    const lessor = lessorOf();
    lessor.promote(0, 0);
    lessor.grant(id(1), 35, 0);
    lessor.grant(id(2), 10, 0);
    expect(take(lessor, 9_999)).toEqual([]);
    expect(take(lessor, 10_000)).toEqual(["1:25"]);
    expect(take(lessor, 10_500)).toEqual([]);
    expect(take(lessor, 20_200)).toEqual(["1:15"]);
    expect(take(lessor, 30_200)).toEqual(["1:5"]);
    expect(take(lessor, 1_000_000)).toEqual([]);
  });

  test("rounds the time left up: a later primary never ends a lease sooner than this one would", () => {
    const lessor = lessorOf();
    lessor.promote(0, 0);
    lessor.grant(id(1), 60, 0);
    expect(take(lessor, 10_001)).toEqual(["1:50"]);
  });

  test("writes nothing down where checkpoints are off", () => {
    const lessor = lessorOf({ leaseCheckpoints: false });
    lessor.promote(0, 0);
    lessor.grant(id(1), 60, 0);
    expect(take(lessor, 1_000_000)).toEqual([]);
  });

  test("writes down no more leases at once than it may, those due longest first", () => {
    const lessor = lessorOf();
    lessor.promote(0, 0);
    for (let number = 1; number <= 5; number++) lessor.grant(id(number), 60, number);
    expect(take(lessor, 10_005, 2)).toEqual(["1:50", "2:50"]);
    expect(take(lessor, 10_005, 2)).toEqual(["3:50", "4:50"]);
    expect(take(lessor, 10_005, 2)).toEqual(["5:50"]);
  });

  test("checkpoints in every leadership, not in its first alone", () => {
    const lessor = lessorOf();
    lessor.grant(id(1), 100, 0);
    for (const startMs of [0, 200_000, 400_000]) {
      lessor.promote(startMs, 0);
      expect(take(lessor, startMs + 10_000).map((text) => text.split(":")[0])).toEqual(["1"]);
      lessor.demote();
      expect(take(lessor, startMs + 30_000)).toEqual([]);
    }
  });

  test("goes on from a checkpoint of the primary before it, and from there again", () => {
    const lessor = lessorOf();
    lessor.grant(id(1), 100, 0);
    lessor.checkpoint(id(1), 40);
    lessor.promote(0, 1_000);
    expect(lessor.timeToLive(id(1), 0)).toMatchObject({ ttlSeconds: 41, grantedTtlSeconds: 100 });
    expect(take(lessor, 10_000)).toEqual(["1:31"]);
    lessor.promote(20_000, 0);
    expect(lessor.timeToLive(id(1), 20_000)).toMatchObject({ ttlSeconds: 31 });
  });

  test("plans the next checkpoint an interval after a renewal, and none for a lease that is gone", () => {
    const lessor = lessorOf();
    lessor.promote(0, 0);
    lessor.grant(id(1), 60, 0);
    lessor.grant(id(2), 60, 0);
    expect(lessor.renew(id(1), 9_000)).toBe(60);
    lessor.remove(id(2));
    expect(take(lessor, 18_999)).toEqual([]);
    expect(take(lessor, 19_000)).toEqual(["1:50"]);
  });
});

describe("a renewal", () => {
  test("has to undo a checkpoint first, one that is still on its way too", () => {
    const lessor = lessorOf();
    lessor.promote(0, 0);
    lessor.grant(id(1), 60, 0);
    expect(lessor.mustResetBeforeRenewal(id(1))).toBe(false);
    lessor.checkpointsDue(10_000, 10);
    expect(lessor.mustResetBeforeRenewal(id(1))).toBe(true);
    lessor.checkpoint(id(1), 50);
    expect(lessor.mustResetBeforeRenewal(id(1))).toBe(true);
    lessor.checkpoint(id(1), 0);
    expect(lessor.mustResetBeforeRenewal(id(1))).toBe(false);
  });

  test("need not undo a checkpoint that was refused, and the lease is due again at once", () => {
    const lessor = lessorOf();
    lessor.promote(0, 0);
    lessor.grant(id(1), 60, 0);
    lessor.checkpointsDue(10_000, 10);
    lessor.checkpointRefused(id(1), 10_000);
    expect(lessor.mustResetBeforeRenewal(id(1))).toBe(false);
    expect(take(lessor, 10_000)).toEqual(["1:50"]);
  });

  test("undoes a checkpoint also where no new ones are made", () => {
    const lessor = lessorOf({ leaseCheckpoints: false });
    lessor.grant(id(1), 60, 0);
    lessor.checkpoint(id(1), 20);
    lessor.promote(0, 0);
    expect(lessor.mustResetBeforeRenewal(id(1))).toBe(true);
  });
});

test("a checkpoint survives a restart", () => {
  const backend = new MemoryBackend();
  const before = lessorOf({}, backend);
  before.grant(id(1), 100, 0);
  before.checkpoint(id(1), 30);
  const after = lessorOf({}, backend);
  after.reload(new Map());
  after.promote(0, 0);
  expect(after.timeToLive(id(1), 0)).toMatchObject({ ttlSeconds: 30, grantedTtlSeconds: 100 });
});
