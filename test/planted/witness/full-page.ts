/*
 * A page that is exactly full says whether there is more. Source: etcd v3 API, RangeResponse.more.
 */
import { expect } from "vitest";
import { TestMachine, texts } from "../../kit/member-kit.ts";
import { putOf, rangeOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  for (const key of ["a", "b", "c"]) member.answer(putOf(key, "1"));
  const page = member.range(rangeOf("a", "z", { limit: 2 }));
  expect(texts(page.keyValues)).toEqual(["a=1", "b=1"]);
  expect({ more: page.more, count: page.count }).toEqual({ more: true, count: 3 });
  expect(member.range(rangeOf("a", "z", { limit: 3 })).more).toBe(false);
}
