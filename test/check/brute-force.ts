/*
 * The oracle for tiny histories: every order, every choice of unknown operations, every lease expiry, judged by the
 * slow model. Shares no code with the checks.
 */
import type { HistoryEvent, Operation, OperationAnswer } from "../../scenarios/history.ts";
import { applyKv, emptyKvState, endLease, type KvState } from "../../scenarios/model/kv.ts";

interface Call {
  readonly operation: Operation;
  readonly call: number;
  readonly ret: number;
  readonly answered: boolean;
  readonly revision: number;
  readonly answer: OperationAnswer | undefined;
}

/** Header revisions of −1 are not compared, nor are numbers of −1 inside answers. */
export function isLinearizable(history: readonly HistoryEvent[]): boolean {
  const calls: Call[] = [];
  let start = 1;
  for (const [at, event] of history.entries()) {
    if (event.type === "meta") start = event.startRevision;
    if (event.type !== "call") continue;
    const position = history.findIndex((other) => other.type === "return" && other.id === event.id);
    const answer = history[position];
    if (answer?.type === "return" && answer.outcome === "failed") continue;
    const ok = answer?.type === "return" && answer.outcome === "ok" ? answer : undefined;
    calls.push({
      operation: event.operation,
      call: at,
      ret: ok === undefined ? Number.POSITIVE_INFINITY : position,
      answered: ok !== undefined,
      revision: ok?.revision ?? -1,
      answer: ok?.answer,
    });
  }
  // A header of a watch proves that its revision existed by then.
  const seen = new Map<number, number>();
  for (const [at, event] of history.entries()) {
    if (event.type !== "watchReply" || event.revision <= start) continue;
    if (!seen.has(event.revision)) seen.set(event.revision, at);
  }
  return extend(emptyKvState(start), calls, seen, -1);
}

function extend(state: KvState, left: readonly Call[], seen: ReadonlyMap<number, number>, latest: number): boolean {
  if (left.every((call) => !call.answered) && [...seen.keys()].every((revision) => revision <= state.revision)) {
    return true;
  }
  const firstReturn = Math.min(...left.map((call) => call.ret));
  for (const call of left) {
    if (call.call > firstReturn) continue;
    const result = applyKv(state, call.operation);
    if (!result.ok) {
      // The model keeps a lease until its end is placed; a server may have ended it without a trace.
      continue;
    }
    if (call.answered && call.revision !== -1 && call.revision !== result.state.revision) continue;
    if (call.answered && !agrees(result.answer, call.answer)) continue;
    const latestNow = Math.max(latest, call.call);
    if (result.state.revision !== state.revision && (seen.get(result.state.revision) ?? 1e9) < latestNow) continue;
    if (
      extend(
        result.state,
        left.filter((other) => other !== call),
        seen,
        latestNow,
      )
    ) {
      return true;
    }
  }
  for (const lease of state.leases) {
    const ended = endLease(state, lease);
    if (ended.revision !== state.revision && (seen.get(ended.revision) ?? 1e9) < latest) continue;
    if (extend(ended, left, seen, latest)) return true;
  }
  return false;
}

/** Equal but for what the recorded answer leaves out (−1). */
function agrees(expected: unknown, actual: unknown): boolean {
  if (actual === -1 && typeof expected === "number") return true;
  if (Array.isArray(expected) && Array.isArray(actual)) {
    return expected.length === actual.length && expected.every((item, at) => agrees(item, actual[at]));
  }
  if (typeof expected === "object" && expected !== null && typeof actual === "object" && actual !== null) {
    const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
    return [...names].every((name) => agrees(Reflect.get(expected, name), Reflect.get(actual, name)));
  }
  return expected === actual;
}
