/*
 * A put without a lease takes its key off the lease it had: the end of that lease no longer deletes it.
 */
import { expect } from "vitest";
import { leaseIdOf } from "../../../core/ids.ts";
import { TestMachine, texts } from "../../kit/member-kit.ts";
import { putOf, rangeOf } from "../../kit/requests.ts";

export function witness(): void {
  const member = new TestMachine();
  const leaseId = leaseIdOf(7n);
  member.answer({ type: "leaseGrant", leaseId, ttlSeconds: 60 });
  member.answer(putOf("k", "leased", { lease: leaseId }));
  member.answer(putOf("k", "kept"));
  member.answer({ type: "leaseRevoke", leaseId });
  expect(texts(member.range(rangeOf("k")).keyValues)).toEqual(["k=kept"]);
}
