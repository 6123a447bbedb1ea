/*
 * One run as one self-contained HTML page: verdicts first, evidence, then lanes over time, faults and figures. It
 * opens from a file, offline; verdicts and tables are plain HTML, only the lanes need the page's script. Whatever a
 * client could choose passes through html.ts, and the lanes' data is compressed base64, which cannot hold markup.
 */
import { gzipSync } from "node:zlib";
import type { CheckResult, Violation } from "../scenarios/check/verdict.ts";
import type { WatchOpenEvent } from "../scenarios/history.ts";
import type { RunResult } from "../scenarios/run.ts";
import { script } from "./assets/script.ts";
import { style } from "./assets/style.ts";
import { operationText, returnText, watchText } from "./describe.ts";
import { countText, durationText, escapeHtml } from "./html.ts";
import { figuresOf, longestWriteGap } from "./summary.ts";
import { type OperationPair, pairOperations, type Timeline, timelineOf } from "./timeline.ts";
import { faultRows, findingOf, repeatLine, worstFirst } from "./verdict.ts";

/** Rows a table shows before it says how many more there are. */
const violationsShownMax = 50;
const evidenceShownMax = 40;
const faultsShownMax = 300;

/** @returns a complete HTML document without any reference to another file or host */
export function pageOf(run: RunResult): string {
  const pairs = pairOperations(run.history);
  const timeline = timelineOf(run.history, run.checks);
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(`${run.verdict}: ${run.scenario} seed ${run.seed}`)}</title>`,
    `<style>${style}</style></head><body><main>`,
    headOf(run),
    verdictTable(run.checks),
    evidenceOf(run, pairs),
    timeSection(timeline),
    faultTable(run),
    figureTable(pairs),
    planSection(run),
    "<footer>Faultline. This page is complete in itself; it loads nothing.</footer>",
    '</main><div id="tip"></div>',
    `<script type="application/octet-stream" id="lanes-data">${packed(timeline)}</script>`,
    `<script>${script}</script>`,
    "</body></html>",
    "",
  ].join("\n");
}

const packed = (timeline: Timeline): string => gzipSync(JSON.stringify(timeline), { level: 6 }).toString("base64");

function headOf(run: RunResult): string {
  const gap = run.world === "real" ? longestWriteGap(run.history) : undefined;
  const facts: [string, string | undefined][] = [
    ["seed", String(run.seed)],
    ["world", run.world === "sim" ? "simulated" : "real processes"],
    ["target", run.target],
    ["members", String(run.plan.members.length)],
    ["operations", countText(run.operations)],
    ["simulated time", run.simulatedMs === undefined ? undefined : durationText(run.simulatedMs)],
    ["events", run.events === undefined ? undefined : countText(run.events)],
    ["took", durationText(run.wallMs)],
    ["digest", run.digest],
    [
      "longest time without an acknowledged write",
      run.unavailableMs === undefined
        ? undefined
        : `${durationText(run.unavailableMs)}${gap === undefined ? "" : ` (from ${durationText(gap.fromMs)})`}`,
    ],
  ];
  const finding = findingOf(run);
  return [
    `<div class="head"><h1>${escapeHtml(run.scenario)}</h1><span class="badge ${run.verdict}">${verdictWords[run.verdict]}</span></div>`,
    finding === undefined ? "" : `<p class="finding"><b>A finding about the target:</b> ${escapeHtml(finding)}.</p>`,
    '<dl class="facts">',
    ...facts.map(([name, value]) =>
      value === undefined ? "" : `<div><dt>${name}</dt><dd>${escapeHtml(value)}</dd></div>`,
    ),
    "</dl>",
    `<div class="repeat"><span class="quiet">run it again:</span> <code>${escapeHtml(repeatLine(run))}</code></div>`,
  ].join("\n");
}

const verdictWords = { holds: "holds", violated: "violated", unknown: "unknown" } as const;

function verdictTable(checks: readonly CheckResult[]): string {
  if (checks.length === 0) return '<h2 id="verdicts">Verdicts</h2><p>No check was asked for, so nothing is proved.</p>';
  return [
    '<h2 id="verdicts">Verdicts</h2>',
    '<div class="scroll"><table><thead><tr><th>verdict</th><th>check</th><th class="number">judged</th><th>what was found</th></tr></thead><tbody>',
    ...worstFirst(checks).map(
      (check) =>
        `<tr><td class="word ${check.verdict}">${check.verdict === "holds" ? "✓" : check.verdict === "violated" ? "✗" : "?"} ${verdictWords[check.verdict]}</td><td class="name">${escapeHtml(check.name)}</td><td class="number">${countText(check.judged)}</td><td>${escapeHtml(check.detail)}${check.method === undefined ? "" : ` <span class="quiet">(by ${check.method})</span>`}</td></tr>`,
    ),
    "</tbody></table></div>",
    checks.some(({ verdict, judged }) => verdict === "holds" && judged === 0)
      ? '<p class="quiet">A check that judged nothing holds trivially.</p>'
      : "",
  ].join("\n");
}

// ---- evidence ---------------------------------------------------------------------------------------------------

function evidenceOf(run: RunResult, pairs: readonly OperationPair[]): string {
  const broken = worstFirst(run.checks).filter(({ violations }) => violations.length > 0);
  if (broken.length === 0) return "";
  const pairOfId = new Map(pairs.map((pair) => [pair.call.id, pair]));
  const watchOfId = new Map(
    run.history
      .filter((event): event is WatchOpenEvent => event.type === "watchOpen")
      .map((event) => [event.watch, event] as const),
  );
  return [
    '<h2 id="evidence">Evidence</h2>',
    ...broken.flatMap((check) => [
      ...check.violations
        .slice(0, violationsShownMax)
        .map((violation) => violationBlock(check, violation, pairOfId, watchOfId)),
      check.violations.length > violationsShownMax
        ? `<p class="quiet">${countText(check.violations.length - violationsShownMax)} more of ${escapeHtml(check.name)} in verdict.json.</p>`
        : "",
    ]),
  ].join("\n");
}

function violationBlock(
  check: CheckResult,
  violation: Violation,
  pairOfId: ReadonlyMap<number, OperationPair>,
  watchOfId: ReadonlyMap<number, WatchOpenEvent>,
): string {
  const rows: string[] = [];
  for (const id of violation.calls.slice(0, evidenceShownMax)) {
    const pair = pairOfId.get(id);
    if (pair === undefined) continue;
    const { call, returned } = pair;
    rows.push(
      evidenceRow(`call-${id}`, `call ${id}`, [
        `client ${call.client}`,
        call.member,
        secondsText(call.atMs),
        returned === undefined ? "–" : secondsText(returned.atMs),
        operationText(call.operation),
        returnText(returned),
      ]),
    );
  }
  for (const id of violation.watches.slice(0, evidenceShownMax)) {
    const open = watchOfId.get(id);
    if (open === undefined) continue;
    rows.push(
      evidenceRow(`watch-${id}`, `watch ${id}`, [
        `client ${open.client}`,
        open.member,
        secondsText(open.atMs),
        "",
        watchText(open),
        "",
      ]),
    );
  }
  const left =
    Math.max(0, violation.calls.length - evidenceShownMax) + Math.max(0, violation.watches.length - evidenceShownMax);
  return [
    `<div class="violation ${check.verdict}"><div><span class="rule">${escapeHtml(violation.rule)}</span> <span class="quiet">in ${escapeHtml(check.name)}</span></div>`,
    `<p>${escapeHtml(violation.text)}</p>`,
    rows.length === 0
      ? ""
      : `<div class="scroll"><table><thead><tr><th>evidence</th><th>client</th><th>member</th><th class="number">called</th><th class="number">returned</th><th>asked</th><th>answer</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>`,
    left > 0 ? `<p class="quiet">${left} more operations in verdict.json.</p>` : "",
    "</div>",
  ].join("\n");
}

function evidenceRow(
  anchor: string,
  label: string,
  [client, member, from, to, asked, answer]: readonly string[],
): string {
  const cell = (text: string | undefined, kind = "") =>
    `<td${kind === "" ? "" : ` class="${kind}"`}>${escapeHtml(text ?? "")}</td>`;
  return `<tr><td class="name"><a href="#${anchor}" data-follow>${label}</a></td>${cell(client, "name")}${cell(member, "name")}${cell(from, "number")}${cell(to, "number")}${cell(asked, "mono")}${cell(answer, "mono")}</tr>`;
}

const secondsText = (ms: number): string => `${(ms / 1_000).toFixed(3)} s`;

// ---- lanes ------------------------------------------------------------------------------------------------------

const legend: readonly (readonly [string, string])[] = [
  ["ok", "accepted"],
  ["refused", "refused, no effect"],
  ["unknown", "unknown outcome"],
  ["open", "never answered"],
  ["leader", "leader"],
  ["follower", "follower"],
  ["candidate", "candidate"],
  ["paused", "paused"],
  ["down", "down"],
  ["evidence", "evidence of a violation"],
  ["reply", "watch events"],
  ["fault", "fault"],
];

function timeSection(timeline: Timeline): string {
  return [
    '<h2 id="time">Over time</h2>',
    '<div class="tools"><button id="zoom-in" type="button">Zoom in</button><button id="zoom-out" type="button">Zoom out</button><button id="zoom-all" type="button">Whole run</button>',
    '<input id="search" type="search" placeholder="find a key, value or call id" aria-label="find a key, value or call id"><span id="search-count" class="quiet"></span>',
    '<label><input id="only-evidence" type="checkbox"> only lanes with evidence</label>',
    '<span class="hint">drag to move, Ctrl + wheel or double-click to zoom, drag over the strip to choose a time</span></div>',
    `<div class="legend">${legend.map(([name, text]) => `<span><i style="background:var(--${name})"></i>${text}</span>`).join("")}</div>`,
    '<div class="frame"><div class="top"><canvas id="overview" height="44"></canvas><canvas id="axis" height="26"></canvas></div><canvas id="lanes" height="300" tabindex="0" aria-label="lanes of members, clients and watches over time"></canvas></div>',
    '<div id="picked"></div>',
    timeline.omitted > 0
      ? `<p class="quiet">${countText(timeline.omitted)} operations that went well are left out of the lanes, evenly over the run; the history has them all.</p>`
      : "",
    "<noscript><p>The lanes need a browser with scripts. Verdicts, evidence, faults and figures do not.</p></noscript>",
  ].join("\n");
}

// ---- tables -----------------------------------------------------------------------------------------------------

function faultTable(run: RunResult): string {
  const rows = faultRows(run.history);
  if (rows.length === 0) return '<h2 id="faults">Faults</h2><p>None were planned.</p>';
  const skipped = rows.filter(({ result }) => result === "skipped").length;
  return [
    `<h2 id="faults">Faults</h2><p>${countText(rows.length - skipped)} made, ${countText(skipped)} skipped.</p>`,
    '<div class="scroll"><table><thead><tr><th class="number">at</th><th>fault</th><th>members</th><th>result</th><th>detail</th></tr></thead><tbody>',
    ...rows
      .slice(0, faultsShownMax)
      .map(
        (row) =>
          `<tr><td class="number">${secondsText(row.atMs)}</td><td class="name">${escapeHtml(row.fault)}</td><td class="name">${escapeHtml(row.member.replaceAll(",", ", "))}</td><td class="name">${row.result}</td><td>${escapeHtml(row.detail)}</td></tr>`,
      ),
    "</tbody></table></div>",
    rows.length > faultsShownMax
      ? `<p class="quiet">${countText(rows.length - faultsShownMax)} more in history.jsonl.</p>`
      : "",
  ].join("\n");
}

function figureTable(pairs: readonly OperationPair[]): string {
  const time = (ms: number | undefined) =>
    ms === undefined ? "–" : ms < 10 ? `${ms.toFixed(1)} ms` : durationText(ms);
  return [
    '<h2 id="operations">Operations</h2>',
    '<div class="scroll"><table><thead><tr><th>operation</th><th class="number">accepted</th><th class="number">refused</th><th class="number">unknown</th><th class="number">p50</th><th class="number">p99</th><th class="number">longest</th></tr></thead><tbody>',
    ...figuresOf(pairs).map(
      (row) =>
        `<tr><td>${row.op}</td><td class="number">${countText(row.ok)}</td><td class="number">${countText(row.failed)}</td><td class="number">${countText(row.unknown)}</td><td class="number">${time(row.p50Ms)}</td><td class="number">${time(row.p99Ms)}</td><td class="number">${time(row.maxMs)}</td></tr>`,
    ),
    "</tbody></table></div>",
  ].join("\n");
}

function planSection(run: RunResult): string {
  const { clients, watches, ...rest } = run.plan;
  const shown = {
    ...rest,
    clients: `${clients.length} clients, in plan.json`,
    watches: `${watches.length} watches, in plan.json`,
  };
  return `<details><summary>Plan</summary><pre>${escapeHtml(JSON.stringify(shown, undefined, 2))}</pre></details>`;
}
