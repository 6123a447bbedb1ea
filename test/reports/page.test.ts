import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { script } from "../../reports/assets/script.ts";
import { overviewOf } from "../../reports/overview.ts";
import { pageOf } from "../../reports/page.ts";
import { summaryOf } from "../../reports/run-directory.ts";
import { longestWriteGap } from "../../reports/summary.ts";
import { operationsShownMax, type Timeline, timelineOf } from "../../reports/timeline.ts";
import type { HistoryEvent } from "../../scenarios/history.ts";
import { syntheticRun } from "./synthetic.ts";

const hostile = `</script><img src=x onerror=alert(1)>"'&\0`;

function lanesOf(page: string): Timeline {
  const packed = /id="lanes-data">([^<]*)</.exec(page)?.[1] ?? "";
  return JSON.parse(gunzipSync(Buffer.from(packed, "base64")).toString("utf8"));
}

describe("the page of a run", () => {
  test("shows every check with its verdict, the worst first", () => {
    const page = pageOf(syntheticRun());
    const table = page.slice(page.indexOf('id="verdicts"'), page.indexOf('id="evidence"'));
    const order = ["linearizable", "durable", "watch-reliable", "lease"].map((name) => table.indexOf(`>${name}<`));
    expect(order.every((place) => place > 0)).toBe(true);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(page).toContain('<span class="badge violated">violated</span>');
    expect(page).toContain("faultline sim leader-killed-during-writes --seed 42");
  });

  test("links the evidence of a violation to the operations it speaks of", () => {
    const page = pageOf(syntheticRun());
    expect(page).toContain('<a href="#call-314" data-follow>call 314</a>');
    expect(page).toContain('<a href="#call-321" data-follow>call 321</a>');
    const marked = lanesOf(page).clients.flatMap(({ operations }) => operations.filter((row) => row[8] === 1));
    expect(marked.map((row) => row[0]).sort((a, b) => a - b)).toEqual([314, 321]);
  });

  test("says whose behaviour it shows when members that are not ours broke a promise", () => {
    const said = "A finding about the target";
    const run = syntheticRun();
    const summary = summaryOf(run);
    for (const [world, target, isFinding] of [
      ["real", "etcd", true],
      ["real", "127.0.0.1:2379", true],
      ["real", "faultline", false],
      ["real", "faultline-tls", false],
      ["sim", "faultline", false],
    ] as const) {
      const page = pageOf({ ...run, world, target });
      expect(page.includes(said), target).toBe(isFinding);
      if (isFinding) expect(page).toContain(`this is how ${target} itself behaves under these faults`);
      const rows = [{ summary: { ...summary, world, target }, link: undefined }];
      expect(overviewOf(rows).includes(said), target).toBe(isFinding);
    }
    expect(pageOf({ ...run, world: "real", target: "etcd", verdict: "holds" })).not.toContain(said);
  });

  test("lets no key or value become markup", () => {
    const page = pageOf(syntheticRun({ keyText: hostile }));
    expect(page).not.toContain("<img");
    expect(page.match(/<\/script>/g)).toHaveLength(2);
    expect(lanesOf(page).clients[0]?.operations[0]?.[6]).toContain("</script>");
  });

  test("refers to no other file or host", () => {
    const page = pageOf(syntheticRun()).replace(/id="lanes-data">[^<]*</, "");
    expect(page).not.toMatch(/\b(?:https?:)?\/\/[a-z0-9]/i);
    expect(page).not.toMatch(/<(?:link|iframe|object)\b|@import|url\(/);
    expect(page).not.toMatch(/\b(?:src|href)="(?!#)/);
  });

  test("carries a script that a browser can parse and that writes text, never markup", () => {
    expect(() => new Function(script)).not.toThrow();
    expect(script).not.toMatch(/innerHTML|outerHTML|document\.write|insertAdjacentHTML|eval\(/);
  });

  test("leaves out operations that went well when there are too many, and says how many", () => {
    const timeline = timelineOf(
      Array.from({ length: operationsShownMax + 10 }, (_, id): HistoryEvent[] => [
        { type: "call", id, client: 1, atMs: id, member: "m1", operation: { op: "put", key: "k", value: "v" } },
        id === 7
          ? { type: "return", id, client: 1, atMs: id, outcome: "unknown", error: "lost" }
          : { type: "return", id, client: 1, atMs: id, outcome: "ok", revision: 2, raftTerm: 1, answer: { op: "put" } },
      ]).flat(),
      [],
    );
    const shown = timeline.clients.flatMap(({ operations }) => operations);
    expect(shown.length + timeline.omitted).toBe(operationsShownMax + 10);
    expect(shown.length).toBeLessThanOrEqual(operationsShownMax);
    expect(shown.some((row) => row[0] === 7 && row[3] === 2)).toBe(true);
  });

  test("a successor of a retired client takes over its lane, so lanes never overlap", () => {
    const lanes = timelineOf(syntheticRun().history, []).clients;
    expect(lanes).toHaveLength(6);
    for (const { operations } of lanes) {
      for (let position = 1; position < operations.length; position++) {
        expect(operations[position]?.[1]).toBeGreaterThanOrEqual(operations[position - 1]?.[2] ?? 0);
      }
    }
  });

  test("member lanes are gapless and say when a member was down or paused", () => {
    const { members, endMs } = timelineOf(syntheticRun().history, []);
    expect(members.map(({ name }) => name)).toEqual(["m1", "m2", "m3"]);
    for (const { spans } of members) {
      expect(spans[0]?.fromMs).toBe(0);
      expect(spans.at(-1)?.toMs).toBe(endMs);
      for (let position = 1; position < spans.length; position++) {
        expect(spans[position]?.fromMs).toBe(spans[position - 1]?.toMs);
      }
    }
    expect(members[0]?.spans.some(({ state, fromMs }) => state === "down" && fromMs === 3_000)).toBe(true);
    expect(members[2]?.spans.some(({ state, fromMs }) => state === "paused" && fromMs === 6_000)).toBe(true);
  });

  test("the longest write gap counts acknowledged writes only", () => {
    const event = (id: number, atMs: number, op: "put" | "range", ok: boolean): HistoryEvent[] => [
      {
        type: "call",
        id,
        client: id,
        atMs,
        member: "m1",
        operation: op === "put" ? { op, key: "k", value: "v" } : { op, key: "k" },
      },
      ok
        ? {
            type: "return",
            id,
            client: id,
            atMs,
            outcome: "ok",
            revision: 2,
            raftTerm: 1,
            answer: op === "put" ? { op } : { op, kvs: [], count: 0, more: false },
          }
        : { type: "return", id, client: id, atMs, outcome: "unknown", error: "lost" },
    ];
    const history = [
      event(1, 10, "put", true),
      event(2, 20, "range", true),
      event(3, 30, "put", false),
      event(4, 90, "put", true),
    ].flat();
    expect(longestWriteGap(history)).toEqual({ fromMs: 10, toMs: 90 });
    expect(longestWriteGap(history.slice(0, 2))).toBeUndefined();
  });
});

describe("the overview of many runs", () => {
  test("counts verdicts and lists what does not hold first", () => {
    const bad = summaryOf(syntheticRun());
    const good = { ...bad, seed: 7, verdict: "holds" as const, checks: [] };
    const page = overviewOf([
      { summary: good, link: "runs/7/report.html" },
      { summary: { ...bad, scenario: hostile }, link: undefined },
    ]);
    expect(page).not.toContain("<img");
    expect(page.indexOf(">42<")).toBeLessThan(page.indexOf(">7<"));
    expect(page).toContain("1 of 2");
  });
});
