/*
 * A range at an old revision shows the keys there were then, also those that are gone now. Source: etcd data model.
 */
import { expect } from "vitest";
import { TestMachine, texts } from "../../kit/member-kit.ts";
import { deleteOf, putOf, rangeOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  member.answer(putOf("a", "1"));
  member.answer(putOf("b", "1"));
  const then = member.revision;
  member.answer(deleteOf("a"));
  member.answer(putOf("c", "1"));
  expect(texts(member.range(rangeOf("a", "z", { revision: then })).keyValues)).toEqual(["a=1", "b=1"]);
  expect(texts(member.range(rangeOf("a", "z")).keyValues)).toEqual(["b=1", "c=1"]);
}
