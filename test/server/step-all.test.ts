/*
 * Inputs that are stepped together: what they make leaves together, and nobody can tell by the answers.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { leaseIdOf, noIndex, termOf } from "../../core/ids.ts";
import type { Reply, Request } from "../../core/request.ts";
import { isReadOnlyTxn } from "../../core/server/reads.ts";
import { TestCluster } from "../kit/cluster.ts";
import { deleteRanges, puts, ranges, txns } from "../kit/request-arbitraries.ts";
import { accepted, putOf, rangeOf } from "../kit/requests.ts";

function elected(size: number): TestCluster {
  const cluster = new TestCluster({ size });
  cluster.elect();
  cluster.pass(500);
  return cluster;
}

test("requests that come together are one write of the log and one append to each follower", () => {
  const cluster = elected(3);
  const { leader } = cluster;
  const [follower] = cluster.followers;
  const count = (each: typeof leader, type: "writeLog" | "append" | "appendAccepted"): number =>
    each.left.get(type) ?? 0;
  const writes = count(leader, "writeLog");
  const appends = count(leader, "append");
  const accepted = count(follower ?? leader, "appendAccepted");
  const ids = cluster.submitAll(
    leader,
    Array.from({ length: 50 }, (_none, number) => putOf(`k${number}`, "v")),
  );
  expect(ids.map((id) => cluster.reply(leader, id)?.ok)).toEqual(ids.map(() => true));
  expect(count(leader, "writeLog") - writes).toBe(1);
  // The entries, and then that they are committed.
  expect(count(leader, "append") - appends).toBeLessThanOrEqual(2 * 2);
  expect(count(follower ?? leader, "appendAccepted") - accepted).toBeLessThanOrEqual(2);
});

test("writes that come together at a follower go to the leader in one message, large ones in more", () => {
  const cluster = elected(3);
  const [follower] = cluster.followers;
  if (follower === undefined) throw new Error("no follower");
  const sent = (): number => follower.left.get("propose") ?? 0;
  for (const [bytes, messages] of [
    [1, 1],
    [10_000, 4],
    [70_000, 20],
  ] as const) {
    const before = sent();
    const ids = cluster.submitAll(
      follower,
      Array.from({ length: 20 }, (_none, number) => putOf(`k${number}`, "v".repeat(bytes))),
    );
    expect(ids.map((id) => cluster.reply(follower, id)?.ok)).toEqual(ids.map(() => true));
    expect(sent() - before).toBe(messages);
  }
});

test("nothing is answered before the one write is durable, and then all of it", () => {
  const cluster = elected(1);
  const { leader } = cluster;
  leader.holdsWrites = true;
  const ids = cluster.submitAll(leader, [putOf("a", "1"), putOf("b", "2"), rangeOf("a", "c"), putOf("a", "3")]);
  expect(ids.map((id) => cluster.reply(leader, id)?.ok)).toEqual([undefined, undefined, true, undefined]);
  expect(leader.writes).toHaveLength(1);
  cluster.finishWrite(leader);
  expect(ids.map((id) => cluster.reply(leader, id))).toMatchObject(
    [2, 3, 1, 4].map((revision) => ({ ok: true, header: { revision } })),
  );
});

test("a leader that hears of its successor does not renew a lease that it is asked for in the same step", () => {
  const cluster = elected(3);
  const { leader } = cluster;
  const leaseId = leaseIdOf(7n);
  accepted(cluster.call(leader, { type: "leaseGrant", leaseId, ttlSeconds: 60 }));
  const [to, from] = [leader, ...cluster.followers].map(({ running }) => running.identity.memberId);
  if (to === undefined || from === undefined) throw new Error("no follower");
  const term = termOf(leader.running.raft.term + 1);
  const { nowMs } = cluster;
  const word = { from, to, term, commitIndex: noIndex, toIncarnation: leader.life, readRound: 0, held: undefined };
  const outputs = leader.running.stepAll([
    { type: "peerMessage", nowMs, message: { type: "heartbeat", ...word } },
    { type: "peerMessage", nowMs, message: { type: "leaseRenew", from, to, callId: 1, incarnation: 1, leaseId } },
  ]);
  expect(leader.running.raft.role).toBe("follower");
  const sent = outputs.flatMap((output) => (output.type === "sendMessage" ? [output.message] : []));
  expect(sent.filter(({ type }) => type === "leaseRenewReply")).toMatchObject([{ ttlSeconds: undefined }]);
});

test("any split of requests into steps gives the same answers to writes and one state on every member", () => {
  const requests = fc.array(fc.oneof(puts, deleteRanges, txns(1), ranges), { minLength: 1, maxLength: 30 });
  const isRead = (request: Request): boolean =>
    request.type === "range" || (request.type === "txn" && isReadOnlyTxn(request));
  const run = (
    all: readonly Request[],
    sizes: readonly number[],
  ): { replies: (Reply | undefined)[]; hash: unknown } => {
    const cluster = elected(3);
    cluster.gathersMessages = sizes.some((size) => size > 1);
    const at = cluster.followers[0] ?? cluster.leader;
    const ids = [];
    for (let from = 0, turn = 0; from < all.length; turn++) {
      const size = sizes[turn % sizes.length] ?? 1;
      ids.push(...cluster.submitAll(at, all.slice(from, from + size)));
      from += size;
    }
    cluster.pass(1_000);
    const hashes = cluster.members.map((each) => each.running.hashKv(0));
    expect(hashes).toEqual(hashes.map(() => hashes[0]));
    // A read may come before or after writes that came with it.
    const replies = ids.map((id, position) => (isRead(all[position] as Request) ? undefined : cluster.reply(at, id)));
    return { replies, hash: hashes[0] };
  };
  fc.assert(
    fc.property(requests, fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 }), (all, sizes) => {
      expect(run(all, sizes)).toEqual(run(all, [1]));
    }),
    { numRuns: 40 },
  );
});
