/*
 * Runs as JUnit XML, for the many tools that read nothing else: one suite a run, one case a check. A check that ended
 * in "unknown" is an error, not a pass and not a skip.
 */
import type { CheckResult } from "../scenarios/check/verdict.ts";
import type { RunSummary } from "../scenarios/run.ts";
import { escapeXml } from "./html.ts";
import { repeatLine } from "./verdict.ts";

export type JunitRun = Pick<RunSummary, "scenario" | "seed" | "world" | "target" | "checks" | "wallMs">;

/** @returns a complete XML document; a run without checks has an empty suite */
export function junitOf(runs: readonly JunitRun[]): string {
  const suites = runs.map(suiteOf);
  const sum = (verdict: CheckResult["verdict"] | undefined) =>
    runs.reduce((total, run) => total + countOf(run.checks, verdict), 0);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="faultline" tests="${sum(undefined)}" failures="${sum("violated")}" errors="${sum("unknown")}">`,
    ...suites,
    "</testsuites>",
    "",
  ].join("\n");
}

function suiteOf(run: JunitRun): string {
  const name = escapeXml(`${run.scenario} seed ${run.seed} (${run.target})`);
  const seconds = (run.wallMs / 1_000).toFixed(3);
  return [
    `  <testsuite name="${name}" tests="${run.checks.length}" failures="${countOf(run.checks, "violated")}" errors="${countOf(run.checks, "unknown")}" skipped="0" time="${seconds}">`,
    "    <properties>",
    `      <property name="seed" value="${run.seed}"/>`,
    `      <property name="repeat" value="${escapeXml(repeatLine(run))}"/>`,
    "    </properties>",
    ...run.checks.map((check) => caseOf(run, check)),
    "  </testsuite>",
  ].join("\n");
}

function caseOf(run: JunitRun, check: CheckResult): string {
  const opening = `    <testcase classname="${escapeXml(run.scenario)}" name="${escapeXml(check.name)}" time="0"`;
  if (check.verdict === "holds") return `${opening}/>`;
  const element = check.verdict === "violated" ? "failure" : "error";
  const evidence = check.violations.map(
    ({ rule, text, calls, watches }) =>
      `${rule}: ${text}${calls.length > 0 ? ` [calls ${calls.join(", ")}]` : ""}${watches.length > 0 ? ` [watches ${watches.join(", ")}]` : ""}`,
  );
  const body = escapeXml([check.detail, ...evidence, `repeat: ${repeatLine(run)}`].join("\n")).replaceAll(
    "&#10;",
    "\n",
  );
  return `${opening}>\n      <${element} message="${escapeXml(check.detail)}" type="${check.verdict}">${body}</${element}>\n    </testcase>`;
}

function countOf(checks: readonly CheckResult[], verdict: CheckResult["verdict"] | undefined): number {
  return verdict === undefined ? checks.length : checks.filter((check) => check.verdict === verdict).length;
}
