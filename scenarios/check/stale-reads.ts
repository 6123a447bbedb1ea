/*
 * Serializable reads against a log of revisions: each shows the state at the revision it reports. Not here: that one
 * member never goes back (serializable.ts), and which of several legal orders the log is of (context.ts).
 */
import { opText } from "./op-text.ts";
import type { CompactHistory, Op } from "./operations.ts";
import type { ReplayStore } from "./replay-store.ts";
import type { RevisionLog } from "./revision-log.ts";
import type { Violation } from "./verdict.ts";

export const staleReadsOf = ({ ops }: CompactHistory): Op[] =>
  ops.filter((op) => op.role === "read" && op.outcome === "ok" && op.revision > 0);

/** None without a verified order. */
export function judgeReads(reads: readonly Op[], log: RevisionLog): Violation[] {
  const { past } = log;
  if (past === undefined) return [];
  const latest = latestWrites(log);
  const violations: Violation[] = [];
  for (const read of reads) {
    const violation = judgeRead(past, latest, read);
    if (violation !== undefined) violations.push(violation);
  }
  return violations;
}

/** Such a violation may be of the order, where several are legal. */
export const isWrongState = ({ rule }: Violation): boolean => rule === "serializable-state";

/** By revision: the write among those up to it that was called last. */
function latestWrites(log: RevisionLog): readonly (Op | undefined)[] {
  const latest: (Op | undefined)[] = [];
  let last: Op | undefined;
  for (let revision = 0; revision <= log.maxRevision; revision++) {
    const op = log.entries[revision]?.op;
    if (op !== undefined && (last === undefined || last.call <= op.call)) last = op;
    latest.push(last);
  }
  return latest;
}

/** The revision whose state the read shows, or the latest of them. */
export const stateOf = ({ step, revision }: Op): number => (step.revision > 0 ? step.revision : revision);

/** Whether that is what it shows, in a store that has got there, and knows the past. */
export function showsState(store: ReplayStore, read: Op): boolean {
  const { step, answer, revision } = read;
  if (answer === undefined) return true;
  return step.kind === "txn" ? store.txnAt(step, answer, revision) : store.rangeAt(step, answer, stateOf(read));
}

function judgeRead(store: ReplayStore, latest: readonly (Op | undefined)[], read: Op): Violation | undefined {
  const { revision } = read;
  const write = latest[Math.min(revision, latest.length - 1)];
  if (revision > store.revision || (write !== undefined && write.call > read.ret)) {
    return {
      rule: "serializable-future",
      text: `${opText(read)} reports revision ${revision} before ${write === undefined ? "anybody wrote it" : `${opText(write)} was called`}`,
      calls: write === undefined ? [read.id] : [read.id, write.id],
      watches: [],
    };
  }
  store.mismatch = undefined;
  if (showsState(store, read)) return undefined;
  const { expected, actual } = store.mismatch ?? { expected: "another answer", actual: "this one" };
  return {
    rule: "serializable-state",
    text: `${opText(read)} reports revision ${revision}: expected ${expected}, actual ${actual}`,
    calls: [read.id],
    watches: [],
  };
}
