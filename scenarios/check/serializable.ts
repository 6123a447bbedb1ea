/*
 * Serializable reads: the state at the revision they report, possibly old, never from the future, and never going
 * back on one member within one life of its process.
 */
import type { HistoryEvent } from "../history.ts";
import { type CheckContext, resultOf } from "./context.ts";
import { opText } from "./op-text.ts";
import type { Op } from "./operations.ts";
import { isWrongState, judgeReads, staleReadsOf } from "./stale-reads.ts";
import type { CheckResult, Violation } from "./verdict.ts";

export function checkSerializable(context: CheckContext): CheckResult {
  const { history, log } = context;
  const reads = staleReadsOf(history);
  if (reads.length === 0) return resultOf("serializable", [], 0, "no serializable reads");
  const violations = [...sessions(context)];
  if (log.past === undefined) {
    if (violations.length > 0) return resultOf("serializable", violations, reads.length, "");
    const detail = "no verified order of writes to compare the reads with";
    return { name: "serializable", verdict: "unknown", detail, violations: [], judged: reads.length };
  }
  const wrong = judgeReads(reads, log);
  if (context.decision.readsUnsettled && wrong.some(isWrongState)) {
    if (violations.length > 0) return resultOf("serializable", violations, reads.length, "");
    const detail =
      "whether another order of what nobody saw fits these reads was not settled; a watch on all keys would tell";
    return { name: "serializable", verdict: "unknown", detail, violations: [], judged: reads.length };
  }
  violations.push(...wrong);
  return resultOf("serializable", violations, reads.length, `${reads.length} reads match the state they report`);
}

/** Judged only where the beginnings and ends of processes were recorded: a restart may go back to older states. */
function* sessions(context: CheckContext): Generator<Violation> {
  const { events, history } = context;
  if (!events.some((event) => event.type === "life")) return;
  const byPosition = new Map<number, Op>();
  for (const op of history.ops) {
    if (op.outcome !== "ok" || op.role === "observation" || op.revision <= 0) continue;
    byPosition.set(op.call, op);
    byPosition.set(op.ret, op);
  }
  const floors = new Map<string, Op>();
  const lives = new Map<string, number>();
  const atCall = new Map<Op, { readonly floor: Op | undefined; readonly life: number }>();
  for (let at = 0; at < events.length; at++) {
    const event = events[at] as HistoryEvent;
    if (event.type === "life") {
      floors.delete(event.member);
      lives.set(event.member, (lives.get(event.member) ?? 0) + 1);
    }
    const op = byPosition.get(at);
    if (op === undefined) continue;
    const life = lives.get(op.member) ?? 0;
    if (at === op.call) {
      atCall.set(op, { floor: floors.get(op.member), life });
      continue;
    }
    const before = atCall.get(op);
    if (before?.life !== life) continue;
    const known = floors.get(op.member);
    if (known === undefined || known.revision < op.revision) floors.set(op.member, op);
    const { floor } = before;
    if (op.role !== "read" || floor === undefined || op.revision >= floor.revision) continue;
    yield {
      rule: "serializable-back",
      text: `${opText(op)} at ${op.member} reports revision ${op.revision} after ${opText(floor)} had reported ${floor.revision} there`,
      calls: [floor.id, op.id],
      watches: [],
    };
  }
}
