/*
 * Members compared with each other: the same revision and the same compaction must have the same hash, and at the end
 * of a run all members stand at the same revision.
 */
import { type CheckContext, resultOf } from "./context.ts";
import { compareText } from "./operations.ts";
import type { CheckResult, Violation } from "./verdict.ts";

interface Sample {
  readonly who: string;
  readonly revision: number;
  readonly compactRevision: number;
  readonly hash: number;
  readonly calls: readonly number[];
}

export function checkReplicas(context: CheckContext): CheckResult {
  const samples: Sample[] = [];
  const finals = new Map<string, number>();
  let final = false;
  for (const event of context.events) {
    if (event.type === "phase" && event.phase === "final") final = true;
    if (event.type !== "replica") continue;
    const { revision, compactRevision, hash } = event;
    samples.push({ who: event.member, revision, compactRevision, hash, calls: [] });
    if (final) finals.set(event.member, revision);
  }
  for (const op of context.history.ops) {
    if (op.answer?.op !== "hashKv") continue;
    const { hashRevision: revision, compactRevision, hash } = op.answer;
    samples.push({ who: op.member, revision, compactRevision, hash, calls: [op.id] });
  }
  const violations: Violation[] = [];
  const first = new Map<string, Sample>();
  for (const sample of samples) {
    const state = `${sample.revision}/${sample.compactRevision}`;
    const other = first.get(state);
    if (other === undefined) first.set(state, sample);
    else if (other.hash !== sample.hash) {
      violations.push({
        rule: "replica-hash",
        text: `${other.who} and ${sample.who} differ at revision ${sample.revision} (compacted to ${sample.compactRevision}): hash ${other.hash} and ${sample.hash}`,
        calls: [...other.calls, ...sample.calls],
        watches: [],
      });
    }
  }
  const ends = [...finals].sort(([a], [b]) => compareText(a, b));
  const expected = Math.max(...ends.map(([, revision]) => revision));
  for (const [member, revision] of ends) {
    if (revision === expected) continue;
    violations.push({
      rule: "replica-behind",
      text: `${member} ended at revision ${revision}; expected ${expected}, which others reached`,
      calls: [],
      watches: [],
    });
  }
  return resultOf("replicas", violations, samples.length, `${samples.length} samples of members agree`);
}
