/*
 * Locks by the concurrency recipe: under "prefix/name/" each waiter keeps one key, the oldest (by create revision)
 * holds the lock, and its create revision is the fencing number. Two clients must never be told, in this order, that
 * a younger and then an older key holds: then both acted as holders. Needs no log; revisions are the order.
 */
import type { HistoryKeyValue } from "../history.ts";
import { type CheckContext, resultOf } from "./context.ts";
import { opText } from "./op-text.ts";
import type { Op, Step } from "./operations.ts";
import type { CheckResult, Violation } from "./verdict.ts";

/** At `revision` a client learned that the key with that create revision was the oldest, or was there at all. */
interface Sight {
  readonly lock: string;
  readonly op: Op;
  readonly revision: number;
  readonly createRevision: number;
  readonly oldest: boolean;
}

export function checkLocks(context: CheckContext): CheckResult {
  const sights: Sight[] = [];
  for (const op of context.history.ops) {
    if (op.role !== "ordered" || op.answer === undefined || op.revision < 1) continue;
    collect(op, context.options.lockPrefix, sights);
  }
  sights.sort((a, b) => a.revision - b.revision || a.op.index - b.op.index);
  const violations: Violation[] = [];
  const holders = new Map<string, Sight>();
  for (const sight of sights) {
    const holder = holders.get(sight.lock);
    // A key older than the holder that is still there at a later revision: the holder was none.
    if (holder !== undefined && sight.createRevision < holder.createRevision) {
      violations.push({
        rule: "two-holders",
        text: `lock ${JSON.stringify(sight.lock)}: ${opText(holder.op)} was told at revision ${holder.revision} that ${holder.createRevision} holds, and ${opText(sight.op)} at revision ${sight.revision} that the older ${sight.createRevision} does`,
        calls: [holder.op.id, sight.op.id],
        watches: [],
      });
    }
    if (sight.oldest && (holder === undefined || sight.createRevision > holder.createRevision)) {
      holders.set(sight.lock, sight);
    }
  }
  return resultOf("locks", violations, sights.length, `${sights.length} sights of lock holders agree`);
}

function collect(op: Op, prefix: string, into: Sight[]): void {
  const { step, answer } = op;
  if (answer?.op === "range") {
    collectRange(op, step, answer.kvs, prefix, into);
    return;
  }
  if (answer?.op !== "txn" || step.txn === undefined) return;
  if (answer.succeeded) {
    for (const { source } of step.txn.compares) {
      const lock = lockOf(source.key, prefix);
      const createRevision = Number(source.operand);
      if (lock === undefined || source.target !== "create" || source.result !== "equal" || createRevision <= 0)
        continue;
      into.push({ lock, op, revision: op.revision, createRevision, oldest: false });
    }
  }
  const branch = answer.succeeded ? step.txn.success : step.txn.failure;
  answer.responses.forEach((response, position) => {
    const inner = branch[position];
    if (inner !== undefined && response.op === "range") collectRange(op, inner, response.kvs, prefix, into);
  });
}

/** A range over all waiters of one lock, complete or oldest first, shows who holds it. */
function collectRange(op: Op, step: Step, kvs: readonly HistoryKeyValue[], prefix: string, into: Sight[]): void {
  const { source } = step;
  if (source.op !== "range" || source.rangeEnd === undefined || (source.revision ?? 0) > 0 || kvs.length === 0) return;
  const lock = lockOf(source.key, prefix);
  if (lock === undefined || source.key !== lock) return;
  const limited = (source.limit ?? 0) > 0;
  if (limited && !(source.sortTarget === "create" && source.sortOrder === "ascend")) return;
  const createRevision = Math.min(...kvs.map((kv) => kv.createRevision));
  if (kvs.every((kv) => lockOf(kv.key, prefix) === lock)) {
    into.push({ lock, op, revision: op.revision, createRevision, oldest: true });
  }
}

/** "lock/a/" of "lock/a/holder". */
function lockOf(key: string, prefix: string): string | undefined {
  if (!key.startsWith(prefix)) return undefined;
  const end = key.indexOf("/", prefix.length);
  return end < 0 ? undefined : key.slice(0, end + 1);
}
