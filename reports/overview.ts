/*
 * Many runs on one page: how many hold, which do not, per scenario and run by run. Like the page of one run it is
 * complete in itself; links lead to the pages of runs that were kept.
 */
import type { RunSummary } from "../scenarios/run.ts";
import { style } from "./assets/style.ts";
import { countText, durationText, escapeHtml } from "./html.ts";
import { findingOf, repeatLine, worstFirst } from "./verdict.ts";

export interface OverviewRow {
  readonly summary: RunSummary;
  /** Relative address of the run's page; undefined when it was not kept. */
  readonly link: string | undefined;
}

/** Runs that hold, beyond this many, are counted but not listed. */
const rowsShownMax = 2_000;
const order = { violated: 0, unknown: 1, holds: 2 } as const;

/** @returns a complete HTML document */
export function overviewOf(rows: readonly OverviewRow[]): string {
  const sorted = [...rows].sort(
    (a, b) =>
      order[a.summary.verdict] - order[b.summary.verdict] ||
      (a.summary.scenario < b.summary.scenario ? -1 : a.summary.scenario > b.summary.scenario ? 1 : 0) ||
      a.summary.seed - b.summary.seed,
  );
  const holding = rows.filter(({ summary }) => summary.verdict === "holds").length;
  const worst = sorted[0]?.summary.verdict ?? "unknown";
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>Faultline: ${holding} of ${rows.length} runs hold</title><style>${style}</style></head><body><main>`,
    `<div class="head"><h1>${countText(holding)} of ${countText(rows.length)} runs hold</h1><span class="badge ${worst}">${worst}</span></div>`,
    scenarioTable(rows),
    runTable(sorted),
    "<footer>Faultline. This page is complete in itself; it loads nothing.</footer></main></body></html>",
    "",
  ].join("\n");
}

function scenarioTable(rows: readonly OverviewRow[]): string {
  const names = [...new Set(rows.map(({ summary }) => summary.scenario))].sort((a, b) => (a < b ? -1 : 1));
  return [
    '<h2>Scenarios</h2><div class="scroll"><table><thead><tr><th>scenario</th><th class="number">runs</th><th class="number">hold</th><th class="number">violated</th><th class="number">unknown</th><th class="number">operations</th><th class="number">time</th></tr></thead><tbody>',
    ...names.map((name) => {
      const mine = rows.filter(({ summary }) => summary.scenario === name).map(({ summary }) => summary);
      const of = (verdict: RunSummary["verdict"]) => mine.filter((run) => run.verdict === verdict).length;
      const sum = (value: (run: RunSummary) => number) => mine.reduce((total, run) => total + value(run), 0);
      const word = (verdict: RunSummary["verdict"]) =>
        `<td class="number${of(verdict) > 0 ? ` word ${verdict}` : ""}">${countText(of(verdict))}</td>`;
      return `<tr><td>${escapeHtml(name)}</td><td class="number">${countText(mine.length)}</td>${word("holds")}${word("violated")}${word("unknown")}<td class="number">${countText(sum((run) => run.operations))}</td><td class="number">${durationText(sum((run) => run.wallMs))}</td></tr>`;
    }),
    "</tbody></table></div>",
  ].join("\n");
}

function runTable(sorted: readonly OverviewRow[]): string {
  return [
    '<h2>Runs</h2><div class="scroll"><table><thead><tr><th>verdict</th><th>scenario</th><th class="number">seed</th><th>target</th><th>what does not hold</th><th>run it again</th></tr></thead><tbody>',
    ...sorted.slice(0, rowsShownMax).map(({ summary, link }) => {
      const name = escapeHtml(summary.scenario);
      const broken = worstFirst(summary.checks)
        .filter(({ verdict }) => verdict !== "holds")
        .map((check) => `<b>${escapeHtml(check.name)}</b>: ${escapeHtml(check.detail)}`);
      const finding = findingOf(summary);
      if (finding !== undefined) broken.unshift(`<b>A finding about the target</b>: ${escapeHtml(finding)}`);
      return `<tr><td class="word ${summary.verdict}">${summary.verdict}</td><td>${link === undefined ? name : `<a href="${escapeHtml(link)}">${name}</a>`}</td><td class="number">${summary.seed}</td><td class="name">${escapeHtml(summary.target)}</td><td>${broken.join("<br>")}</td><td><code>${escapeHtml(repeatLine(summary))}</code></td></tr>`;
    }),
    "</tbody></table></div>",
    sorted.length > rowsShownMax
      ? `<p class="quiet">${countText(sorted.length - rowsShownMax)} more are not listed.</p>`
      : "",
  ].join("\n");
}
