/*
 * A write whose client gave up may still commit. It answers nobody then, least of all who asked next.
 */
import { expect } from "vitest";
import { TestCluster } from "../../kit/cluster.ts";
import { accepted, deleteOf, putOf } from "../../kit/requests.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect();
  cluster.pass(1_000);
  for (const each of cluster.followers) each.isCutOff = true;
  const late = cluster.submit(leader, deleteOf("k"));
  cluster.giveUp(leader, late);
  const next = cluster.submit(leader, putOf("k", "v"));
  for (const each of cluster.followers) each.isCutOff = false;
  cluster.pass(1_000);
  expect(accepted(cluster.reply(leader, next)).type).toBe("put");
  expect(cluster.reply(leader, late)).toBeUndefined();
}
