/*
 * A compare over a range holds when it holds for every key of it. Source: etcd v3 API, Compare.range_end.
 */
import { expect } from "vitest";
import { TestMachine } from "../../kit/member-kit.ts";
import { compareOf, putOf, txnOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  member.answer(putOf("a", "1"));
  member.answer(putOf("b", "1"));
  member.answer(putOf("b", "2"));
  const compares = [compareOf("a", "equal", { target: "version", number: 1 }, "z")];
  expect(member.answer(txnOf({ compares, success: [], failure: [] }))).toMatchObject({ succeeded: false });
}
