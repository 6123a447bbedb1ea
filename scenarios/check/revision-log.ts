/*
 * What happened at each revision, as far as a history lets one know: from the verified order everything, otherwise
 * what answered writes say of themselves. Watches, leases and stale reads are held against it.
 */
import type { HistoryKeyValue, OperationAnswer } from "../history.ts";
import type { Decision } from "./linearizable.ts";
import { type CompactHistory, compareText, type Op, type Step, unreported } from "./operations.ts";
import { ReplayStore } from "./replay-store.ts";

export interface LogChange {
  readonly key: string;
  /** undefined: deleted. Numbers that are not known are {@link unreported}. */
  readonly kv: HistoryKeyValue | undefined;
  /** What was there before; meaningful only in an exact log. */
  readonly before: HistoryKeyValue | undefined;
}
export interface LogEntry {
  readonly revision: number;
  /** In the order they were made. */
  readonly changes: readonly LogChange[];
  /** These are all its changes. */
  readonly complete: boolean;
  readonly op: Op | undefined;
  /** The lease whose end made this revision, by revoke or by expiry. */
  readonly endedLease: string | undefined;
}
export interface RevisionLog {
  /** By revision; undefined: nothing is known. */
  readonly entries: readonly (LogEntry | undefined)[];
  /** Every revision is known, with its previous values. */
  readonly exact: boolean;
  readonly maxRevision: number;
  /** Shows the state at any revision; only of an exact log, where somebody made serializable reads. */
  readonly past: ReplayStore | undefined;
}

export function buildLog(history: CompactHistory, decision: Decision): RevisionLog {
  return decision.order === undefined ? fromAnswers(history) : fromOrder(history, decision.order);
}

function fromOrder(history: CompactHistory, order: NonNullable<Decision["order"]>): RevisionLog {
  const keepPast = history.ops.some((op) => op.role === "read");
  const store = new ReplayStore(history, { keepPast, keepTrail: false });
  store.explaining = keepPast;
  const entries: (LogEntry | undefined)[] = new Array(history.startRevision + 1).fill(undefined);
  const last: (HistoryKeyValue | undefined)[] = new Array(history.keys.length).fill(undefined);
  for (let position = 0; position < order.entries.length; position++) {
    const number = order.entries[position] as number;
    const op = number < 0 ? undefined : history.ops[number];
    if (op?.step.kind === "range" || op?.step.kind === "other") continue;
    const before = store.revision;
    const lease =
      op === undefined ? order.expiries[-1 - number] : op.step.kind === "revoke" ? op.step.lease : undefined;
    if (op === undefined) store.expire(lease ?? "");
    else store.run(op.step, op.answer);
    if (store.revision === before) continue;
    const changes: LogChange[] = [];
    for (const key of store.changed) {
      const kv = store.record(key);
      changes.push({ key: history.keys[key] as string, kv, before: last[key] });
      last[key] = kv;
    }
    entries[store.revision] = { revision: store.revision, changes, complete: true, op, endedLease: lease };
  }
  return { entries, exact: true, maxRevision: store.revision, past: keepPast ? store : undefined };
}

/** Without an order, each answered write still says what it did itself. */
function fromAnswers(history: CompactHistory): RevisionLog {
  const entries: (LogEntry | undefined)[] = [];
  let maxRevision = history.startRevision;
  for (const op of history.ops) {
    if (op.role !== "ordered" || op.outcome !== "ok" || op.answer === undefined || op.revision < 1) continue;
    maxRevision = Math.max(maxRevision, op.revision);
    const changes: LogChange[] = [];
    const complete = describe(op.step, op.answer, op.revision, changes);
    if (changes.length > 0 && entries[op.revision] === undefined && op.revision < 0x7fff_ffff) {
      entries[op.revision] = { revision: op.revision, changes, complete, op, endedLease: undefined };
    }
  }
  return { entries, exact: false, maxRevision, past: undefined };
}

/** @returns whether these are all changes the operation made */
function describe(step: Step, answer: OperationAnswer, revision: number, into: LogChange[]): boolean {
  const { source } = step;
  if (source.op === "put" && answer.op === "put") {
    const kv: HistoryKeyValue = {
      key: source.key,
      value: source.value,
      createRevision: unreported,
      modRevision: revision,
      version: unreported,
      lease: step.lease,
    };
    into.push({ key: source.key, kv, before: undefined });
    return true;
  }
  if (source.op === "deleteRange" && answer.op === "deleteRange") {
    if (answer.deleted === 0) return true;
    if (step.high !== step.low + 1) return false;
    into.push({ key: source.key, kv: undefined, before: undefined });
    return true;
  }
  if (source.op === "txn" && answer.op === "txn" && step.txn !== undefined) {
    const branch = answer.succeeded ? step.txn.success : step.txn.failure;
    let complete = branch.length === answer.responses.length;
    branch.forEach((inner, position) => {
      const response = answer.responses[position];
      if (response !== undefined && !describe(inner, response, revision, into)) complete = false;
    });
    return complete;
  }
  return source.op === "range";
}

export function isInside(key: string, range: { readonly key: string; readonly rangeEnd?: string }): boolean {
  if (range.rangeEnd === undefined || range.rangeEnd === "") return key === range.key;
  return compareText(key, range.key) >= 0 && (range.rangeEnd === "\0" || compareText(key, range.rangeEnd) < 0);
}
