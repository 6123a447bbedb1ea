/*
 * Reads are numbered anew in each life of a member. The leader's word on a read of an earlier life, late as it comes,
 * proves nothing of the read that has the number now: what was written in between would be missing.
 */
import { expect } from "vitest";
import { indexOf } from "../../../core/ids.ts";
import { TestCluster } from "../../kit/cluster.ts";
import { pairs, putOf, rangeOf } from "../../kit/requests.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect();
  cluster.pass(1_000);
  cluster.call(leader, putOf("k", "old"));
  cluster.pass(200);
  const [follower] = cluster.followers;
  if (follower === undefined) throw new Error("three members have two followers");
  cluster.stop(follower);
  cluster.start(follower);
  cluster.pass(200);
  const { raft } = follower.running;
  expect(raft.leaderId).toBe(leader.running.raft.id);
  follower.isCutOff = true;
  cluster.call(leader, putOf("k", "new"));
  const read = cluster.submit(follower, rangeOf("k"));
  for (let readContext = 1; readContext < 20; readContext++) {
    cluster.receive(follower, {
      type: "readIndexReply",
      from: leader.running.raft.id,
      to: raft.id,
      term: raft.term,
      readContext,
      incarnation: follower.life - 1,
      readIndex: indexOf(raft.commitIndex),
    });
  }
  expect(cluster.reply(follower, read)).toBeUndefined();
  follower.isCutOff = false;
  cluster.pass(1_000);
  expect(pairs(cluster.reply(follower, read))).toEqual(["k=new"]);
}
