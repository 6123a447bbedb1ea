/*
 * Whoever waits for a lock waits for everyone who came before, at whichever member that one came.
 */
import { expect } from "vitest";
import { leaseIdOf } from "../../../core/ids.ts";
import { TestCluster } from "../../kit/cluster.ts";
import { LockService } from "../../kit/lock-service.ts";

export async function witness(): Promise<void> {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect();
  cluster.pass(1_000);
  const [there, here] = cluster.followers;
  if (there === undefined || here === undefined) throw new Error("three members have two followers");
  for (const leaseId of [1n, 2n].map(leaseIdOf)) cluster.call(leader, { type: "leaseGrant", leaseId, ttlSeconds: 60 });
  const service = new LockService(cluster);
  const first = service.lock(there, "one", 1n);
  await service.pass(1_000);
  expect(first.outcome).toBe("one/1");
  const second = service.lock(here, "one", 2n);
  await service.pass(2_000);
  expect(second.outcome).toBeUndefined();
  cluster.call(leader, { type: "leaseRevoke", leaseId: leaseIdOf(1n) });
  await service.pass(2_000);
  expect(second.outcome).toBe("one/2");
}
