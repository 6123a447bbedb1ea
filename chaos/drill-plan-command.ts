/*
 * Plans drilled one after the other, each with a run directory and the verdict of the same checks the simulator uses.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Progress } from "../reports/command.ts";
import { junitOf } from "../reports/junit.ts";
import { overviewOf } from "../reports/overview.ts";
import { fileNameOf, RunDirectory, summaryOf } from "../reports/run-directory.ts";
import { longestWriteGap } from "../reports/summary.ts";
import { checksOfPlan } from "../scenarios/check/of-plan.ts";
import type { CheckResult } from "../scenarios/check/verdict.ts";
import { drawPlan } from "../scenarios/draw.ts";
import type { HistoryEvent } from "../scenarios/history.ts";
import type { Plan } from "../scenarios/plan.ts";
import type { RunResult } from "../scenarios/run.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import type { Machine } from "./cluster.ts";
import { seededRandom } from "./member/random.ts";
import { type Target, targetName } from "./target.ts";
import { runDrill } from "./world.ts";

export interface DrilledRun {
  readonly run: RunResult;
  /** Where it was written. */
  readonly directory: string;
}
export interface DrillOptions {
  readonly target: Target;
  /** How links are made, and what can be broken. */
  readonly machine: Pick<Machine, "network" | "capabilities">;
  /** Parent of the run directories. */
  readonly out: string;
  /** Aborted: the run under way ends in order, no other is begun. */
  readonly signal: AbortSignal;
  readonly onRun: (done: DrilledRun) => void;
}

/** The scenario as it is drilled with that seed. */
export const drawDrill = (scenario: Scenario, seed: number): Plan =>
  drawPlan(scenario, { seed, random: seededRandom(String(seed)), world: "real" });

/**
 * Carries the plans out one after the other.
 *
 * @throws ClusterProblem when members cannot be started or reached, OutputProblem when the run cannot be written
 */
export async function drillPlans(plans: readonly Plan[], options: DrillOptions): Promise<readonly DrilledRun[]> {
  const results: DrilledRun[] = [];
  for (const plan of plans) {
    if (options.signal.aborted) break;
    const done = await drillOne(plan, options);
    results.push(done);
    options.onRun(done);
  }
  return results;
}

/** Where runs are to be written takes no more. The run that was under way has ended in order. */
export class OutputProblem extends Error {
  override readonly name = "OutputProblem";

  constructor(out: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`the run cannot be written below ${out}: ${reason}; make room there, or give another place with --out`);
  }
}

/** Does what writes a run. @throws OutputProblem */
function writing<Result>(out: string, body: () => Result): Result {
  try {
    return body();
  } catch (error) {
    throw error instanceof Error && "code" in error ? new OutputProblem(out, error) : error;
  }
}

async function drillOne(plan: Plan, options: DrillOptions): Promise<DrilledRun> {
  const { target, machine, out, signal } = options;
  const name = fileNameOf(`${plan.scenario}-${plan.seed}-${targetName(target)}${networkSuffix(machine)}`);
  const { directory, history } = writing(out, () => {
    const made = RunDirectory.create(join(out, name), plan);
    return { directory: made, history: made.openHistory() };
  });
  const progress = new Progress();
  const beganMs = performance.now();
  const failing = new AbortController();
  let failure: unknown;
  const record = (body: () => void): void => {
    if (failure !== undefined) return;
    try {
      writing(out, body);
    } catch (error) {
      failure = error;
      failing.abort();
    }
  };
  const flush = setInterval(() => {
    record(() => history.flush());
    progress.show(`${plan.scenario} seed ${plan.seed}: ${Math.round((performance.now() - beganMs) / 1_000)} s`);
  }, 100);
  try {
    const judged = await runDrill({
      plan,
      target,
      ...machine,
      random: seededRandom(`${plan.seed}/world`),
      sink: (event) => record(() => history.append(event)),
      logFileOf: (member) => directory.memberLog(member),
      judge,
      signal: AbortSignal.any([signal, failing.signal]),
    });
    if (failure !== undefined) throw failure;
    const gap = longestWriteGap(judged.history);
    const run: RunResult = gap === undefined ? judged : { ...judged, unavailableMs: Math.round(gap.toMs - gap.fromMs) };
    writing(out, () => {
      history.close();
      directory.writeVerdict(run);
    });
    return { run, directory: directory.path };
  } finally {
    clearInterval(flush);
    progress.clear();
    record(() => history.close());
  }
}

const networkSuffix = ({ network }: DrillOptions["machine"]): string => (network === "netns" ? "-netns" : "");

/** Steps a check may spend on one history. */
const budget = { steps: 2_000_000 };

/** The plan's checks over a finished history. */
export const judge = (history: readonly HistoryEvent[], plan: Plan): CheckResult[] =>
  checksOfPlan(plan).map((check) => check.check(history, budget));

/** Pages over all runs of this command, when there is more than one. @throws OutputProblem */
export function writeOverview(out: string, results: readonly DrilledRun[]): void {
  if (results.length < 2) return;
  const rows = results.map(({ run, directory }) => ({
    summary: summaryOf(run),
    link: `${directory.slice(out.length).replace(/^\/+/, "")}/report.html`,
  }));
  writing(out, () => {
    writeFileSync(join(out, "overview.html"), overviewOf(rows));
    writeFileSync(join(out, "junit.xml"), junitOf(rows.map(({ summary }) => summary)));
  });
}
