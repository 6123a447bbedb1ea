/*
 * A snapshot goes over a link that needs many election timeouts for it, to a follower whose voice the leader cannot lead
 * without: the third member is down. Heartbeats share that link, and the proof for reads goes with them: they have to come
 * through in time. (The leader itself is safe either way: chunks are its words too, and so are the answers to them.)
 */
import { expect } from "vitest";
import { TestCluster } from "../../kit/cluster.ts";
import { NarrowLinks } from "../../kit/narrow-links.ts";
import { accepted, putOf, rangeOf } from "../../kit/requests.ts";

const chunkBytes = 4_096;
const keys = 100;

export function witness(): void {
  const cluster = new TestCluster({
    size: 3,
    config: { snapshotEntries: 5, snapshotCatchUpEntries: 0, snapshotChunkBytes: chunkBytes },
  });
  const { electionTicks, tickMs } = cluster.config;
  const leader = cluster.elect();
  const [away, third] = cluster.followers;
  if (away === undefined || third === undefined) throw new Error("three members have two followers");
  away.isCutOff = true;
  for (let key = 0; key < keys; key++) accepted(cluster.call(leader, putOf(`${key}`, "v".repeat(chunkBytes))));
  cluster.stop(third);
  away.isCutOff = false;
  // The whole snapshot takes five election timeouts.
  cluster.links = new NarrowLinks({ bytesPerTick: Math.ceil((keys * chunkBytes) / (5 * electionTicks)) });
  const { term } = leader.running.raft;
  const isInstalled = (): boolean => away.events.some(({ type }) => type === "snapshotInstalled");
  // As it leaves together with the first chunks, the next heartbeat is the first that has to wait behind them.
  cluster.pass(2 * tickMs);
  const read = cluster.submit(leader, rangeOf("7"));
  cluster.pass((electionTicks / 2) * tickMs);
  expect(cluster.reply(leader, read)).toMatchObject({ ok: true });
  expect(isInstalled()).toBe(false);
  let ticks = 0;
  for (; !isInstalled() && ticks < 20 * electionTicks; ticks++) {
    cluster.pass(tickMs);
    expect([leader.running.raft.role, leader.running.raft.term]).toEqual(["leader", term]);
  }
  expect(isInstalled()).toBe(true);
  expect(ticks).toBeGreaterThan(3 * electionTicks);
  const request = cluster.submit(leader, putOf("after", "it"));
  cluster.pass(electionTicks * tickMs);
  expect(cluster.reply(leader, request)).toMatchObject({ ok: true });
}
