/*
 * A history as lanes over time: what the page draws. Rows are short arrays, not objects, because a large run has a
 * hundred thousand of them. Only arithmetic here; drawing is the page's script, words are describe.ts.
 */
import type { CheckResult } from "../scenarios/check/verdict.ts";
import type { CallEvent, HistoryEvent, ReturnEvent, WatchOpenEvent, WatchReplyEvent } from "../scenarios/history.ts";
import { operationText, returnText, watchText } from "./describe.ts";
import { quoteBytes } from "./html.ts";
import { type MemberLane, memberLanes } from "./members.ts";

/** 0 ok, 1 refused without effect, 2 unknown, 3 never answered. */
export type OutcomeNumber = 0 | 1 | 2 | 3;

/** [call id, from ms, to ms, outcome, client, member, what was asked, what came back, violated] */
export type OperationRow = readonly [number, number, number, OutcomeNumber, number, string, string, string, 0 | 1];
/** [watch id, from ms, to ms, client, member, what was asked, how it ended, violated, replies] */
export type WatchRow = readonly [number, number, number, number, string, string, string, 0 | 1, readonly ReplyMark[]];
/** [at ms, kind (0 events, 1 progress, 2 created, 3 canceled), text] */
export type ReplyMark = readonly [number, 0 | 1 | 2 | 3, string];

export interface ClientLane {
  readonly label: string;
  /** In order of their calls; they never overlap. */
  readonly operations: readonly OperationRow[];
}
export interface WatchLane {
  readonly label: string;
  readonly watches: readonly WatchRow[];
}
export interface Timeline {
  readonly endMs: number;
  readonly members: readonly MemberLane[];
  readonly faults: readonly {
    readonly atMs: number;
    readonly fault: string;
    readonly members: readonly string[];
    readonly result: string;
    readonly detail: string;
  }[];
  readonly phases: readonly { readonly atMs: number; readonly phase: string }[];
  readonly clients: readonly ClientLane[];
  readonly watches: readonly WatchLane[];
  /** Operations left out of the lanes because there were more than the page can hold. */
  readonly omitted: number;
}

/** Above this many, operations that went well and are no evidence are left out of the lanes, evenly. */
export const operationsShownMax = 150_000;

export interface OperationPair {
  readonly call: CallEvent;
  readonly returned: ReturnEvent | undefined;
}

/** Calls with their returns, in order of the calls. */
export function pairOperations(history: readonly HistoryEvent[]): OperationPair[] {
  const returns = new Map<number, ReturnEvent>();
  for (const event of history) if (event.type === "return") returns.set(event.id, event);
  return history
    .filter((event): event is CallEvent => event.type === "call")
    .map((call) => ({ call, returned: returns.get(call.id) }));
}

export function timelineOf(history: readonly HistoryEvent[], checks: readonly CheckResult[]): Timeline {
  const endMs = Math.max(1, lastMs(history));
  const pairs = pairOperations(history);
  const evidence = {
    calls: new Set(checks.flatMap((check) => check.violations.flatMap(({ calls }) => calls))),
    watches: new Set(checks.flatMap((check) => check.violations.flatMap(({ watches }) => watches))),
  };
  const every = Math.ceil(pairs.length / operationsShownMax);
  const shown =
    every === 1
      ? pairs
      : pairs.filter(
          ({ call, returned }, position) =>
            position % every === 0 || evidence.calls.has(call.id) || returned?.outcome !== "ok",
        );
  return {
    endMs,
    members: memberLanes(history, endMs),
    faults: history.filter((event) => event.type === "fault"),
    phases: history.filter((event) => event.type === "phase").map(({ atMs, phase }) => ({ atMs, phase })),
    clients: clientLanes(shown, endMs, evidence.calls),
    watches: watchLanes(history, endMs, evidence.watches),
    omitted: pairs.length - shown.length,
  };
}

function lastMs(history: readonly HistoryEvent[]): number {
  let last = 0;
  for (const event of history) if (event.type !== "meta" && event.atMs > last) last = event.atMs;
  return last;
}

const outcomeNumbers = { ok: 0, failed: 1, unknown: 2 } as const;

/**
 * A client number is retired by an unknown outcome and its successor gets a new one; the successor takes over the
 * retired one's lane, so that a long run has as many lanes as it had clients at once.
 */
function clientLanes(pairs: readonly OperationPair[], endMs: number, evidence: ReadonlySet<number>): ClientLane[] {
  const lanes: { clients: number[]; operations: OperationRow[]; retiredAtMs: number | undefined }[] = [];
  const laneOfClient = new Map<number, (typeof lanes)[number]>();
  for (const { call, returned } of pairs) {
    let lane = laneOfClient.get(call.client);
    if (lane === undefined) {
      lane = lanes.find(({ retiredAtMs }) => retiredAtMs !== undefined && retiredAtMs <= call.atMs);
      if (lane === undefined) {
        lane = { clients: [], operations: [], retiredAtMs: undefined };
        lanes.push(lane);
      }
      lane.clients.push(call.client);
      lane.retiredAtMs = undefined;
      laneOfClient.set(call.client, lane);
    }
    const toMs = returned?.atMs ?? endMs;
    const outcome = returned === undefined ? 3 : outcomeNumbers[returned.outcome];
    lane.operations.push([
      call.id,
      call.atMs,
      toMs,
      outcome,
      call.client,
      call.member,
      operationText(call.operation),
      returnText(returned),
      evidence.has(call.id) ? 1 : 0,
    ]);
    if (outcome === 2) lane.retiredAtMs = toMs;
  }
  return lanes.map(({ clients, operations }) => ({ label: rangeLabel("client", clients), operations }));
}

function watchLanes(history: readonly HistoryEvent[], endMs: number, evidence: ReadonlySet<number>): WatchLane[] {
  const opens: WatchOpenEvent[] = [];
  const replies = new Map<number, WatchReplyEvent[]>();
  const ends = new Map<number, { readonly atMs: number; readonly reason: string }>();
  for (const event of history) {
    if (event.type === "watchOpen") {
      opens.push(event);
      replies.set(event.watch, []);
    } else if (event.type === "watchReply") replies.get(event.watch)?.push(event);
    else if (event.type === "watchEnd") ends.set(event.watch, event);
  }
  const lanes: { clients: number[]; watches: WatchRow[] }[] = [];
  const laneOfWatch = new Map<number, (typeof lanes)[number]>();
  for (const open of opens) {
    let lane = open.resumes === undefined ? undefined : laneOfWatch.get(open.resumes);
    if (lane === undefined) {
      lane = { clients: [], watches: [] };
      lanes.push(lane);
    }
    if (!lane.clients.includes(open.client)) lane.clients.push(open.client);
    laneOfWatch.set(open.watch, lane);
    const end = ends.get(open.watch);
    lane.watches.push([
      open.watch,
      open.atMs,
      end?.atMs ?? endMs,
      open.client,
      open.member,
      watchText(open),
      end === undefined ? "open until the run ended" : `ended: ${end.reason}`,
      evidence.has(open.watch) ? 1 : 0,
      (replies.get(open.watch) ?? []).map(markOf),
    ]);
  }
  return lanes.map(({ clients, watches }) => ({ label: rangeLabel("watch", clients), watches }));
}

function markOf(reply: WatchReplyEvent): ReplyMark {
  if (reply.canceled) {
    const why = reply.compactRevision > 0 ? `, compacted at ${reply.compactRevision}` : "";
    return [reply.atMs, 3, `canceled at revision ${reply.revision}${why}`];
  }
  if (reply.created) return [reply.atMs, 2, `created at revision ${reply.revision}`];
  if (reply.events.length === 0) return [reply.atMs, 1, `progress: up to revision ${reply.revision}`];
  const shown = reply.events
    .slice(0, 4)
    .map(({ type, kv }) =>
      type === "put"
        ? `put ${quoteBytes(kv.key, 32)} = ${quoteBytes(kv.value, 32)} @${kv.modRevision}`
        : `delete ${quoteBytes(kv.key, 32)} @${kv.modRevision}`,
    );
  const more = reply.events.length - shown.length;
  return [reply.atMs, 0, `${shown.join(", ")}${more > 0 ? `, … ${more} more` : ""}`];
}

function rangeLabel(word: string, numbers: readonly number[]): string {
  if (numbers.length <= 2) return `${word} ${numbers.join(", ")}`;
  return `${word} ${numbers[0]}, ${numbers[1]}, … ${numbers.at(-1)}`;
}
