/*
 * `faultline shrink`: the smallest plan found within a time budget that still breaks the same check by the same rule.
 * The plan is written beside the run, ready to be replayed and kept as a regression.
 */
import { statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Progress, runVerb, wholeNumber } from "../reports/command.ts";
import { exitCodes, UsageError } from "../reports/exit-code.ts";
import { linesOfRun } from "../reports/verdict.ts";
import type { Plan } from "../scenarios/plan.ts";
import { serialisePlan } from "../scenarios/plan-format.ts";
import type { RunResult } from "../scenarios/run.ts";
import { readPlan } from "./plan-command.ts";
import { runPlan } from "./runner.ts";
import { shrinkPlan, sizeOf } from "./shrink.ts";

interface Flags {
  readonly budgetS: number;
  readonly json?: true;
}

export function run(argv: readonly string[]): Promise<number> {
  return runVerb("faultline shrink", argv, (program, setExit) => {
    program
      .description("Makes the plan of a failing run smaller while it fails in the same way.")
      .argument("<run>", "directory of a run, or a plan file")
      .option("--budget-s <S>", "seconds to search", wholeNumber({ min: 1, max: 86_400 }), 60)
      .option("--json", "one JSON object on standard output")
      .action((path: string, flags: Flags) => setExit(shrink(path, flags)));
  });
}

function shrink(path: string, flags: Flags): number {
  const plan = readPlan(path);
  const failure = failureOf(runPlan(plan));
  if (failure === undefined) throw new UsageError(`the plan in ${path} does not fail; there is nothing to shrink`);
  const progress = new Progress();
  const endMs = performance.now() + flags.budgetS * 1_000;
  let tries = 0;
  const smallest = shrinkPlan(plan, {
    fails: (candidate) => {
      tries += 1;
      return failureOf(runPlan(candidate)) === failure;
    },
    mayGoOn: () => performance.now() < endMs,
    onSmaller: (smaller) => progress.show(`${tries} tries, ${sizeOf(smaller)} of ${sizeOf(plan)} parts left`),
  });
  progress.clear();
  const file = join(statSync(path).isDirectory() ? path : dirname(path), "shrunk.json");
  writeFileSync(file, serialisePlan(smallest));
  const result = runPlan(smallest);
  if (flags.json) process.stdout.write(`${JSON.stringify(reportOf(plan, smallest, { file, failure, tries }))}\n`);
  process.stderr.write(
    `${[
      `${sizeOf(plan)} parts before, ${sizeOf(smallest)} after ${tries} tries; still ${failure}`,
      ...linesOfRun(result, undefined).filter((line) => !line.startsWith("  repeat")),
      `  plan     ${file}`,
      `  repeat   faultline replay ${file}`,
    ].join("\n")}\n`,
  );
  return exitCodes.passed;
}

/** The check and the rule that break first, `linearizable: real-time`; undefined when all holds. */
function failureOf(result: RunResult): string | undefined {
  const check = result.checks.find(({ verdict }) => verdict === "violated");
  return check === undefined ? undefined : `${check.name}: ${check.violations[0]?.rule ?? "violated"}`;
}

function reportOf(
  plan: Plan,
  smallest: Plan,
  found: { readonly file: string; readonly failure: string; readonly tries: number },
): { readonly [field: string]: unknown } {
  return {
    scenario: plan.scenario,
    seed: plan.seed,
    failure: found.failure,
    tries: found.tries,
    partsBefore: sizeOf(plan),
    partsAfter: sizeOf(smallest),
    plan: found.file,
  };
}
