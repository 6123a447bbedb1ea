/*
 * A verdict in the forms people and tools read: a few lines for the terminal, one JSON object for a pipe, and the
 * line that repeats a run. Exit codes follow from the verdict here and nowhere else.
 */
import type { CheckResult, VerdictWord } from "../scenarios/check/verdict.ts";
import type { FaultEvent, HistoryEvent } from "../scenarios/history.ts";
import type { RunResult } from "../scenarios/run.ts";
import { exitCodes } from "./exit-code.ts";
import { countText, durationText } from "./html.ts";

/** Unknown is never green: anything but "holds" fails. */
export const exitCodeOfVerdict = (verdict: VerdictWord): number =>
  verdict === "holds" ? exitCodes.passed : exitCodes.failed;

/** The command that runs the same again. */
export function repeatLine(run: Pick<RunResult, "scenario" | "seed" | "world" | "target" | "network">): string {
  if (run.world === "sim") return `faultline sim ${run.scenario} --seed ${run.seed}`;
  const network = run.network === undefined ? "" : ` --network ${run.network}`;
  return `faultline drill ${run.scenario} --target ${run.target} --seed ${run.seed}${network}`;
}

/** Of a drill of members that are not ours in which a promise was broken: whose behaviour that is. */
export function findingOf({
  verdict,
  world,
  target,
}: Pick<RunResult, "verdict" | "world" | "target">): string | undefined {
  if (verdict !== "violated" || world !== "real" || /^faultline(?:-tls)?$/.test(target)) return undefined;
  return `this is how ${target} itself behaves under these faults; no member of ours took part`;
}

export interface FaultRow {
  readonly atMs: number;
  readonly fault: string;
  readonly member: string;
  readonly result: "done" | "skipped";
  readonly detail: string;
}

/** The faults of a history, as the JSON line and the fault table show them. */
export function faultRows(history: readonly HistoryEvent[]): FaultRow[] {
  return history
    .filter((event): event is FaultEvent => event.type === "fault")
    .map(({ atMs, fault, members, result, detail }) => ({ atMs, fault, member: members.join(","), result, detail }));
}

/** Violated first, then unknown, then what holds; inside each in the order the checks ran. */
export function worstFirst(checks: readonly CheckResult[]): CheckResult[] {
  return (["violated", "unknown", "holds"] as const).flatMap((word) =>
    checks.filter(({ verdict }) => verdict === word),
  );
}

/**
 * The one JSON object of a run on standard output. A drill has `target`, `faults` and `unavailableMs`; a simulated run
 * has `digest`, `events` and `simulatedMs`.
 *
 * @param runDirectory where the run was written; undefined when it was not kept
 */
export function jsonOfRun(run: RunResult, runDirectory: string | undefined): { readonly [field: string]: unknown } {
  return {
    scenario: run.scenario,
    seed: run.seed,
    ...(run.digest === undefined ? {} : { digest: run.digest }),
    ...(run.world === "real" ? { target: run.target, network: run.network ?? "proxy" } : {}),
    verdict: run.verdict,
    checks: run.checks.map(({ name, verdict, detail, meant }) => {
      return { name, verdict, detail, ...(meant === undefined ? {} : { meant }) };
    }),
    ...(run.world === "real" ? { faults: faultRows(run.history), unavailableMs: run.unavailableMs ?? null } : {}),
    ...(run.events === undefined ? {} : { events: run.events }),
    ...(run.simulatedMs === undefined ? {} : { simulatedMs: run.simulatedMs }),
    wallMs: run.wallMs,
    operations: run.operations,
    run: runDirectory ?? null,
  };
}

/** A run in a few lines: verdict, the checks that do not hold with their first evidence, and how to repeat it. */
export function linesOfRun(run: RunResult, runDirectory: string | undefined): string[] {
  const skipped = faultRows(run.history).filter(({ result }) => result === "skipped");
  const lines = [
    `${run.verdict.padEnd(8)} ${run.scenario} seed ${run.seed} on ${run.target}: ${countText(run.operations)} operations, ${run.checks.length} checks, ${durationText(run.wallMs)}${
      run.unavailableMs === undefined
        ? ""
        : `, longest time without an acknowledged write ${durationText(run.unavailableMs)}`
    }`,
  ];
  for (const check of worstFirst(run.checks).filter(({ verdict }) => verdict !== "holds")) {
    lines.push(`  ${check.verdict} ${check.name}: ${check.detail}`);
    for (const violation of check.violations.slice(0, 3)) lines.push(`    ${violation.rule}: ${violation.text}`);
    if (check.violations.length > 3) lines.push(`    … and ${check.violations.length - 3} more`);
  }
  for (const { name, meant, detail } of run.checks)
    if (meant !== undefined) lines.push(`  meant    ${name}: ${detail}`);
  const finding = findingOf(run);
  if (finding !== undefined) lines.push(`  finding  ${finding}`);
  for (const [reason, rows] of groupBy(skipped, ({ fault, detail }) => `${fault}: ${detail}`)) {
    lines.push(`  skipped ${reason}${rows.length > 1 ? ` (${rows.length} times)` : ""}`);
  }
  if (runDirectory !== undefined) lines.push(`  report   ${runDirectory}/report.html`);
  if (run.verdict !== "holds") lines.push(`  repeat   ${repeatLine(run)}`);
  return lines;
}

function groupBy<Row>(rows: readonly Row[], nameOf: (row: Row) => string): [string, Row[]][] {
  const groups: [string, Row[]][] = [];
  for (const row of rows) {
    const name = nameOf(row);
    const group = groups.find(([known]) => known === name);
    if (group === undefined) groups.push([name, [row]]);
    else group[1].push(row);
  }
  return groups;
}
