/*
 * Runs that are there to break a promise: a scenario that takes away what a promise stands on says which check must then
 * fail (`meant`), so that everybody sees that the assumption matters and that the check would notice. Such a run is well
 * when all its other checks hold. A seed may miss, so whether the break was ever seen is asked of many runs together.
 */
import type { Meant } from "../plan.ts";
import type { CheckResult } from "./verdict.ts";

/** The checks of a run with the one that is meant to fail turned round; unknown stays unknown. */
export function withMeant(checks: readonly CheckResult[], meant: Meant | undefined): readonly CheckResult[] {
  if (meant === undefined) return checks;
  return checks.map((check) => {
    if (check.name !== meant.violated || check.verdict === "unknown") return check;
    const wasSeen = check.verdict === "violated";
    const detail = wasSeen
      ? `violated, as this scenario is there to show: ${check.detail}`
      : `not violated by this seed, which this scenario is there to show`;
    return { ...check, verdict: "holds", detail, meant: { wasSeen, withinSeeds: meant.withinSeeds } };
  });
}

interface JudgedRun {
  readonly scenario: string;
  readonly checks: readonly CheckResult[];
}

/** Scenarios that ran often enough to have shown what they are there for and did not: a sentence each, in order of names. */
export function neverSeen(runs: readonly JudgedRun[]): readonly string[] {
  const sums = new Map<string, { check: string; withinSeeds: number; runs: number; seen: number }>();
  for (const { scenario, checks } of runs) {
    for (const { name, meant } of checks) {
      if (meant === undefined) continue;
      const sum = sums.get(scenario) ?? { check: name, withinSeeds: meant.withinSeeds, runs: 0, seen: 0 };
      sum.runs += 1;
      if (meant.wasSeen) sum.seen += 1;
      sums.set(scenario, sum);
    }
  }
  return [...sums.entries()]
    .filter(([, sum]) => sum.seen === 0 && sum.runs >= sum.withinSeeds)
    .map(([scenario, { check, runs: count }]) => {
      return `${scenario} is there to see ${check} violated, and none of ${count} runs did: either it no longer takes away what the promise stands on, or the check no longer notices`;
    })
    .sort((a, b) => (a < b ? -1 : 1));
}
