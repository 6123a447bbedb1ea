/*
 * A compaction at revision r leaves the history from r on, the deletion at r itself included: a watch that starts at r
 * must see it. Source: etcd v3 API, compaction.
 */
import { expect } from "vitest";
import { revisionOf } from "../../../core/ids.ts";
import { TestMachine } from "../../kit/member-kit.ts";
import { deleteOf, putOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  member.answer(putOf("k", "1"));
  member.answer(deleteOf("k"));
  const deleted = member.machine.store.currentRevision;
  member.answer(putOf("other", "1"));
  member.answer({ type: "compact", revision: deleted, physical: false });
  member.settle();
  const { changes } = member.machine.store.changesFrom(revisionOf(deleted), 10);
  expect(changes.map(({ type }) => type)).toEqual(["delete", "put"]);
}
