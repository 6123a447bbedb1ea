/*
 * Liveness after healing: some write is acknowledged within a bound once the liveness phase has begun. A run that
 * ended sooner, or in which nobody tried to write, proves nothing.
 */
import { type CheckContext, resultOf } from "./context.ts";
import { answerWrote, mayWrite } from "./operations.ts";
import type { CheckResult, Violation } from "./verdict.ts";

export function checkProgress(context: CheckContext): CheckResult {
  const name = "progress";
  const boundMs = context.options.progressBoundMs;
  const phase = context.events.find((event) => event.type === "phase" && event.phase === "liveness");
  if (phase?.type !== "phase") return resultOf(name, [], 0, "no liveness phase");
  const beganMs = phase.atMs;
  let tried = 0;
  let firstMs = Number.POSITIVE_INFINITY;
  const waiting: number[] = [];
  for (const op of context.history.ops) {
    if (!mayWrite(op.step) || op.callMs > beganMs + boundMs) continue;
    if (op.retMs >= 0 && op.retMs < beganMs) continue;
    tried++;
    const acknowledged = op.answer !== undefined && answerWrote(op.answer) !== false;
    if (acknowledged) firstMs = Math.min(firstMs, op.retMs);
    else waiting.push(op.id);
  }
  if (firstMs <= beganMs + boundMs) {
    return resultOf(name, [], tried, `a write was acknowledged ${Math.round(firstMs - beganMs)} ms after healing`);
  }
  const last = context.events.at(-1);
  const endMs = last === undefined || last.type === "meta" ? 0 : last.atMs;
  const unknown = (detail: string): CheckResult => ({
    name,
    verdict: "unknown",
    detail,
    violations: [],
    judged: tried,
  });
  if (tried === 0) return unknown("nobody tried to write in the liveness phase");
  if (endMs < beganMs + boundMs)
    return unknown(`the run ended ${Math.round(endMs - beganMs)} ms after healing, before the bound`);
  const late = firstMs === Number.POSITIVE_INFINITY ? "none was" : `the first came after ${firstMs - beganMs} ms`;
  const violation: Violation = {
    rule: "no-progress",
    text: `expected a write to be acknowledged within ${boundMs} ms after healing; ${late}, of ${tried} tried`,
    calls: waiting.slice(0, 5),
    watches: [],
  };
  return resultOf(name, [violation], tried, "");
}
