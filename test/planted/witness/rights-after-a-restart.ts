/*
 * A member that starts again judges as it did before, and as members that did not stop: what one of them refuses and
 * another carries out makes them differ for ever.
 */
import { expect } from "vitest";
import { as, change, permission, usersAndRoles } from "../../kit/auth.ts";
import { TestMachine } from "../../kit/member-kit.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const [steady, restarted] = [new TestMachine(), new TestMachine()];
  for (const member of [steady, restarted]) {
    for (const each of usersAndRoles({ u: [permission("readWrite", "a", "c")] })) member.answer(change(each));
  }
  restarted.backend.sync();
  restarted.crash(0);
  const caller = as("u", steady.machine.auth.revision);
  for (const key of ["a", "b", "c"]) {
    expect(restarted.refusal(putOf(key), caller), key).toBe(steady.refusal(putOf(key), caller));
  }
  expect(restarted.machine.hashKv(0)).toEqual(steady.machine.hashKv(0));
}
