/*
 * faultline check HISTORY: judges one history file. A history of ours is judged by every check, a foreign one by the
 * checks that its format has something for.
 */
import { readFile } from "node:fs/promises";
import { allChecks, checksByNames } from "../scenarios/check/all.ts";
import { FormatError, type FormatName, formatNames, type ParsedHistory } from "../scenarios/check/formats/format.ts";
import { guessFormat, parseHistory } from "../scenarios/check/formats/parse.ts";
import { checkStrings } from "../scenarios/check/strings.ts";
import { type CheckResult, type VerdictWord, worstVerdict } from "../scenarios/check/verdict.ts";
import { runVerb, wholeNumber } from "./command.ts";
import { exitCodes, UsageError } from "./exit-code.ts";

/**
 * Budgets are steps, so that a history gives one verdict everywhere; people think in seconds. One second stands for so
 * many steps, about what one core of a small machine does.
 */
export const stepsPerSecond = 1_000_000;
const defaultBudgetS = 60;

export interface HistoryVerdict {
  readonly history: string;
  readonly verdict: VerdictWord;
  readonly method: "witness" | "search";
  readonly operations: number;
  readonly wallMs: number;
  readonly detail: string;
}

export async function runCheck(argv: readonly string[]): Promise<number> {
  return runVerb("check", argv, (program, setExit) => {
    program
      .description("Judge a history file: is every answer explained by one order of the operations?")
      .argument("<history>", "history file, or a run directory with history.jsonl")
      .option("--format <name>", `one of ${formatNames.join(", ")} (default: guessed from the first line)`)
      .option(
        "--budget-s <seconds>",
        `give up after so much work, ${stepsPerSecond} steps a second (default: ${defaultBudgetS})`,
        wholeNumber({ min: 1, max: 1_000_000 }),
      )
      .option("--json", "one JSON object on standard output")
      .addHelpText(
        "after",
        "\nExit codes: 0 holds, 1 violated or unknown, 2 wrong usage.\n\nExamples:\n  faultline check reports/out/run/history.jsonl\n  faultline check --format porcupine-etcd etcd_000.log --json",
      )
      .action(async (file: string, options: { format?: string; budgetS?: number; json?: boolean }) => {
        const text = await readHistory(file);
        const format = formatOf(file, text, options.format);
        const { verdict, results } = judge(file, text, format, (options.budgetS ?? defaultBudgetS) * stepsPerSecond);
        if (options.json === true) process.stdout.write(`${JSON.stringify(verdict)}\n`);
        else process.stdout.write(forPeople(verdict, results));
        setExit(verdict.verdict === "holds" ? exitCodes.passed : exitCodes.failed);
      });
  });
}

/** Everything `check` says, without a terminal. */
export function judge(
  file: string,
  text: string,
  format: FormatName,
  steps: number,
): { readonly verdict: HistoryVerdict; readonly results: readonly CheckResult[] } {
  const startedMs = performance.now();
  const parsed = parse(file, text, format);
  const results = judgeParsed(parsed, format, steps);
  const verdict = worstVerdict(results.map((result) => result.verdict));
  const first = results.find((result) => result.verdict === verdict) ?? results[0];
  const linearizable = results.find((result) => result.name === "linearizable");
  const name = first === undefined || first.name === "linearizable" ? "" : `${first.name}: `;
  return {
    results,
    verdict: {
      history: file,
      verdict,
      method: linearizable?.method ?? "witness",
      operations: operationsOf(parsed),
      wallMs: Math.round((performance.now() - startedMs) * 10) / 10,
      detail: `${name}${first?.detail ?? "nothing to judge"}`,
    },
  };
}

function judgeParsed(parsed: ParsedHistory, format: FormatName, steps: number): CheckResult[] {
  if (parsed.type === "strings") return [checkStrings(parsed.operations, steps)];
  const foreign = checksByNames(["linearizable", "watch"]) ?? [];
  const checks = format === "faultline" ? allChecks() : foreign;
  return checks.map((check) => check.check(parsed.events, { steps }));
}

function parse(file: string, text: string, format: FormatName): ParsedHistory {
  try {
    return parseHistory(text, format);
  } catch (error) {
    if (error instanceof FormatError) throw new UsageError(`${file} is no ${format} history: ${error.message}`);
    throw error;
  }
}

async function readHistory(file: string): Promise<string> {
  for (const path of [file, `${file}/history.jsonl`]) {
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EISDIR") continue;
      throw new UsageError(`cannot read ${path} (${String(code)}); give a history file or a run directory`);
    }
  }
  throw new UsageError(`${file} is a directory without history.jsonl`);
}

function formatOf(file: string, text: string, asked: string | undefined): FormatName {
  if (asked === undefined) {
    const guessed = guessFormat(text);
    if (guessed !== undefined) return guessed;
    throw new UsageError(`${file} begins like no known history; say which with --format ${formatNames.join("|")}`);
  }
  const found = formatNames.find((name) => name === asked);
  if (found !== undefined) return found;
  throw new UsageError(`--format ${asked} is not known; use one of ${formatNames.join(", ")}`);
}

function operationsOf(parsed: ParsedHistory): number {
  if (parsed.type === "strings") return parsed.operations.length;
  return parsed.events.filter((event) => event.type === "call").length;
}

function forPeople(verdict: HistoryVerdict, results: readonly CheckResult[]): string {
  const lines = [`${verdict.history}: ${verdict.verdict} (${verdict.operations} operations, ${verdict.wallMs} ms)`];
  for (const result of results) {
    if (result.judged === 0 && result.verdict === "holds") continue;
    lines.push(`  ${result.verdict.padEnd(8)} ${result.name}: ${result.detail}`);
    for (const violation of result.violations.slice(1)) lines.push(`           ${violation.rule}: ${violation.text}`);
  }
  if (verdict.verdict === "unknown") {
    lines.push("  unknown is not a pass: the budget ended before a decision, or something needed was not recorded");
  }
  return `${lines.join("\n")}\n`;
}
