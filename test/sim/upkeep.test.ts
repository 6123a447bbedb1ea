/*
 * What a cluster does by itself, in the simulator: scenarios about it do exercise it, and hold.
 */
import { expect, test } from "vitest";
import { scenarioNamed } from "../../scenarios/index.ts";
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
