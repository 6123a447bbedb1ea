/*
 * Every compare of a transaction, nested ones too, looks at the state before it: what it writes itself changes nothing
 * about which branches are taken.
 */
import { expect } from "vitest";
import { bytes, TestMachine, texts } from "../../kit/member-kit.ts";
import { compareOf, putOf, rangeOf, txnOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  member.answer(putOf("a", "old"));
  const isOld = compareOf("a", "equal", { target: "value", value: bytes("old") });
  const nested = txnOf({ compares: [isOld], success: [putOf("b", "then")], failure: [putOf("b", "else")] });
  member.answer(txnOf({ success: [putOf("a", "new"), nested] }));
  expect(texts(member.range(rangeOf("a", "c")).keyValues)).toEqual(["a=new", "b=then"]);
}
