/*
 * A waiter whose lease ends while it waits holds nothing when its turn comes, and is told so.
 */
import { expect } from "vitest";
import { leaseIdOf } from "../../../core/ids.ts";
import { TestCluster } from "../../kit/cluster.ts";
import { LockService } from "../../kit/lock-service.ts";

export async function witness(): Promise<void> {
  const cluster = new TestCluster({ size: 1 });
  const member = cluster.elect();
  cluster.pass(1_000);
  for (const leaseId of [1n, 2n].map(leaseIdOf)) cluster.call(member, { type: "leaseGrant", leaseId, ttlSeconds: 60 });
  const service = new LockService(cluster);
  const first = service.lock(member, "one", 1n);
  await service.pass(1_000);
  expect(first.outcome).toBe("one/1");
  const second = service.lock(member, "one", 2n);
  await service.pass(1_000);
  for (const leaseId of [2n, 1n].map(leaseIdOf)) cluster.call(member, { type: "leaseRevoke", leaseId });
  await service.pass(2_000);
  expect(second.outcome).toBe("mutex: session is expired");
}
