/*
 * A snapshot carries the term of its last entry. Five members: 4 and 5 are far behind when 1, 2 and 3 have committed and
 * compacted; then 2 and 3 die. The one that holds the log is elected by 4 and 5, in a newer term, and sends each a
 * snapshot that ends with an entry of the older one. Its appends must fit behind it.
 */
import { expect } from "vitest";
import { TestCluster } from "../../kit/cluster.ts";
import { accepted, putOf } from "../../kit/requests.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 5, config: { snapshotEntries: 5, snapshotCatchUpEntries: 0 } });
  const leader = cluster.elect();
  const [second, third, fourth, fifth] = cluster.followers;
  if (!second || !third || !fourth || !fifth) throw new Error("five members have four followers");
  for (const each of [fourth, fifth]) each.isCutOff = true;
  for (let round = 0; round < 30; round++) accepted(cluster.call(leader, putOf("k", `${round}`)));
  // A new life on the same disk: it does not lead until it is elected again.
  for (const each of [leader, second, third]) cluster.stop(each);
  for (const each of [fourth, fifth]) each.isCutOff = false;
  cluster.start(leader);
  cluster.pass(10_000);
  expect(leader.running.raft.role).toBe("leader");
  expect(fourth.events.some(({ type }) => type === "snapshotInstalled")).toBe(true);
  accepted(cluster.call(leader, putOf("k", "after")));
  expect(fifth.running.hashKv(0)).toEqual(leader.running.hashKv(0));
}
