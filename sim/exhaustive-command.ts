/*
 * `faultline sim --exhaustive`: small scenarios, not with seeds but with everything that may happen in them. What was
 * not reached is said; only a scenario that was exhausted, or searched as far as the command line asks, has passed.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Progress } from "../reports/command.ts";
import { exitCodes, UsageError } from "../reports/exit-code.ts";
import { fileNameOf, toolVersion } from "../reports/run-directory.ts";
import { smallScenarioNamed, smallScenarios } from "../scenarios/small/index.ts";
import type { SmallScenario } from "../scenarios/small/small-scenario.ts";
import { type Ending, Explorer } from "./exhaustive/explorer.ts";
import { describePath } from "./exhaustive/path.ts";
import { namesNear } from "./selection.ts";

export interface ExhaustiveFlags {
  readonly depth?: number;
  readonly statesMax?: number;
  readonly budgetS?: number;
  readonly out: string;
  readonly json?: true;
}

/** About 60 bytes each. */
export const statesMaxDefault = 10_000_000;
/** States expanded between two looks at the clock. */
const sliceStates = 500;

type End = Ending | "time" | "interrupted";

/** One line on standard output with `--json`, and verdict.json of a kept run. */
interface ExhaustiveReport {
  readonly scenario: string;
  readonly verdict: "holds" | "violated" | "unknown";
  readonly end: End;
  readonly states: number;
  readonly transitions: number;
  /** Every path of so many steps was tried; of a violation, steps to it. */
  readonly depth: number;
  /** States found but not looked at. */
  readonly waiting: number;
  readonly wallMs: number;
  readonly statesPerSecond: number;
  /** Upper bound for the chance that two states were taken for one. */
  readonly collisionChance: number;
  readonly rule: string | null;
  readonly text: string | null;
  readonly steps: readonly string[];
  readonly run: string | null;
}

/** @param names none: all @returns exit code */
export async function exhaust(names: readonly string[], flags: ExhaustiveFlags): Promise<number> {
  const chosen = chosenBy(names);
  let isInterrupted = false;
  const interrupt = (): void => {
    isInterrupted = true;
  };
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  const ends: ExhaustiveReport[] = [];
  try {
    for (const scenario of chosen) {
      if (isInterrupted) break;
      const report = await explore(scenario, flags, () => isInterrupted);
      ends.push(report);
      if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
      process.stderr.write(`${linesOf(report, flags).join("\n")}\n`);
    }
  } finally {
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
  }
  if (ends.some(({ verdict }) => verdict === "violated")) return exitCodes.failed;
  if (isInterrupted) return exitCodes.interrupted;
  return ends.every(({ end }) => end === "exhausted" || isAskedFor(end, flags)) ? exitCodes.passed : exitCodes.failed;
}

/** Small scenarios for `--help`, a line each. */
export const smallScenarioHelp = (): string =>
  smallScenarios.map(({ name, why }) => `  ${name.padEnd(26)} ${why}\n`).join("");

function chosenBy(names: readonly string[]): readonly SmallScenario[] {
  if (names.length === 0) return smallScenarios;
  const known = smallScenarios.map(({ name }) => name);
  return names.map((name) => {
    const scenario = smallScenarioNamed(name);
    if (scenario !== undefined) return scenario;
    const near = namesNear(name, known);
    const hint = near.length === 0 ? `there are ${known.join(", ")}` : `did you mean ${near.join(" or ")}?`;
    throw new UsageError(`no small scenario is named "${name}"; ${hint}`);
  });
}

/** A bound given on the command line is part of the question; the one that protects memory is not. */
function isAskedFor(end: End, flags: ExhaustiveFlags): boolean {
  if (end === "depth") return true;
  if (end === "states") return flags.statesMax !== undefined;
  return end === "time";
}

async function explore(
  scenario: SmallScenario,
  flags: ExhaustiveFlags,
  isInterrupted: () => boolean,
): Promise<ExhaustiveReport> {
  const progress = new Progress();
  const startedMs = performance.now();
  const explorer = new Explorer(scenario, {
    statesMax: flags.statesMax ?? statesMaxDefault,
    depthMax: flags.depth,
  });
  let end: End | undefined;
  while (end === undefined) {
    explorer.advance(sliceStates);
    const seconds = (performance.now() - startedMs) / 1_000;
    const { states, depth, waiting } = explorer;
    progress.show(
      `${scenario.name}: depth ${depth}, ${countOf(states)} states, ${countOf(waiting)} waiting, ${countOf(Math.round(states / Math.max(seconds, 0.001)))}/s`,
    );
    end = explorer.ending;
    if (end !== undefined) break;
    if (flags.budgetS !== undefined && seconds >= flags.budgetS) end = "time";
    await nextTurn();
    if (isInterrupted()) end = "interrupted";
  }
  progress.clear();
  const wallMs = performance.now() - startedMs;
  const { violation } = explorer;
  const steps = violation === undefined ? [] : describePath(explorer.cluster, violation.path);
  const report: ExhaustiveReport = {
    scenario: scenario.name,
    verdict: end === "exhausted" ? "holds" : end === "violated" ? "violated" : "unknown",
    end,
    states: explorer.states,
    transitions: explorer.transitions,
    depth: violation?.path.length ?? explorer.depth,
    waiting: end === "exhausted" ? 0 : explorer.waiting,
    wallMs: Math.round(wallMs),
    statesPerSecond: Math.round((explorer.states / Math.max(wallMs, 1)) * 1_000),
    collisionChance: explorer.collisionChance,
    rule: violation?.rule ?? null,
    text: violation?.text ?? null,
    steps,
    run: violation === undefined ? null : join(flags.out, fileNameOf(`${scenario.name}-exhaustive`)),
  };
  if (report.run !== null) keep(report, report.run, scenario);
  return report;
}

/** The path, the verdict and the scenario as it was explored. */
function keep(report: ExhaustiveReport, path: string, scenario: SmallScenario): void {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "path.txt"), `${report.steps.join("\n")}\n`);
  writeFileSync(join(path, "verdict.json"), `${JSON.stringify({ tool: toolVersion, ...report }, undefined, 2)}\n`);
  writeFileSync(join(path, "scenario.json"), `${JSON.stringify(scenario, undefined, 2)}\n`);
}

function linesOf(report: ExhaustiveReport, flags: ExhaustiveFlags): readonly string[] {
  const { scenario, verdict, states, transitions, depth, wallMs, statesPerSecond, collisionChance } = report;
  const lines = [
    `${verdict.padEnd(8)} ${scenario}: ${endText(report, flags)}; ${countOf(states)} states, ${countOf(transitions)} transitions, depth ${depth}, ${(wallMs / 1_000).toFixed(1)} s (${countOf(statesPerSecond)} states/s; two states were taken for one with a chance below ${collisionChance.toExponential(0)})`,
  ];
  if (report.rule === null) return lines;
  lines.push(`  ${report.rule}: ${report.text}`, ...report.steps.map((line) => `  ${line}`));
  lines.push(`  repeat   faultline sim --exhaustive ${scenario}`, `  run      ${report.run}`);
  return lines;
}

function endText({ end, waiting }: ExhaustiveReport, flags: ExhaustiveFlags): string {
  const open = `not exhausted: ${countOf(waiting)} states wait`;
  switch (end) {
    case "exhausted":
      return "exhausted";
    case "violated":
      return "a rule is broken";
    case "states":
      return flags.statesMax === undefined
        ? `stopped at ${countOf(statesMaxDefault)} states, to spare memory (--states-max N raises that), ${open}`
        : `stopped at --states-max, ${open}`;
    case "depth":
      return `stopped at --depth, ${open}`;
    case "time":
      return `stopped at --budget-s, ${open}`;
    case "interrupted":
      return `interrupted, ${open}`;
  }
}

const countOf = (count: number): string => count.toLocaleString("en-US");
