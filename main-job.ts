/*
 * The main job, `npm start`: some hundred seeds over every scenario in the simulator, then three drills on real
 * processes (a leader killed, a leader cut off, a member back from an old copy of its disk), then one table and one
 * page. It stands at the top because it is the only place that needs both worlds.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { drawDrill, drillPlans } from "./chaos/drill-plan-command.ts";
import { Interruption } from "./chaos/interruption.ts";
import { probeMachine } from "./chaos/probe-machine.ts";
import { parseTarget } from "./chaos/target.ts";
import { Progress, runVerb, wholeNumber } from "./reports/command.ts";
import { exitCodes } from "./reports/exit-code.ts";
import { countText, durationText } from "./reports/html.ts";
import { junitOf } from "./reports/junit.ts";
import { type OverviewRow, overviewOf } from "./reports/overview.ts";
import { fileNameOf, summaryOf } from "./reports/run-directory.ts";
import { linesOfRun } from "./reports/verdict.ts";
import { neverSeen } from "./scenarios/check/meant.ts";
import { scenarioNamed, scenarios } from "./scenarios/index.ts";
import type { RunResult } from "./scenarios/run.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { runTasks } from "./sim/pool.ts";
import { writeRun } from "./sim/sim-command.ts";

interface Flags {
  readonly seeds: number;
  readonly seed: number;
  readonly out: string;
}

const drilled = ["leader-killed", "leader-cut-off", "stale-snapshot-restored"];
/** Shorter than a drill asked for by itself: the main job is to take about a minute. */
const drillMs = 12_000;

/** @returns exit code: 0 all hold, 1 a check failed, 2 wrong usage, 3 the harness broke, 130 interrupted */
export function run(argv: readonly string[]): Promise<number> {
  return runVerb("faultline all", argv, (program, setExit) => {
    program
      .description("Runs every scenario in the simulator, then drills three real processes, and writes one page.")
      .option("--seeds <N>", "simulated seeds, spread over the scenarios", wholeNumber({ min: 1, max: 1_000_000 }), 154)
      .option("--seed <S>", "first seed, and seed of the drills", wholeNumber({ min: 0, max: 2 ** 40 }), 1)
      .option("--out <DIR>", "where runs and the page are written", join("reports", "out"))
      .action(async (flags: Flags) => setExit(await mainJob(flags)));
  });
}

async function mainJob(flags: Flags): Promise<number> {
  const interruption = new Interruption();
  const rows: OverviewRow[] = [];
  try {
    await simulate(flags, interruption.signal, rows);
    await drill(flags, interruption.signal, rows);
  } finally {
    interruption.close();
    if (rows.length > 0) process.stdout.write(`${tableOf(rows)}\n\nreport   ${writePage(flags.out, rows)}\n`);
  }
  const unseen = neverSeen(rows.map(({ summary }) => summary));
  for (const text of unseen) process.stderr.write(`violated ${text}\n`);
  if (unseen.length > 0 || rows.some(({ summary }) => summary.verdict !== "holds")) return exitCodes.failed;
  return interruption.signal.aborted ? exitCodes.interrupted : exitCodes.passed;
}

async function simulate(flags: Flags, signal: AbortSignal, rows: OverviewRow[]): Promise<void> {
  const chosen = scenarios.filter(({ worlds }) => worlds.includes("sim"));
  const tasks = Array.from({ length: flags.seeds }, (_none, position) => {
    const seed = flags.seed + position;
    return {
      scenario: (chosen[seed % chosen.length] as Scenario).name,
      seed,
      verify: false,
      invariants: true,
      keep: false,
    };
  });
  process.stderr.write(`simulating ${countText(tasks.length)} seeds over ${chosen.length} scenarios\n`);
  const progress = new Progress();
  await runTasks(tasks, {
    jobs: availableParallelism(),
    signal,
    onAnswer: ({ result }) => {
      const directory = result.verdict === "holds" ? undefined : writeRun(result, flags.out);
      rows.push(rowOf(result, directory, flags.out));
      progress.show(`${rows.length}/${tasks.length} simulated`);
      if (directory === undefined) return;
      progress.clear();
      process.stderr.write(`${linesOfRun(result, directory).join("\n")}\n`);
    },
  });
  progress.clear();
}

async function drill(flags: Flags, signal: AbortSignal, rows: OverviewRow[]): Promise<void> {
  const target = parseTarget("faultline");
  if ("problem" in target) throw new Error(target.problem);
  const chosen = drilled
    .map(scenarioNamed)
    .filter((scenario) => scenario !== undefined)
    .map((scenario) => ({ ...scenario, durationMs: { ...scenario.durationMs, real: drillMs } }))
    .map((scenario) => drawDrill(scenario, flags.seed));
  process.stderr.write(`drilling three real processes: ${drilled.join(", ")}\n`);
  await drillPlans(chosen, {
    target,
    machine: await probeMachine(target, "proxy"),
    out: flags.out,
    signal,
    onRun: ({ run: result, directory }) => {
      rows.push(rowOf(result, directory, flags.out));
      if (result.verdict !== "holds") process.stderr.write(`${linesOfRun(result, directory).join("\n")}\n`);
    },
  });
}

const rowOf = (result: RunResult, directory: string | undefined, out: string): OverviewRow => ({
  summary: summaryOf(result),
  link: directory === undefined ? undefined : `${fileNameOf(directory.slice(out.length + 1))}/report.html`,
});

/** @returns the path of the page */
function writePage(out: string, rows: readonly OverviewRow[]): string {
  mkdirSync(out, { recursive: true });
  const path = join(out, "index.html");
  writeFileSync(path, overviewOf(rows));
  writeFileSync(join(out, "junit.xml"), junitOf(rows.map(({ summary }) => summary)));
  return path;
}

/** One line for each scenario and world. */
function tableOf(rows: readonly OverviewRow[]): string {
  const groups = new Map<string, OverviewRow[]>();
  for (const row of rows) {
    const name = `${row.summary.world === "sim" ? "simulated" : "processes"}  ${row.summary.scenario}`;
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  const cells = [...groups].map(([name, members]) => {
    const summaries = members.map(({ summary }) => summary);
    const sum = (value: (summary: (typeof summaries)[number]) => number): number =>
      summaries.reduce((total, summary) => total + value(summary), 0);
    return [
      name,
      String(summaries.length),
      String(summaries.filter(({ verdict }) => verdict === "holds").length),
      countText(sum(({ operations }) => operations)),
      durationText(sum(({ wallMs }) => wallMs)),
    ];
  });
  const lines = [["world      scenario", "runs", "hold", "operations", "time"], ...cells];
  const widths = lines.reduce<number[]>(
    (most, line) => line.map((text, column) => Math.max(most[column] ?? 0, text.length)),
    [],
  );
  return lines
    .map((line) =>
      line
        .map((text, column) => (column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0)))
        .join("  "),
    )
    .join("\n");
}
