/*
 * A put needs the right to all it shows and all it may end: the old value it asks for, and the other keys of the lease it
 * is put on.
 */
import { expect } from "vitest";
import { leaseIdOf } from "../../../core/ids.ts";
import { as, change, permission, usersAndRoles } from "../../kit/auth.ts";
import { TestMachine } from "../../kit/member-kit.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  const leaseId = leaseIdOf(7n);
  member.answer({ type: "leaseGrant", leaseId, ttlSeconds: 60 });
  member.answer(putOf("owned", "", { lease: leaseId }));
  const users = { writer: [permission("write", "k")], owner: [permission("readWrite", "k", "p")] };
  for (const each of usersAndRoles(users)) member.answer(change(each));
  const [writer, owner] = ["writer", "owner"].map((name) => as(name, member.machine.auth.revision));
  expect(member.refusal(putOf("k"), writer)).toBeUndefined();
  expect(member.refusal(putOf("k", "", { prevKv: true }), writer)).toBe("permissionDenied");
  expect(member.refusal(putOf("k", "", { lease: leaseId }), writer)).toBe("permissionDenied");
  expect(member.refusal(putOf("k", "", { prevKv: true }), owner)).toBeUndefined();
  expect(member.refusal(putOf("k", "", { lease: leaseId }), owner)).toBeUndefined();
}
