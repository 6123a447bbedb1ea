/*
 * A leader that hears nobody renews no lease, and does not tell how long one has left: the others may have let it end.
 */
import { expect } from "vitest";
import { leaseIdOf } from "../../../core/ids.ts";
import { TestCluster } from "../../kit/cluster.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect();
  cluster.pass(1_000);
  const leaseId = leaseIdOf(7n);
  expect(cluster.call(leader, { type: "leaseGrant", leaseId, ttlSeconds: 60 }).ok).toBe(true);
  const { id, stream } = cluster.openStream(leader, "leaseKeepAlive");
  cluster.send(leader, id, { type: "leaseKeepAlive", leaseId });
  expect(stream.replies).toHaveLength(1);
  leader.isCutOff = true;
  cluster.send(leader, id, { type: "leaseKeepAlive", leaseId });
  const asked = cluster.submit(leader, { type: "leaseTimeToLive", leaseId, keys: false });
  expect(stream.replies).toHaveLength(1);
  expect(cluster.reply(leader, asked)).toBeUndefined();
}
