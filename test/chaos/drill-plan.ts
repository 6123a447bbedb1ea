/*
 * Short plans for drills: the standard workload for a few seconds, with faults of the test's own.
 */
import { seededRandom } from "../../chaos/member/random.ts";
import { drawPlan } from "../../scenarios/draw.ts";
import type { PlannedFault } from "../../scenarios/faults.ts";
import { scenarioNamed } from "../../scenarios/index.ts";
import type { Plan } from "../../scenarios/plan.ts";

/** Three members with everything at its default. */
export function drillPlanOf(faults: readonly PlannedFault[], safetyMs: number): Plan {
  const scenario = scenarioNamed("steady");
  if (scenario === undefined) throw new Error("the scenario steady is gone");
  const plan = drawPlan(scenario, { seed: 11, random: seededRandom("11"), world: "real" });
  return {
    ...plan,
    members: plan.members.map((member) => ({ ...member, config: {} })),
    faults,
    // Up to 3.4.24 a progress request may be answered with a revision older than events sent before (etcd#15220).
    watches: plan.watches.map((watch) => ({ ...watch, progressRequestMs: 0 })),
    phases: { safetyMs, progressBoundMs: 15_000, settleMs: 500 },
  };
}
