/*
 * `faultline sim`: scenarios times seeds in the simulated world, a line for each run that does not hold, and a sum.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeBlob } from "../reports/blob.ts";
import { Progress, runVerb, wholeNumber } from "../reports/command.ts";
import { exitCodes, UsageError } from "../reports/exit-code.ts";
import { junitOf } from "../reports/junit.ts";
import { overviewOf } from "../reports/overview.ts";
import { fileNameOf, RunDirectory, summaryOf, toolVersion } from "../reports/run-directory.ts";
import { jsonOfRun, linesOfRun, repeatLine } from "../reports/verdict.ts";
import { neverSeen } from "../scenarios/check/meant.ts";
import { scenarios as allScenarios, scenarioNamed } from "../scenarios/index.ts";
import type { RunResult, RunSummary } from "../scenarios/run.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import { exhaust, smallScenarioHelp, statesMaxDefault } from "./exhaustive-command.ts";
import { runTasks } from "./pool.ts";
import {
  chooseRuns,
  namesNear,
  parseSeeds,
  parseShard,
  type SeedRange,
  type Shard,
  shardOfRunner,
} from "./selection.ts";
import type { RunAnswer, RunTask } from "./worker.ts";

interface Flags {
  readonly seed?: number;
  readonly seeds?: string;
  readonly jobs?: number;
  readonly shard?: string;
  readonly blob?: string;
  readonly verify?: true;
  readonly withoutInvariants?: true;
  readonly out?: string;
  readonly json?: true;
  readonly exhaustive?: true;
  readonly depth?: number;
  readonly statesMax?: number;
  readonly budgetS?: number;
}

export const defaultOut = join("reports", "out");

export function run(argv: readonly string[]): Promise<number> {
  return runVerb("faultline sim", argv, (program, setExit) => {
    program
      .description(
        "Runs scenarios in the seeded simulator. Without a scenario all of them run; without a seed, each with seed 1.\n" +
          "A range of seeds is spread over several scenarios: seed s runs scenario s mod count.",
      )
      .argument("[scenario...]", "names, as `faultline list scenarios` shows them")
      .option("--seed <S>", "one seed, for every chosen scenario", wholeNumber({ min: 0, max: 2 ** 40 }))
      .option("--seeds <N|A..B>", "seeds 1..N, or A..B")
      .option("--jobs <J>", "threads (default: one for each core)", wholeNumber({ min: 1, max: 1_024 }))
      .option("--shard <i/n>", "only seeds of share i of n: s mod n = i − 1 (default: what the CI runner says)")
      .option("--blob <FILE>", "where the result of a shard goes (default: DIR/shard-i-of-n.json), for faultline merge")
      .option("--verify", "run each plan twice side by side, every message through its bytes; they must not differ")
      .option(
        "--without-invariants",
        "do not look inside members: what clients saw, and members that stop, is all there is to judge by",
      )
      .option(
        "--out <DIR>",
        `where runs are written: those that do not hold, and a single one (default: ${defaultOut})`,
      )
      .option("--json", "one JSON object a run on standard output")
      .option("--exhaustive", "not seeds but everything that may happen, in small scenarios (below); none named: all")
      .option("--depth <N>", "with --exhaustive: steps of a path, at most", wholeNumber({ min: 1, max: 1_000_000 }))
      .option(
        "--states-max <N>",
        `with --exhaustive: states found, at most, about 60 bytes each (default: ${statesMaxDefault})`,
        wholeNumber({ min: 1, max: 1_000_000_000 }),
      )
      .option("--budget-s <S>", "with --exhaustive: seconds for each scenario", wholeNumber({ min: 1, max: 1_000_000 }))
      .addHelpText(
        "after",
        () =>
          `\nSmall scenarios, for --exhaustive:\n${smallScenarioHelp()}` +
          "A bound given on the command line may be reached; reaching the default bound of states is no pass.\n" +
          "\nExamples:\n  faultline sim --seeds 2000\n  faultline sim leader-killed --seed 17 --verify\n" +
          "  faultline sim --exhaustive new-leader-reads\n",
      )
      .action(async (names: readonly string[], flags: Flags) =>
        setExit(await (flags.exhaustive ? exhaustive(names, flags) : campaign(names, flags))),
      );
  });
}

function exhaustive(names: readonly string[], flags: Flags): Promise<number> {
  for (const [flag, value] of [
    ["--seed", flags.seed],
    ["--seeds", flags.seeds],
    ["--jobs", flags.jobs],
    ["--shard", flags.shard],
    ["--blob", flags.blob],
    ["--verify", flags.verify],
    ["--without-invariants", flags.withoutInvariants],
  ] as const) {
    if (value !== undefined) {
      throw new UsageError(`${flag} is for seeds; --exhaustive tries everything, once and on one thread: leave it out`);
    }
  }
  const { depth, statesMax, budgetS, json } = flags;
  return exhaust(names, {
    out: flags.out ?? defaultOut,
    ...(depth === undefined ? {} : { depth }),
    ...(statesMax === undefined ? {} : { statesMax }),
    ...(budgetS === undefined ? {} : { budgetS }),
    ...(json === undefined ? {} : { json }),
  });
}

async function campaign(names: readonly string[], flags: Flags): Promise<number> {
  for (const [flag, value] of [
    ["--depth", flags.depth],
    ["--states-max", flags.statesMax],
    ["--budget-s", flags.budgetS],
  ] as const) {
    if (value !== undefined) throw new UsageError(`${flag} bounds --exhaustive; give both, or leave it out`);
  }
  const scenarios = scenariosOf(names);
  const shard = shardOf(flags);
  const runs = chooseRuns({ scenarios, seeds: seedsOf(flags), shard });
  const keep = runs.length === 1 && flags.out !== undefined;
  const tasks = runs.map(({ scenario, seed }): RunTask => {
    const invariants = flags.withoutInvariants !== true;
    return { scenario: scenario.name, seed, verify: flags.verify === true, invariants, keep };
  });
  const tally = new Tally(tasks.length, flags);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  try {
    const jobs = Math.min(flags.jobs ?? availableParallelism(), Math.max(1, tasks.length));
    await runTasks(tasks, { jobs, signal: stop.signal, onAnswer: (answer) => tally.add(answer) });
  } finally {
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
  }
  tally.finish(stop.signal.aborted);
  if (!stop.signal.aborted) writeCampaign(tally.summaries, { scenarios, flags, shard });
  const unseen = neverSeen(tally.summaries);
  for (const text of unseen) process.stderr.write(`violated ${text}\n`);
  if (tally.failed > 0 || unseen.length > 0) return exitCodes.failed;
  return stop.signal.aborted ? exitCodes.interrupted : exitCodes.passed;
}

/** Counts answers, prints those that need a reader, and writes their runs. */
class Tally {
  readonly #total: number;
  readonly #flags: Flags;
  readonly #progress = new Progress();
  readonly #startedMs = performance.now();
  #events = 0;
  failed = 0;
  readonly summaries: RunSummary[] = [];

  constructor(total: number, flags: Flags) {
    this.#total = total;
    this.#flags = flags;
  }

  add({ result, difference }: RunAnswer): void {
    this.summaries.push(summaryOf(result));
    this.#events += result.events ?? 0;
    const holds = result.verdict === "holds" && difference === undefined;
    if (!holds) this.failed += 1;
    const kept = !holds || result.history.length > 0 ? writeRun(result, this.#flags.out ?? defaultOut) : undefined;
    if (this.#flags.json) process.stdout.write(`${JSON.stringify(jsonOfRun(result, kept))}\n`);
    if (!holds || (this.#total === 1 && !this.#flags.json)) {
      this.#progress.clear();
      const lines = linesOfRun(result, kept);
      if (difference !== undefined) lines.push(...differenceLines(result, difference));
      process.stderr.write(`${lines.join("\n")}\n`);
    }
    this.#show();
  }

  finish(interrupted: boolean): void {
    this.#progress.clear();
    const seconds = (performance.now() - this.#startedMs) / 1_000;
    const rate = (this.summaries.length / Math.max(seconds, 0.001)).toFixed(1);
    const speed = (this.#events / Math.max(seconds, 0.001) / 1e6).toFixed(2);
    const done = interrupted
      ? `interrupted after ${this.summaries.length} of ${this.#total}`
      : `${this.summaries.length}`;
    process.stderr.write(
      `${done} runs, ${this.failed} failed, in ${seconds.toFixed(1)} s (${rate} runs/s, ${speed} M events/s)\n`,
    );
  }

  #show(): void {
    const seconds = (performance.now() - this.#startedMs) / 1_000;
    const rate = this.summaries.length / Math.max(seconds, 0.001);
    const left = Math.ceil((this.#total - this.summaries.length) / Math.max(rate, 0.001));
    this.#progress.show(
      `${this.summaries.length}/${this.#total} runs, ${rate.toFixed(1)}/s, ${this.failed} failed, ${left} s left`,
    );
  }
}

/** Of many runs: a shard's blob, and with --out one page and one JUnit file over all of them. */
function writeCampaign(
  runs: readonly RunSummary[],
  campaign: { readonly scenarios: readonly Scenario[]; readonly flags: Flags; readonly shard: Shard | undefined },
): void {
  const { flags, shard } = campaign;
  const out = flags.out ?? defaultOut;
  if (flags.out !== undefined && runs.length > 1) {
    mkdirSync(out, { recursive: true });
    const rows = runs.map((summary) => ({
      summary,
      link: summary.verdict === "holds" ? undefined : `${runName(summary)}/report.html`,
    }));
    writeFileSync(join(out, "overview.html"), overviewOf(rows));
    writeFileSync(join(out, "junit.xml"), junitOf(runs));
  }
  if (shard === undefined) return;
  const path = flags.blob ?? join(out, `shard-${shard.index}-of-${shard.count}.json`);
  mkdirSync(dirname(path), { recursive: true });
  const { index, count } = shard;
  const names = campaign.scenarios.map((scenario) => scenario.name).join(" ");
  const config = `${names} --seeds ${flags.seeds ?? flags.seed ?? 1}${flags.verify ? " --verify" : ""}`;
  const commit = commitOf();
  writeBlob(path, {
    format: "faultline-shard",
    version: 1,
    tool: toolVersion,
    commit,
    config,
    shard: { index, count },
    runs,
  });
  process.stderr.write(`shard    ${path}\n`);
}

/** Commit of the code that runs; "unknown" outside of a checkout. */
function commitOf(): string {
  try {
    const folder = dirname(fileURLToPath(import.meta.url));
    return execFileSync("git", ["rev-parse", "HEAD"], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim();
  } catch {
    return "unknown"; // no git, or no checkout: shards then differ by tool version alone
  }
}

const runName = (run: { readonly scenario: string; readonly seed: number }): string =>
  fileNameOf(`${run.scenario}-${run.seed}`);

/** @returns the directory */
export function writeRun(result: RunResult, out: string): string {
  const path = join(out, runName(result));
  const directory = RunDirectory.create(path, result.plan);
  directory.writeHistory(result.history);
  directory.writeVerdict(result);
  return path;
}

export const differenceLines = (
  result: RunResult,
  difference: NonNullable<RunAnswer["difference"]>,
): readonly string[] => [
  `  the plan ran twice and differed at event ${difference.event}:`,
  ...difference.lines.map((line) => `  ${line}`),
  `  repeat   ${repeatLine(result)} --verify`,
];

function scenariosOf(names: readonly string[]): readonly Scenario[] {
  const simulated = allScenarios.filter((scenario) => scenario.worlds.includes("sim"));
  if (names.length === 0) return simulated;
  return names.map((name) => {
    const scenario = scenarioNamed(name);
    if (scenario === undefined) {
      const near = namesNear(
        name,
        allScenarios.map((known) => known.name),
      );
      const hint = near.length === 0 ? "faultline list scenarios shows all" : `did you mean ${near.join(" or ")}?`;
      throw new UsageError(`no scenario is named "${name}"; ${hint}`);
    }
    if (!scenario.worlds.includes("sim")) {
      throw new UsageError(
        `scenario ${name} does not run in the simulator: ${scenario.worldsWhy ?? "use faultline drill"}`,
      );
    }
    return scenario;
  });
}

function seedsOf(flags: Flags): SeedRange | { readonly seed: number } {
  if (flags.seeds === undefined) return { seed: flags.seed ?? 1 };
  if (flags.seed !== undefined) throw new UsageError("give --seed or --seeds, not both");
  const range = parseSeeds(flags.seeds);
  if (range === undefined)
    throw new UsageError(`--seeds ${flags.seeds}: give a count like 2000 or a range like 100..199`);
  return range;
}

function shardOf(flags: Flags): Shard | undefined {
  if (flags.shard === undefined) {
    const shard = shardOfRunner(process.env);
    if (shard !== undefined) process.stderr.write(`shard ${shard.index}/${shard.count}, as ${shard.runner} says\n`);
    return shard;
  }
  const shard = parseShard(flags.shard);
  if (shard === undefined) throw new UsageError(`--shard ${flags.shard}: give a share like 2/8, counted from 1`);
  return shard;
}
