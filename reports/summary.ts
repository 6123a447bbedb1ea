/*
 * Figures of a history: how many operations ended how, how long they took, and how long no write was acknowledged.
 */
import type { HistoryEvent, Operation } from "../scenarios/history.ts";
import { type OperationPair, pairOperations } from "./timeline.ts";

export interface OperationFigures {
  readonly op: Operation["op"];
  readonly ok: number;
  readonly failed: number;
  readonly unknown: number;
  /** Of accepted operations, in ms; undefined when there were none. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly maxMs: number | undefined;
}

/** One row a kind of operation, in order of the names. Never answered counts as unknown. */
export function figuresOf(pairs: readonly OperationPair[]): OperationFigures[] {
  const kinds = [...new Set(pairs.map(({ call }) => call.operation.op))].sort((a, b) => (a < b ? -1 : 1));
  return kinds.map((op) => {
    const mine = pairs.filter(({ call }) => call.operation.op === op);
    const durations: number[] = [];
    const counts = { ok: 0, failed: 0, unknown: 0 };
    for (const { call, returned } of mine) {
      counts[returned?.outcome ?? "unknown"] += 1;
      if (returned?.outcome === "ok") durations.push(returned.atMs - call.atMs);
    }
    durations.sort((a, b) => a - b);
    const at = (share: number) => durations[Math.min(durations.length - 1, Math.floor(durations.length * share))];
    return { op, ...counts, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: durations.at(-1) };
  });
}

/** Does an accepted answer of this operation acknowledge a write? */
const writes = (operation: Operation): boolean =>
  operation.op === "put" || operation.op === "deleteRange" || (operation.op === "txn" && hasWrite(operation));
const hasWrite = (operation: Extract<Operation, { op: "txn" }>): boolean =>
  [...operation.success, ...operation.failure].some(writes);

export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Longest time between two acknowledged writes that follow each other. Undefined when fewer than two were
 * acknowledged. Quiet time of the clients counts too: a workload with pauses shows them here.
 */
export function longestWriteGap(history: readonly HistoryEvent[]): Gap | undefined {
  const acknowledgedMs: number[] = [];
  for (const { call, returned } of pairOperations(history)) {
    if (returned?.outcome === "ok" && writes(call.operation)) acknowledgedMs.push(returned.atMs);
  }
  acknowledgedMs.sort((a, b) => a - b);
  let longest: Gap | undefined;
  for (let position = 1; position < acknowledgedMs.length; position++) {
    const gap = { fromMs: acknowledgedMs[position - 1] as number, toMs: acknowledgedMs[position] as number };
    if (longest === undefined || gap.toMs - gap.fromMs > longest.toMs - longest.fromMs) longest = gap;
  }
  return longest;
}
