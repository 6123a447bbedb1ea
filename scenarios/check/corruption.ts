/*
 * The corruption alarm: raised for every member whose stored data was changed under it, for no other member, and once it
 * stands somewhere no write that comes later is accepted.
 */
import type { AlarmsEvent, HistoryEvent } from "../history.ts";
import { type CheckContext, resultOf } from "./context.ts";
import { compareText, mayWrite } from "./operations.ts";
import type { CheckResult, Violation } from "./verdict.ts";

export function checkCorruption(context: CheckContext): CheckResult {
  const { events, history } = context;
  const changed = changedMembers(events);
  const alarmed = new Set<string>();
  let raisedAt = events.length;
  for (const [at, event] of events.entries()) {
    if (event.type !== "alarms") continue;
    for (const member of corruptOf(event)) {
      alarmed.add(member);
      raisedAt = Math.min(raisedAt, at);
    }
  }
  const violations: Violation[] = [];
  for (const member of [...alarmed].sort(compareText)) {
    if (changed.has(member)) continue;
    const whose = member === "" ? "nobody in particular" : member;
    violations.push(wrong(`the corruption alarm was raised for ${whose}, whose data nobody had changed`, []));
  }
  for (const member of [...changed].sort(compareText)) {
    if (!alarmed.has(member))
      violations.push(wrong(`${member} stored something else and no alarm was raised for it`, []));
  }
  for (const op of history.ops) {
    const { source } = op.step;
    if (op.outcome !== "ok" || op.call < raisedAt || !(mayWrite(op.step) || source.op === "compact")) continue;
    violations.push(wrong(`call ${op.id} was accepted although the corruption alarm stood`, [op.id]));
    break;
  }
  const detail = `${changed.size} changed members were found, and no others accused`;
  return resultOf("corruption", violations, changed.size, detail);
}

const corruptOf = ({ alarms }: AlarmsEvent): readonly string[] =>
  alarms.flatMap(({ member, alarm }) => (alarm === "corrupt" ? [member] : []));

function changedMembers(events: readonly HistoryEvent[]): ReadonlySet<string> {
  const changed = new Set<string>();
  for (const event of events) {
    if (event.type !== "fault" || event.result !== "done") continue;
    if (event.fault === "flipValue") for (const member of event.members) changed.add(member);
  }
  return changed;
}

const wrong = (text: string, calls: readonly number[]): Violation => ({
  rule: "corruption-alarm",
  text,
  calls,
  watches: [],
});
