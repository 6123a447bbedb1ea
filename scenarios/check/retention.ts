/*
 * Automatic compaction against what it promised: the newest so many revisions, or what was current a period ago, stay
 * readable. Members say in the history when they ask for a compaction and which retention they do it for; the order of
 * writes says what was current then. Needs a verified order.
 */
import type { AutoCompactionEvent } from "../history.ts";
import { type CheckContext, resultOf } from "./context.ts";
import type { Op } from "./operations.ts";
import type { CheckResult, Violation } from "./verdict.ts";

export function checkRetention(context: CheckContext): CheckResult {
  const violations: Violation[] = [];
  let judged = 0;
  let clockFault = false;
  for (const [at, event] of context.events.entries()) {
    if (event.type === "fault" && (event.fault === "clockJump" || event.fault === "clockDrift")) clockFault = true;
    if (event.type !== "autoCompaction") continue;
    if (event.retention.mode === "periodic" && clockFault) continue;
    judged += 1;
    const violation = judge(context, event, at);
    if (violation !== undefined) violations.push(violation);
  }
  if (judged === 0) return resultOf("retention", [], 0, "no automatic compaction to judge");
  const result = resultOf("retention", violations, judged, `${judged} automatic compactions left what they had to`);
  if (context.log.exact || result.verdict === "violated") return result;
  return { ...result, verdict: "unknown", detail: "no verified order of writes to hold the compactions against" };
}

function judge(context: CheckContext, event: AutoCompactionEvent, at: number): Violation | undefined {
  const { retention, revision, member, atMs } = event;
  const asked = `${member} asked at ${atMs} ms for compaction to revision ${revision}`;
  if (retention.mode === "revision") {
    const newest = revision + retention.revisions;
    const what = `the newest ${retention.revisions} revisions were to stay`;
    if (context.log.exact && newest > context.log.maxRevision) {
      return wrong(`${asked}; ${what}, but revision ${newest} never was`, []);
    }
    const op = lastWriteUpTo(context, newest);
    if (op === undefined || op.call < at) return undefined;
    return wrong(`${asked}; ${what}, but revision ${op.revision} was made by call ${op.id} later`, [op.id]);
  }
  const op = lastWriteUpTo(context, revision);
  const beganMs = atMs - retention.periodMs;
  if (op === undefined || op.callMs <= beganMs) return undefined;
  return wrong(
    `${asked}; what was current ${retention.periodMs} ms before was to stay, but call ${op.id}, which made revision ${op.revision}, came at ${op.callMs} ms`,
    [op.id],
  );
}

/** The writer of that revision, or of the newest one below it that has a known writer: it was made no later. */
function lastWriteUpTo({ log }: CheckContext, revision: number): Op | undefined {
  for (let at = Math.min(revision, log.entries.length - 1); at > 0; at--) {
    const op = log.entries[at]?.op;
    if (op !== undefined) return op;
  }
  return undefined;
}

const wrong = (text: string, calls: readonly number[]): Violation => ({
  rule: "retention-broken",
  text,
  calls,
  watches: [],
});
