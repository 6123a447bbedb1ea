/*
 * A write that was lost on its way is never answered by somebody else's, though that one has the same number at the
 * member that proposed it, or stands at the index where the lost one would have been.
 */
import { expect } from "vitest";
import { TestCluster } from "../../kit/cluster.ts";
import { accepted, putOf } from "../../kit/requests.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect();
  const [follower] = cluster.followers;
  if (follower === undefined) throw new Error("three members have two followers");
  cluster.pass(1_000);
  follower.isCutOff = true;
  const lost = cluster.submit(follower, putOf("k", "lost"));
  follower.isCutOff = false;
  for (let round = 0; round < 20; round++) accepted(cluster.call(leader, putOf("k", `${round}`)));
  expect(follower.running.appliedIndex).toBeGreaterThan(20);
  expect(cluster.reply(follower, lost)).toBeUndefined();
}
