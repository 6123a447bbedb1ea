/*
 * One run on a worker thread: named by scenario and seed, so that nothing large crosses over on the way in; a run that
 * holds comes back without its history.
 */

import { scenarioNamed } from "../scenarios/index.ts";
import type { RunResult } from "../scenarios/run.ts";
import { verifyPlan } from "./replay.ts";
import { judge, planOf, runPlan, worldOf } from "./runner.ts";

export interface RunTask {
  readonly scenario: string;
  readonly seed: number;
  /** Run it twice, side by side, every message through its bytes. */
  readonly verify: boolean;
  /** Look inside members, too. */
  readonly invariants: boolean;
  /** Hand the history back even when everything holds. */
  readonly keep: boolean;
}
export interface RunAnswer {
  /** Of a run that holds, history, clients and watches are empty unless it is to be kept. */
  readonly result: RunResult;
  /** Where two runs of the plan differed. */
  readonly difference: { readonly event: number; readonly lines: readonly string[] } | undefined;
}

export default function runTask(task: RunTask): RunAnswer {
  const scenario = scenarioNamed(task.scenario);
  if (scenario === undefined) throw new Error(`no scenario is named ${task.scenario}`);
  const plan = planOf(scenario, task.seed);
  const { invariants } = task;
  if (!task.verify) return { result: lightened(runPlan(plan, { invariants }), task), difference: undefined };
  const startedMs = performance.now();
  const verification = verifyPlan(plan, (same) => worldOf(same, { recodeEvery: 1, invariants }));
  const result = lightened(judge(verification.world, { startedMs }), task);
  if (verification.same) return { result, difference: undefined };
  return { result, difference: { event: verification.event, lines: verification.lines } };
}

function lightened(result: RunResult, { keep }: RunTask): RunResult {
  if (keep || result.verdict !== "holds") return result;
  return { ...result, plan: { ...result.plan, clients: [], watches: [] }, history: [] };
}
