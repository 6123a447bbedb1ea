/*
 * `faultline replay`: a plan once more, whole or up to a moment, once or twice side by side.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { runVerb, wholeNumber } from "../reports/command.ts";
import { exitCodeOfVerdict, jsonOfRun, linesOfRun } from "../reports/verdict.ts";
import type { Plan } from "../scenarios/plan.ts";
import { readPlan } from "./plan-command.ts";
import { verifyPlan } from "./replay.ts";
import { judge, worldOf } from "./runner.ts";
import type { ScheduledEvent } from "./schedule.ts";
import { stateLines, traceLine } from "./trace.ts";

interface Flags {
  readonly verify?: true;
  readonly untilMs?: number;
  readonly json?: true;
}

/** Events shown before the moment a replay stops at. */
const shownEvents = 30;

export function run(argv: readonly string[]): Promise<number> {
  return runVerb("faultline replay", argv, (program, setExit) => {
    program
      .description("Runs a plan again: a plan file, or the directory of a run.")
      .argument("<plan|run>", "path")
      .option("--verify", "run it twice side by side and show the first event that differs")
      .option(
        "--until-ms <T>",
        "stop at that simulated time; show the last events and every member's state",
        wholeNumber({ min: 0, max: 2 ** 40 }),
      )
      .option("--json", "one JSON object on standard output")
      .action((path: string, flags: Flags) => setExit(replay(path, flags)));
  });
}

function replay(path: string, flags: Flags): number {
  const plan = readPlan(path);
  if (flags.untilMs !== undefined) return replayUntil(plan, flags.untilMs);
  const startedMs = performance.now();
  let differs = false;
  const lines: string[] = [];
  let world = worldOf(plan);
  if (flags.verify) {
    const verification = verifyPlan(plan, (same) => worldOf(same, { recodeEvery: 1 }));
    world = verification.world;
    if (!verification.same) {
      differs = true;
      lines.push(`two runs of the plan differ at event ${verification.event}:`, ...verification.lines);
    } else lines.push(`two runs of the plan agree in all ${world.events} events`);
  } else world.run();
  const result = judge(world, { startedMs });
  const recorded = recordedDigest(path);
  if (recorded !== undefined && recorded !== result.digest && !flags.verify) {
    lines.push(`the run on disk has digest ${recorded}, this one ${result.digest}: the code changed in between`);
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(jsonOfRun(result, undefined))}\n`);
  process.stderr.write(`${[...linesOfRun(result, undefined), ...lines, `digest   ${result.digest}`].join("\n")}\n`);
  return differs ? 1 : exitCodeOfVerdict(result.verdict);
}

function replayUntil(plan: Plan, untilMs: number): number {
  const world = worldOf(plan);
  const shown: ScheduledEvent[] = [];
  while (!world.isOver && (world.schedule.nextTimeUs ?? 0) <= untilMs * 1_000) {
    world.stepEvent();
    if (world.lastEvent !== undefined) shown.push(world.lastEvent);
    if (shown.length > shownEvents) shown.shift();
  }
  for (const event of shown) process.stdout.write(`${traceLine(world, event)}\n`);
  for (const line of stateLines(world)) process.stdout.write(`${line}\n`);
  if (world.broken === undefined) return 0;
  process.stdout.write(`broken: ${world.broken.rule}: ${world.broken.text}\n`);
  return 1;
}

function recordedDigest(path: string): string | undefined {
  const file = join(path, "verdict.json");
  if (!statSync(path).isDirectory() || !existsSync(file)) return undefined;
  const verdict: unknown = JSON.parse(readFileSync(file, "utf8"));
  return typeof verdict === "object" && verdict !== null && "digest" in verdict ? String(verdict.digest) : undefined;
}
