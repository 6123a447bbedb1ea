/*
 * A transaction says that it succeeded when it ran its first branch, whatever that branch made of what was compared.
 */
import { expect } from "vitest";
import { TestMachine } from "../../kit/member-kit.ts";
import { compareOf, putOf, txnOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  const isNew = compareOf("a", "equal", { target: "version", number: 0 });
  const create = txnOf({ compares: [isNew], success: [putOf("a", "1")], failure: [] });
  expect(member.answer(create)).toMatchObject({ succeeded: true, responses: [expect.anything()] });
  expect(member.answer(create)).toMatchObject({ succeeded: false, responses: [] });
}
