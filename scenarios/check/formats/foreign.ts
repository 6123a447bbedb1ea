/*
 * Operations of other formats as events of ours: one register or map, no members, mostly no revisions. What a format
 * does not tell is `unreported`, and then never compared.
 */
import type { HistoryEvent, HistoryKeyValue, Operation, OperationAnswer } from "../../history.ts";
import { unreported } from "../operations.ts";

export const foreignMeta = (target: string, startRevision: number): HistoryEvent => ({
  type: "meta",
  format: 1,
  scenario: "",
  seed: 0,
  world: "real",
  target,
  members: [],
  startRevision,
});

export const foreignCall = (id: number, client: number, operation: Operation): HistoryEvent => ({
  type: "call",
  id,
  client,
  atMs: 0,
  member: "",
  operation,
});

export const foreignAnswer = (
  id: number,
  client: number,
  answer: OperationAnswer,
  revision: number = unreported,
): HistoryEvent => ({ type: "return", id, client, atMs: 0, outcome: "ok", revision, raftTerm: 0, answer });

export const foreignFailure = (
  id: number,
  client: number,
  outcome: "failed" | "unknown",
  error: string,
): HistoryEvent => ({ type: "return", id, client, atMs: 0, outcome, error });

/** What a get found: undefined for absent. */
export function foundAnswer(key: string, value: string | undefined, modRevision = unreported): OperationAnswer {
  const kv: HistoryKeyValue = {
    key,
    value: value ?? "",
    createRevision: unreported,
    modRevision,
    version: unreported,
    lease: "",
  };
  return { op: "range", kvs: value === undefined ? [] : [kv], count: value === undefined ? 0 : 1, more: false };
}

/** Writes only if the key has that value; undefined: only if it is absent. */
export const compareAndSet = (key: string, expected: string | undefined, value: string): Operation => ({
  op: "txn",
  compares: [
    expected === undefined
      ? { target: "version", result: "equal", key, operand: 0 }
      : { target: "value", result: "equal", key, operand: expected },
  ],
  success: [{ op: "put", key, value }],
  failure: [],
});

export const compareAndSetAnswer = (succeeded: boolean): OperationAnswer => ({
  op: "txn",
  succeeded,
  responses: succeeded ? [{ op: "put", revision: unreported }] : [],
});
