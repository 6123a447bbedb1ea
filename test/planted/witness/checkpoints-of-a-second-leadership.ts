/*
 * Whoever leads writes down how much long leases have left, the second time as the first.
 */
import { expect } from "vitest";
import { leaseIdOf } from "../../../core/ids.ts";
import { TestMachine } from "../../kit/member-kit.ts";

export function witness(): void {
  const member = new TestMachine({ leaseCheckpoints: true, leaseCheckpointMs: 10_000 });
  member.answer({ type: "leaseGrant", leaseId: leaseIdOf(7n), ttlSeconds: 600 });
  const { lessor } = member.machine;
  for (const startMs of [0, 100_000]) {
    lessor.promote(startMs, 0);
    expect(lessor.checkpointsDue(startMs + 10_000, 100), `from ${startMs} ms on`).toHaveLength(1);
    lessor.demote();
  }
}
