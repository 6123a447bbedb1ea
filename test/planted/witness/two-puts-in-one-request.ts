/*
 * Puts of one request share a revision and have a place each inside it: all of them are there afterwards, and after the
 * next start.
 */
import { expect } from "vitest";
import { TestMachine, texts } from "../../kit/member-kit.ts";
import { putOf, rangeOf, txnOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  member.answer(txnOf({ success: [putOf("a", "1"), putOf("b", "2"), putOf("c", "3")] }));
  expect(texts(member.range(rangeOf("a", "\0")).keyValues)).toEqual(["a=1", "b=2", "c=3"]);
  member.backend.sync();
  member.crash(0);
  expect(texts(member.range(rangeOf("a", "\0")).keyValues)).toEqual(["a=1", "b=2", "c=3"]);
}
