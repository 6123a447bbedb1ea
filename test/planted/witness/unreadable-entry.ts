/*
 * An entry that cannot be applied stops the member: passed over, it would be missing here and nowhere else.
 */
import { expect } from "vitest";
import { indexOf, termOf } from "../../../core/ids.ts";
import { TestMachine } from "../../kit/member-kit.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  member.answer(putOf("k", "1"));
  const data = new Uint8Array([0xff, 0xff, 0xff]);
  const entry = { index: indexOf(2), term: termOf(1), kind: "command" as const, data };
  expect(() => member.machine.apply(entry, 0)).toThrow();
}
