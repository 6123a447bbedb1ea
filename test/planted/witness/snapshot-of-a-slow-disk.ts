/*
 * A snapshot holds what its sender has applied and says so. The leader's disk is slow: entries are committed by the others
 * that it may not apply yet. What it sends now must not claim them.
 */
import { expect } from "vitest";
import { TestCluster } from "../../kit/cluster.ts";
import { accepted, putOf } from "../../kit/requests.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 5, config: { snapshotEntries: 5, snapshotCatchUpEntries: 0 } });
  const leader = cluster.elect();
  const [away] = cluster.followers;
  if (away === undefined) throw new Error("five members have four followers");
  away.isCutOff = true;
  for (let round = 0; round < 20; round++) accepted(cluster.call(leader, putOf("k", `${round}`)));
  leader.holdsWrites = true;
  const late = cluster.submit(leader, putOf("k", "late"));
  expect(leader.running.raft.commitIndex).toBeGreaterThan(leader.running.appliedIndex);
  away.isCutOff = false;
  cluster.pass(300);
  expect(away.events.some(({ type }) => type === "snapshotInstalled")).toBe(true);
  leader.holdsWrites = false;
  while (leader.writes.length > 0) cluster.finishWrite(leader);
  cluster.pass(300);
  expect(cluster.reply(leader, late)).toMatchObject({ ok: true });
  expect(away.running.hashKv(0)).toEqual(leader.running.hashKv(0));
}
