/*
 * A key that is created again begins a new life: its creation is that of the new life, and its version 1. Locks and
 * elections stand on that. Source: etcd data model, generations.
 */
import { expect } from "vitest";
import { TestMachine } from "../../kit/member-kit.ts";
import { deleteOf, putOf, rangeOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  member.answer(putOf("k", "1"));
  member.answer(deleteOf("k"));
  member.answer(putOf("k", "2"));
  const [found] = member.range(rangeOf("k")).keyValues;
  expect(found).toMatchObject({ createRevision: member.revision, modRevision: member.revision, version: 1 });
}
