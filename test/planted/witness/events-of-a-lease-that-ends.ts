/*
 * A lease whose time is over takes its keys along, and watches hear of it as of any deletion.
 */
import { expect } from "vitest";
import { memberItself } from "../../../core/auth/identity.ts";
import { textOfBytes } from "../../../core/bytes.ts";
import { leaseIdOf } from "../../../core/ids.ts";
import { TestMachine } from "../../kit/member-kit.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  const leaseId = leaseIdOf(7n);
  member.answer({ type: "leaseGrant", leaseId, ttlSeconds: 60 });
  for (const key of ["a", "b"]) member.answer(putOf(key, "", { lease: leaseId }));
  const { changes } = member.do({ type: "leaseRevoke", leaseId }, 0, memberItself);
  expect(changes.map(({ type, keyValue }) => `${type} ${textOfBytes(keyValue.key)}`)).toEqual(["delete a", "delete b"]);
}
