/*
 * Whether a write fits is judged before it is proposed. Its entry is applied by every member, however large the file of
 * one of them has grown: sizes differ, by what was there before and by how far compactions got.
 */
import { expect } from "vitest";
import { bytes, TestMachine } from "../../kit/member-kit.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const config = { quotaBytes: 100_000 };
  const [small, large] = [new TestMachine(config), new TestMachine(config)];
  large.backend.put("meta", bytes("grown"), new Uint8Array(200_000));
  for (const member of [small, large]) expect(member.refusal(putOf("k", "v"))).toBeUndefined();
  expect(large.machine.hashKv(0)).toEqual(small.machine.hashKv(0));
}
