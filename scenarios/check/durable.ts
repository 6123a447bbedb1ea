/*
 * Durability, told by the calls: whatever was acknowledged is in the final reads, or something later took its place.
 * The linearizability check refuses a lost write too; this one names it.
 */
import type { HistoryKeyValue, OperationAnswer } from "../history.ts";
import { type CheckContext, resultOf } from "./context.ts";
import { opText } from "./op-text.ts";
import { answerWrote, type CompactHistory, mayWrite, type Op, type Step } from "./operations.ts";
import { kvText } from "./replay-store.ts";
import type { CheckResult, Violation } from "./verdict.ts";

/** No honest history reaches it; a lying revision must not make an array of that size. */
const revisionsMax = 100_000_000;

interface LastWrite {
  readonly op: Op;
  /** undefined: deleted. */
  readonly value: string | undefined;
  readonly lease: string;
}
interface FinalRead {
  readonly op: Op;
  readonly kv: HistoryKeyValue | undefined;
}

export function checkDurable(context: CheckContext): CheckResult {
  const { history } = context;
  const violations: Violation[] = [...replaced(history)];
  const writes = lastWrites(history);
  const reads = finalReads(history);
  let judged = 0;
  for (let key = 0; key < history.keys.length; key++) {
    const write = writes[key];
    const read = reads[key];
    // A read that was called before the write had returned need not show it.
    if (write === undefined || read === undefined || read.op.call < write.op.ret) continue;
    judged++;
    const lost = isLost(history, key, write, read);
    if (lost !== undefined) violations.push(lost);
  }
  const detail = `the last acknowledged writes of ${judged} keys are in the final reads`;
  return resultOf("durable", violations, judged, detail);
}

function isLost(history: CompactHistory, key: number, write: LastWrite, read: FinalRead): Violation | undefined {
  const { revision } = write.op;
  const shown = read.kv;
  const what = write.value === undefined ? "delete" : `value ${JSON.stringify(write.value)}`;
  const calls = [write.op.id, read.op.id];
  const name = JSON.stringify(history.keys[key]);
  const lost = (actual: string): Violation => ({
    rule: "lost-write",
    text: `the ${what} of ${name} by ${opText(write.op)}, acknowledged at revision ${revision}, is lost: ${opText(read.op)} at revision ${read.op.revision} shows ${actual}`,
    calls,
    watches: [],
  });
  if (read.op.revision < revision) return lost(`an older store, with ${kvText(shown)}`);
  if (shown !== undefined) {
    if (shown.modRevision < revision) return lost(kvText(shown));
    if (shown.modRevision === revision && shown.value !== write.value) return lost(kvText(shown));
    return undefined;
  }
  if (write.value === undefined || write.lease !== "0") return undefined;
  const remover = history.ops.some((op) => op.outcome === "unknown" && op.role === "ordered" && removes(op.step, key));
  return remover ? undefined : lost("no such key, and nobody can have deleted it");
}

/** Something else was seen at the revision of an acknowledged put. */
function* replaced(history: CompactHistory): Generator<Violation> {
  const author: (Op | undefined)[] = [];
  for (const op of history.ops) {
    if (op.role !== "ordered" || op.answer === undefined || answerWrote(op.answer) !== true) continue;
    if (op.revision > revisionsMax) continue;
    const other = author[op.revision];
    if (other !== undefined && op.revision > 0) {
      yield {
        rule: "lost-write",
        text: `${opText(other)} and ${opText(op)} were both acknowledged at revision ${op.revision}: one of them is lost`,
        calls: [other.id, op.id],
        watches: [],
      };
    }
    if (op.revision > 0) author[op.revision] = op;
  }
  /** @param seen the call that showed it, or the number of the watch */
  const judge = (kv: HistoryKeyValue, seen: Op | number): Violation | undefined => {
    const op = author[kv.modRevision];
    if (op === undefined || op.step.kind !== "put" || kv.modRevision <= 0) return undefined;
    const { source } = op.step;
    if (source.op !== "put" || (source.key === kv.key && source.value === kv.value)) return undefined;
    const isWatch = typeof seen === "number";
    return {
      rule: "lost-write",
      text: `${opText(op)} was acknowledged at revision ${op.revision}, where ${isWatch ? `watch ${seen}` : opText(seen)} shows ${kvText(kv)}`,
      calls: isWatch ? [op.id] : [op.id, seen.id],
      watches: isWatch ? [seen] : [],
    };
  };
  for (const op of history.ops) {
    if (op.step.source.op === "range" && op.step.source.keysOnly === true) continue;
    if (op.answer?.op !== "range") continue;
    for (const kv of op.answer.kvs) {
      const violation = judge(kv, op);
      if (violation !== undefined) yield violation;
    }
  }
  for (const watch of history.watches) {
    const number = watch.open.watch;
    for (const { reply } of watch.replies) {
      for (const event of reply.events) {
        if (event.type !== "put") continue;
        const violation = judge(event.kv, number);
        if (violation !== undefined) yield violation;
      }
    }
  }
}

/** Per key, the acknowledged write with the highest revision; undefined where it cannot be told. */
function lastWrites(history: CompactHistory): (LastWrite | undefined)[] {
  const last: (LastWrite | undefined)[] = new Array(history.keys.length).fill(undefined);
  const note = (key: number, write: LastWrite): void => {
    const other = last[key];
    if (other === undefined || other.op.revision <= write.op.revision) last[key] = write;
  };
  const visit = (op: Op, step: Step, answer: OperationAnswer): void => {
    if (step.kind === "put") note(step.low, { op, value: step.value, lease: step.lease });
    else if (step.kind === "delete" && answerWrote(answer) === true) {
      // Which keys of the range were there is not told: their absence is explained, at any rate.
      for (let key = step.low; key < step.high; key++) note(key, { op, value: undefined, lease: "0" });
    } else if (answer.op === "txn" && step.txn !== undefined) {
      (answer.succeeded ? step.txn.success : step.txn.failure).forEach((inner, position) => {
        const response = answer.responses[position];
        if (response !== undefined) visit(op, inner, response);
      });
    }
  };
  for (const op of history.ops) {
    if (op.role === "ordered" && op.answer !== undefined && op.revision > 0) visit(op, op.step, op.answer);
  }
  return last;
}

/** Per key, the last whole linearizable read that covers it. */
function finalReads(history: CompactHistory): (FinalRead | undefined)[] {
  const last: (FinalRead | undefined)[] = new Array(history.keys.length).fill(undefined);
  for (const op of history.ops) {
    const { step, answer } = op;
    if (op.role !== "ordered" || answer?.op !== "range" || step.source.op !== "range") continue;
    if (step.revision > 0 || step.source.keysOnly === true || step.source.countOnly === true || answer.more) continue;
    if (step.high === step.low + 1) {
      const other = last[step.low];
      if (other === undefined || other.op.ret < op.ret) last[step.low] = { op, kv: answer.kvs[0] };
      continue;
    }
    const shown = new Map(answer.kvs.map((kv) => [kv.key, kv]));
    for (let key = step.low; key < step.high; key++) {
      const other = last[key];
      if (other !== undefined && other.op.ret > op.ret) continue;
      last[key] = { op, kv: shown.get(history.keys[key] as string) };
    }
  }
  return last;
}

function removes(step: Step, key: number): boolean {
  if (!mayWrite(step)) return false;
  // A put with a lease: the lease takes the key along.
  if (step.kind === "put") return step.low === key && step.lease !== "0";
  if (step.kind === "delete") return step.low <= key && key < step.high;
  if (step.kind === "revoke") return true;
  const inner = step.txn === undefined ? [] : [...step.txn.success, ...step.txn.failure];
  return inner.some((other) => removes(other, key));
}
