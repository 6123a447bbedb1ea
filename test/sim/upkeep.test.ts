/*
 * What a cluster does by itself, in the simulator: scenarios about it do exercise it, and hold.
 */
import { expect, test } from "vitest";
import { scenarioNamed } from "../../scenarios/index.ts";
import type { Plan, PlannedCall } from "../../scenarios/plan.ts";
import type { RunResult } from "../../scenarios/run.ts";
import { planOf, runPlan } from "../../sim/runner.ts";

function run(name: string, seed: number, safetyMs: number): RunResult {
  const scenario = scenarioNamed(name);
  if (scenario === undefined) throw new Error(name);
  const plan = planOf(scenario, seed);
  return runPlan({ ...plan, phases: { ...plan.phases, safetyMs } });
}

test("leaders compact by themselves while leaders change, and no check is broken", () => {
  const modes = new Set<string>();
  for (const seed of [1, 2, 3, 4]) {
    const { history, verdict, checks } = run("auto-compaction", seed, 20_000);
    expect(verdict, JSON.stringify(checks.filter((check) => check.verdict !== "holds"))).toBe("holds");
    const asked = history.flatMap((event) => (event.type === "autoCompaction" ? [event] : []));
    for (const { retention } of asked) modes.add(retention.mode);
    const compacted = history.flatMap((event) => (event.type === "replica" ? [event.compactRevision] : []));
    expect(asked.length).toBeGreaterThan(0);
    expect(compacted).toHaveLength(3);
    expect(Math.min(...compacted)).toBeGreaterThanOrEqual(asked.at(-1)?.revision ?? Number.POSITIVE_INFINITY);
  }
  expect([...modes].sort()).toEqual(["periodic", "revision"]);
});

/** A quiet run of members that are set up so. */
function runQuietly(
  config: Plan["members"][number]["config"],
  safetyMs: number,
  isCalled: (call: PlannedCall) => boolean = () => true,
): RunResult {
  const steady = scenarioNamed("steady");
  if (steady === undefined) throw new Error("steady is gone");
  const plan = planOf(steady, 3);
  const members = plan.members.map((member) => ({ ...member, config: { ...member.config, ...config } }));
  const clients = plan.clients.map((client) => ({ ...client, calls: client.calls.filter(isCalled) }));
  return runPlan({ ...plan, members, clients, phases: { ...plan.phases, safetyMs } });
}

test("watchers that hold few bytes give room back for each reply, and are brought everything", () => {
  const { verdict, checks } = runQuietly({ watchStreamBytesMax: 256, watchBytesMax: 1_024 }, 6_000);
  expect(verdict, JSON.stringify(checks.filter((check) => check.verdict !== "holds"))).toBe("holds");
});

test("where there is a quota somebody makes room in the end, also without any fault", () => {
  const config = { quotaBytes: 28 * 1_024, autoCompactionRevisions: 50, autoCompactionCheckMs: 1_000 };
  // Clients that delete would make room themselves.
  const grows = new Set(["put", "range"]);
  const { verdict, checks, history } = runQuietly(config, 10_000, ({ operation }) => grows.has(operation.op));
  expect(verdict, JSON.stringify(checks.filter((check) => check.verdict !== "holds"))).toBe("holds");
  expect(history.some((event) => event.type === "alarms" && event.alarms.length > 0)).toBe(true);
});
