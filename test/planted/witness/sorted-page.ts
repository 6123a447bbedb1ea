/*
 * The order comes before the limit: the first page of a sorted range is the first of all keys in that order.
 * Source: etcd v3 API, RangeRequest.
 */
import { expect } from "vitest";
import { TestMachine, texts } from "../../kit/member-kit.ts";
import { putOf, rangeOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  for (const key of ["c", "b", "a"]) member.answer(putOf(key, "1"));
  const page = member.range(rangeOf("a", "z", { sortOrder: "descend", sortTarget: "key", limit: 2 }));
  expect(texts(page.keyValues)).toEqual(["c=1", "b=1"]);
  const oldest = member.range(rangeOf("a", "z", { sortOrder: "ascend", sortTarget: "mod", limit: 1 }));
  expect(texts(oldest.keyValues)).toEqual(["c=1"]);
}
