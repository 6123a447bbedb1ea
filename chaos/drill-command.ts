/*
 * faultline drill: scenarios on real processes, one after the other, each with a run directory and the verdict of the
 * same checks the simulator uses. Ctrl-C ends the run under way in order: its report is written, its processes are gone.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exitCodes, Progress, runVerb, UsageError, wholeNumber } from "../reports/command.ts";
import { junitOf } from "../reports/junit.ts";
import { overviewOf } from "../reports/overview.ts";
import { fileNameOf, RunDirectory, summaryOf } from "../reports/run-directory.ts";
import { longestWriteGap } from "../reports/summary.ts";
import { exitCodeOfVerdict, jsonOfRun, linesOfRun } from "../reports/verdict.ts";
import { checksByNames } from "../scenarios/check/all.ts";
import { type CheckResult, worstVerdict } from "../scenarios/check/verdict.ts";
import { drawPlan } from "../scenarios/draw.ts";
import type { HistoryEvent } from "../scenarios/history.ts";
import { scenarioNamed, scenarios } from "../scenarios/index.ts";
import type { Plan } from "../scenarios/plan.ts";
import type { RunResult } from "../scenarios/run.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import { ClusterProblem } from "./cluster.ts";
import { seededRandom } from "./member/random.ts";
import { overTls, parseTarget, type Target, targetName } from "./target.ts";
import { runDrill } from "./world.ts";

interface DrillFlags {
  readonly target: string;
  readonly seed?: number;
  readonly network: string;
  readonly tls?: boolean;
  readonly out: string;
  readonly json?: boolean;
}

/** @param argv after the verb @returns exit code: 0 all hold, 1 a check failed, 2 wrong usage, 3 the harness broke */
export function run(argv: readonly string[]): Promise<number> {
  return runVerb("faultline drill", argv, (program, setExit) => {
    program
      .description("run scenarios on real processes and judge what their clients saw")
      .argument(
        "[SCENARIO...]",
        "names, as faultline list scenarios shows them (default: all that a real world can make)",
      )
      .option(
        "--target <target>",
        "faultline, etcd (a stock binary) or host:port,host:port of a cluster to leave running",
        "faultline",
      )
      .option("--seed <n>", "seed of plans (default: a new one)", wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER }))
      .option("--network <how>", "how links are cut: proxy (a hop before each member) or netns", "proxy")
      .option("--tls", "TLS with certificates on every port, made for this drill")
      .option("--out <dir>", "where run directories go", "reports/out")
      .option("--json", "one JSON object a run on standard output")
      .addHelpText("after", examples)
      .action(async (names: string[], flags: DrillFlags) => {
        setExit(await drillAll(chosenScenarios(names), flags));
      });
  });
}

const examples = `
Examples:
  faultline drill leader-killed --target etcd --seed 7
  faultline drill leader-cut-off --tls
  faultline drill --target 127.0.0.1:2379,127.0.0.1:22379 steady
`;

function chosenScenarios(names: readonly string[]): readonly Scenario[] {
  if (names.length === 0) return scenarios.filter(({ worlds }) => worlds.includes("real"));
  return names.map((name) => {
    const scenario = scenarioNamed(name);
    if (scenario === undefined)
      throw new UsageError(`no scenario is called "${name}"; faultline list scenarios shows them`);
    if (!scenario.worlds.includes("real")) {
      throw new UsageError(
        `scenario ${name} is for the simulator only${scenario.worldsWhy === undefined ? "" : `: ${scenario.worldsWhy}`}`,
      );
    }
    return scenario;
  });
}

async function drillAll(chosen: readonly Scenario[], flags: DrillFlags): Promise<number> {
  const parsed = parseTarget(flags.target);
  const target = flags.tls === true && !("problem" in parsed) ? overTls(parsed) : parsed;
  if ("problem" in target) throw new UsageError(target.problem);
  if (flags.network === "netns") {
    throw new UsageError("--network netns is not there yet; --network proxy cuts links without privileges");
  }
  if (flags.network !== "proxy") throw new UsageError(`--network "${flags.network}" is neither proxy nor netns`);
  const seed = flags.seed ?? Math.floor(Date.now() / 1_000) % 1_000_000;
  const interruption = new Interruption();
  try {
    const results = await drillScenarios(chosen, {
      target,
      seed,
      out: flags.out,
      signal: interruption.signal,
      onRun: ({ run, directory }) => {
        if (flags.json === true) process.stdout.write(`${JSON.stringify(jsonOfRun(run, directory))}\n`);
        else process.stdout.write(`${linesOfRun(run, directory).join("\n")}\n`);
      },
    });
    writeOverview(flags.out, results);
    const verdict = worstVerdict(results.map(({ run }) => run.verdict));
    return interruption.signal.aborted && verdict !== "violated" ? exitCodes.interrupted : exitCodeOfVerdict(verdict);
  } catch (error) {
    if (!(error instanceof ClusterProblem)) throw error;
    process.stderr.write(`faultline: ${error.message}\n`);
    return interruption.signal.aborted ? exitCodes.interrupted : exitCodes.broken;
  } finally {
    interruption.close();
  }
}

export interface DrilledRun {
  readonly run: RunResult;
  /** Where it was written. */
  readonly directory: string;
}
export interface DrillOptions {
  readonly target: Target;
  readonly seed: number;
  /** Parent of the run directories. */
  readonly out: string;
  /** Aborted: the run under way ends in order, no other is begun. */
  readonly signal: AbortSignal;
  readonly onRun: (done: DrilledRun) => void;
}

/**
 * Drills the scenarios one after the other.
 *
 * @throws ClusterProblem when members cannot be started or reached
 */
export async function drillScenarios(
  chosen: readonly Scenario[],
  options: DrillOptions,
): Promise<readonly DrilledRun[]> {
  const results: DrilledRun[] = [];
  for (const scenario of chosen) {
    if (options.signal.aborted) break;
    const { seed } = options;
    const plan = drawPlan(scenario, { seed, random: seededRandom(String(seed)), world: "real" });
    const done = await drillOne(plan, options);
    results.push(done);
    options.onRun(done);
  }
  return results;
}

async function drillOne(plan: Plan, options: Pick<DrillOptions, "target" | "out" | "signal">): Promise<DrilledRun> {
  const { target, out, signal } = options;
  const directory = RunDirectory.create(
    join(out, fileNameOf(`${plan.scenario}-${plan.seed}-${targetName(target)}`)),
    plan,
  );
  const history = directory.openHistory();
  const progress = new Progress();
  const beganMs = performance.now();
  const flush = setInterval(() => {
    history.flush();
    progress.show(`${plan.scenario} seed ${plan.seed}: ${Math.round((performance.now() - beganMs) / 1_000)} s`);
  }, 100);
  try {
    const judged = await runDrill({
      plan,
      target,
      random: seededRandom(`${plan.seed}/world`),
      sink: (event) => history.append(event),
      logFileOf: (member) => directory.memberLog(member),
      judge,
      signal,
    });
    const gap = longestWriteGap(judged.history);
    const run: RunResult = gap === undefined ? judged : { ...judged, unavailableMs: Math.round(gap.toMs - gap.fromMs) };
    directory.writeVerdict(run);
    return { run, directory: directory.path };
  } finally {
    clearInterval(flush);
    progress.clear();
    history.close();
  }
}

/** Steps a check may spend on one history. */
const budget = { steps: 2_000_000 };

/** The scenario's checks over a finished history. */
export function judge(history: readonly HistoryEvent[], names: readonly string[]): CheckResult[] {
  const checks = checksByNames(names);
  if (checks === undefined) throw new Error(`the plan asks for a check that does not exist: ${names.join(", ")}`);
  return checks.map((check) => check.check(history, budget));
}

/** Pages over all runs of this command, when there is more than one. */
function writeOverview(out: string, results: readonly DrilledRun[]): void {
  if (results.length < 2) return;
  mkdirSync(out, { recursive: true });
  const rows = results.map(({ run, directory }) => ({
    summary: summaryOf(run),
    link: `${directory.slice(out.length).replace(/^\/+/, "")}/report.html`,
  }));
  writeFileSync(join(out, "overview.html"), overviewOf(rows));
  writeFileSync(join(out, "junit.xml"), junitOf(rows.map(({ summary }) => summary)));
}

/** Ctrl-C and its like: the first asks for an orderly end, the second ends at once. */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #handle = () => {
    if (this.#controller.signal.aborted) process.exit(exitCodes.interrupted);
    process.stderr.write("\nfaultline: ending; again to end at once\n");
    this.#controller.abort();
  };

  constructor() {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, this.#handle);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  close(): void {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(name, this.#handle);
  }
}
