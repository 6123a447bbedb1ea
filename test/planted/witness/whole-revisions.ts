/*
 * History is read whole revisions at a time: a batch that is full in the middle of a transaction still takes the rest of
 * it, or a watch that catches up would miss what was left. Source: etcd v3 API, Watch.
 */
import { expect } from "vitest";
import { revisionOf } from "../../../core/ids.ts";
import { TestMachine } from "../../kit/member-kit.ts";
import { putOf, txnOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  const first = member.revision + 1;
  member.answer(txnOf({ success: ["a", "b", "c"].map((key) => putOf(key, "1")) }));
  member.answer(txnOf({ success: ["d", "e"].map((key) => putOf(key, "1")) }));
  const { changes, next } = member.machine.store.changesFrom(revisionOf(first), 1);
  expect({ changes: changes.length, next }).toEqual({ changes: 3, next: first + 1 });
  expect(member.machine.store.changesFrom(next, 2).changes.length).toBe(2);
}
