/*
 * A range holds its key and not its end, also where the bytes are the last there are: a prefix that ends in 0xff ends
 * before the next byte to its left, and one of nothing but 0xff has no end at all.
 */
import { expect } from "vitest";
import { textOfBytes } from "../../../core/bytes.ts";
import { bytes, TestMachine } from "../../kit/member-kit.ts";
import { deleteOf, putOf, rangeOf, txnOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  const keys = ["a", "a\xff", "a\xff\xff", "b", "\xff", "\xff\xff"];
  for (const key of keys) member.answer(putOf(key));
  const found = (key: string, end: string): string[] =>
    member.range(rangeOf(key, end)).keyValues.map((keyValue) => textOfBytes(keyValue.key));
  expect(found("a", "b")).toEqual(["a", "a\xff", "a\xff\xff"]);
  expect(found("a\xff", "b")).toEqual(["a\xff", "a\xff\xff"]);
  expect(found("\xff", "\0")).toEqual(["\xff", "\xff\xff"]);
  expect(found("b", "b")).toEqual([]);
  const operand = { target: "version", number: 1 } as const;
  const compares = [{ key: bytes("a"), rangeEnd: bytes("b"), result: "equal", operand }] as const;
  member.answer(putOf("b"));
  expect(member.answer(txnOf({ compares }))).toMatchObject({ succeeded: true });
  expect(member.answer(deleteOf("a\xff", "b"))).toMatchObject({ deleted: 2 });
}
