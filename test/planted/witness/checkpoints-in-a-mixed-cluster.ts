/*
 * A checkpoint counts at every member, also at one that would make none: when that one leads, it has to undo it before it
 * acknowledges a renewal. Otherwise a later leader, which kept the checkpoint, ends the renewed lease early.
 */
import { expect } from "vitest";
import { leaseIdOf } from "../../../core/ids.ts";
import { TestMachine } from "../../kit/member-kit.ts";

export function witness(): void {
  const member = new TestMachine({ leaseCheckpoints: false });
  const leaseId = leaseIdOf(7n);
  member.answer({ type: "leaseGrant", leaseId, ttlSeconds: 600 });
  member.do({ type: "leaseCheckpoint", checkpoints: [{ leaseId, remainingTtlSeconds: 20 }] });
  const { lessor } = member.machine;
  lessor.promote(0, 0);
  expect(lessor.mustResetBeforeRenewal(leaseId)).toBe(true);
  expect(lessor.timeToLive(leaseId, 0)?.ttlSeconds).toBe(20);
}
