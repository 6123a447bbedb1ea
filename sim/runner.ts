/*
 * One plan → one result: the world runs it, then the checks judge the history it left. White-box invariants come first
 * in the list of checks, under the name "invariants".
 */
import { startMember } from "../core/index.ts";
import { withMeant } from "../scenarios/check/meant.ts";
import { checksOfPlan } from "../scenarios/check/of-plan.ts";
import { type CheckBudget, type CheckResult, worstVerdict } from "../scenarios/check/verdict.ts";
import { drawPlan } from "../scenarios/draw.ts";
import type { Plan } from "../scenarios/plan.ts";
import type { RunResult } from "../scenarios/run.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import { SimRandom } from "./random.ts";
import { recode } from "./recode.ts";
import { World, type WorldOptions } from "./world.ts";

/** Steps a check may spend on one history. */
const defaultBudget: CheckBudget = { steps: 5_000_000 };

export interface RunOptions {
  /** Every so manyth message goes through its bytes and back. */
  readonly recodeEvery?: number;
  readonly budget?: CheckBudget;
  /** False: judged by what clients saw, and by members that stop. Absent: true. */
  readonly invariants?: boolean;
}

/** The plan of that seed in the simulated world. */
export const planOf = (scenario: Scenario, seed: number): Plan =>
  drawPlan(scenario, { seed, random: new SimRandom(seed), world: "sim" });

/** A world of real members, ready to run the plan. */
export function worldOf(plan: Plan, options: Pick<RunOptions, "recodeEvery" | "invariants"> = {}): World {
  const { recodeEvery, invariants = true } = options;
  const world: WorldOptions = { startMember, recode, invariants };
  return new World(plan, recodeEvery === undefined ? world : { ...world, recodeEvery });
}

export function runPlan(plan: Plan, options: RunOptions = {}): RunResult {
  const startedMs = performance.now();
  const world = worldOf(plan, options);
  world.run();
  return judge(world, { startedMs, budget: options.budget ?? defaultBudget });
}

/** What the world saw and what the checks say of it. */
export function judge(world: World, how: { readonly startedMs: number; readonly budget?: CheckBudget }): RunResult {
  const { plan } = world;
  const budget = how.budget ?? defaultBudget;
  const history = world.recorder.history;
  const checks: CheckResult[] = [invariantsOf(world)];
  // A run that a broken invariant cut short has no end to judge: its history would accuse clients of what never came.
  if (world.broken === undefined) {
    checks.push(finalOf(world));
    const judged = checksOfPlan(plan).map((check) => check.check(history, budget));
    checks.push(...withMeant(judged, plan.meant));
  }
  return {
    scenario: plan.scenario,
    seed: plan.seed,
    world: "sim",
    target: "faultline",
    plan,
    history,
    checks,
    verdict: worstVerdict(checks.map((check) => check.verdict)),
    digest: `${world.digest}`,
    events: world.events,
    simulatedMs: Math.floor(world.timeUs / 1_000),
    wallMs: Math.round(performance.now() - how.startedMs),
    operations: world.operations,
  };
}

function invariantsOf(world: World): CheckResult {
  const { broken, invariants } = world;
  const name = world.looksInside ? "invariants" : "crashes";
  const judged = world.looksInside ? invariants.checked : world.hosts.length;
  if (broken === undefined) {
    const detail = world.looksInside
      ? `${judged} states and entries inside the cluster kept Raft's promises`
      : "no member stopped by itself; nobody looked inside";
    return { name, verdict: "holds", detail, violations: [], judged };
  }
  const at = `${(world.timeUs / 1_000).toFixed(3)} ms, event ${world.events}`;
  const violation = { rule: broken.rule, text: `${broken.text} (at ${at})`, calls: [], watches: [] };
  return { name, verdict: "violated", detail: violation.text, violations: [violation], judged };
}

/** Once everything is healed and quiet, every member answers. */
function finalOf(world: World): CheckResult {
  const name = "final-reads";
  const missing = world.missing ?? ["the final reads were not reached"];
  const judged = world.hosts.length * 2;
  if (missing.length === 0) {
    const detail = "every member answered a final read and gave its hash";
    return { name, verdict: "holds", detail, violations: [], judged };
  }
  const violations = missing.map((text) => ({ rule: "final-read-missing", text, calls: [], watches: [] }));
  return { name, verdict: "violated", detail: missing[0] ?? "", violations, judged };
}
