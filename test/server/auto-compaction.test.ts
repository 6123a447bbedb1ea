import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultMemberConfig, type MemberConfig } from "../../core/config.ts";
import { revisionOf } from "../../core/ids.ts";
import { AutoCompaction } from "../../core/server/auto-compaction.ts";
import { TestCluster } from "../kit/cluster.ts";
import { accepted, putOf, rangeOf } from "../kit/requests.ts";

const configOf = (config: Partial<MemberConfig>): MemberConfig => ({ ...defaultMemberConfig, ...config });

/** What each look asks for while the revision rises by one a step; every compaction takes effect at once. */
function asked(config: Partial<MemberConfig>, options: { steps: number; stepMs: number; leads?: boolean }): string[] {
  const compaction = new AutoCompaction(configOf(config), 0);
  const log: string[] = [];
  let compactRevision = 0;
  for (let step = 1; step <= options.steps; step++) {
    const nowMs = step * options.stepMs;
    const wanted = compaction.tick({
      nowMs,
      leads: options.leads ?? true,
      currentRevision: revisionOf(step),
      compactRevision: revisionOf(compactRevision),
    });
    if (wanted === undefined) continue;
    compactRevision = wanted.revision;
    log.push(`${nowMs}: ${wanted.revision}`);
  }
  return log;
}

describe("a leader", () => {
  test("compacts to what was current a period ago, once a period", () => {
    const looks = asked({ autoCompactionPeriodMs: 1_000 }, { steps: 45, stepMs: 100 });
    expect(looks).toEqual(["1100: 1", "2100: 11", "3100: 21", "4100: 31"]);
  });

  test("with a period of many hours keeps that much and compacts every hour", () => {
    const minuteMs = 60_000;
    const looks = asked({ autoCompactionPeriodMs: 180 * minuteMs }, { steps: 400, stepMs: minuteMs });
    expect(looks).toEqual([
      `${181 * minuteMs}: 1`,
      `${241 * minuteMs}: 61`,
      `${301 * minuteMs}: 121`,
      `${361 * minuteMs}: 181`,
    ]);
  });

  test("keeps the newest so many revisions, looking every so often", () => {
    const looks = asked({ autoCompactionRevisions: 10, autoCompactionCheckMs: 1_000 }, { steps: 35, stepMs: 100 });
    expect(looks).toEqual(["2000: 10", "3000: 20"]);
  });

  test("asks again for a compaction that took no effect, a tenth of a period later", () => {
    const compaction = new AutoCompaction(configOf({ autoCompactionPeriodMs: 1_000 }), 0);
    const look = (nowMs: number) =>
      compaction.tick({ nowMs, leads: true, currentRevision: revisionOf(9), compactRevision: revisionOf(0) })?.revision;
    const times = Array.from({ length: 14 }, (_, step) => (step + 1) * 100);
    expect(times.filter((nowMs) => look(nowMs) === 9)).toEqual([1_100, 1_200, 1_300, 1_400]);
  });
});

test("a member that does not lead asks for nothing, and a new leader need not wait a period", () => {
  expect(asked({ autoCompactionPeriodMs: 1_000 }, { steps: 50, stepMs: 100, leads: false })).toEqual([]);
  const compaction = new AutoCompaction(configOf({ autoCompactionPeriodMs: 1_000 }), 0);
  const compactRevision = revisionOf(0);
  for (let nowMs = 100; nowMs <= 3_000; nowMs += 100) {
    compaction.tick({ nowMs, leads: false, currentRevision: revisionOf(nowMs), compactRevision });
  }
  const first = compaction.tick({ nowMs: 3_100, leads: true, currentRevision: revisionOf(3_100), compactRevision });
  expect(first?.revision).toBe(2_100);
});

test("without a retention nothing is ever compacted", () => {
  expect(asked({}, { steps: 100, stepMs: 10_000_000 })).toEqual([]);
});

test("what was current within the period is never asked for, however uneven time passes", () => {
  const gaps = fc.array(fc.tuple(fc.integer({ min: 1, max: 2_000 }), fc.boolean()), { maxLength: 200 });
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 5_000 }), (steps, periodMs) => {
      const compaction = new AutoCompaction(configOf({ autoCompactionPeriodMs: periodMs }), 0);
      const made: { atMs: number; revision: number }[] = [];
      let nowMs = 0;
      let compacted = 0;
      for (const [position, [gapMs, leads]] of steps.entries()) {
        nowMs += gapMs;
        const revision = position + 1;
        made.push({ atMs: nowMs, revision });
        const view = { nowMs, leads, currentRevision: revisionOf(revision), compactRevision: revisionOf(compacted) };
        const wanted = compaction.tick(view);
        if (wanted === undefined) continue;
        const newestAllowed = made.findLast(({ atMs }) => atMs <= nowMs - periodMs)?.revision ?? 0;
        expect(wanted.revision).toBeLessThanOrEqual(newestAllowed);
        expect(wanted.revision).toBeGreaterThan(compacted);
        compacted = wanted.revision;
      }
    }),
    { numRuns: 200 },
  );
});

test("an automatic compaction reaches every member through the log and refuses reads below it", () => {
  const cluster = new TestCluster({ size: 3, config: { autoCompactionRevisions: 5, autoCompactionCheckMs: 1_000 } });
  cluster.elect();
  for (let round = 1; round <= 20; round++) accepted(cluster.call(cluster.leader, putOf("k", `${round}`)));
  cluster.pass(2_500);
  expect(cluster.members.map((each) => each.running.compactRevision)).toEqual([16, 16, 16]);
  const compacted = { ok: false, refusal: "compacted" };
  expect(cluster.call(cluster.leader, { ...rangeOf("k"), revision: 15 })).toEqual(compacted);
  accepted(cluster.call(cluster.leader, { ...rangeOf("k"), revision: 16 }));
  const events = cluster.members.flatMap((each) => each.events.filter((event) => event.type === "autoCompaction"));
  expect(events).toEqual([{ type: "autoCompaction", revision: 16, retention: { mode: "revision", revisions: 5 } }]);
});

test("a compaction does one piece a tick, and pauses between pieces as long as it is told", () => {
  const ticksFor = (compactionPauseMs: number): number => {
    const cluster = new TestCluster({ size: 1, config: { compactionEntriesPerTickMax: 10, compactionPauseMs } });
    cluster.elect();
    for (let round = 1; round <= 50; round++) accepted(cluster.call(cluster.leader, putOf("k", `${round}`)));
    const asked = cluster.submit(cluster.leader, { type: "compact", revision: 51, physical: true });
    let ticks = 0;
    for (; cluster.reply(cluster.leader, asked) === undefined; ticks++) cluster.pass(cluster.config.tickMs);
    return ticks;
  };
  expect(ticksFor(10)).toBe(6);
  expect(ticksFor(300)).toBe(16);
});
