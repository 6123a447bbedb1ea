/*
 * A transaction that writes nothing leaves the revision as it was: a revision is one change of the key space.
 * Source: etcd data model, revisions.
 */
import { expect } from "vitest";
import { TestMachine } from "../../kit/member-kit.ts";
import { compareOf, putOf, rangeOf, txnOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  member.answer(putOf("k", "1"));
  const before = member.revision;
  const compares = [compareOf("k", "equal", { target: "version", number: 7 })];
  const outcome = member.do(txnOf({ compares, success: [putOf("k", "2")], failure: [rangeOf("k")] }));
  expect(outcome.result).toMatchObject({ ok: true, revision: before, answer: { succeeded: false } });
  expect(member.revision).toBe(before);
}
