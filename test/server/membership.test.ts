import { describe, expect, test } from "vitest";
import { type MemberId, memberIdOf } from "../../core/ids.ts";
import type { MemberAddRequest, MemberRecord, Request } from "../../core/request.ts";
import { TestCluster, type TestMember } from "../kit/cluster.ts";
import { accepted, pairs, putOf, rangeOf } from "../kit/requests.ts";

const id = (position: number): MemberId => memberIdOf(BigInt(position));
const url = (position: number): string => `http://127.0.0.1:${10_000 + position - 1}`;
const add = (position: number, isLearner = false): MemberAddRequest => ({
  type: "memberAdd",
  memberId: id(position),
  peerUrls: [url(position)],
  isLearner,
});
const remove = (position: number): Request => ({ type: "memberRemove", memberId: id(position) });
const promote = (position: number): Request => ({ type: "memberPromote", memberId: id(position) });
const list: Request = { type: "memberList", linearizable: true };

/** Elected, and connected for long enough that changes are not refused for that. */
function steadyCluster(size: number, options: Omit<ConstructorParameters<typeof TestCluster>[0], "size"> = {}) {
  const cluster = new TestCluster({ size, ...options });
  cluster.elect();
  cluster.connect();
  return cluster;
}

function membersAt(cluster: TestCluster, each: TestMember): readonly MemberRecord[] {
  const answer = accepted(cluster.call(each, list));
  if (answer.type !== "memberList") throw new Error("wrong answer");
  return answer.members;
}

const configurations = (cluster: TestCluster) =>
  cluster.members.filter((each) => each.member !== undefined).map((each) => each.running.raft.configuration);

function follower(cluster: TestCluster): TestMember {
  const found = cluster.followers.find((each) => each.member !== undefined);
  if (found === undefined) throw new Error("no follower");
  return found;
}

describe("adding", () => {
  test("a voter counts at once, is unstarted until it publishes itself, and ends in the state of the others", () => {
    const cluster = steadyCluster(3);
    for (let round = 0; round < 20; round++) accepted(cluster.call(cluster.leader, putOf(`k${round}`, "v")));
    const reply = cluster.call(cluster.leader, add(4));
    expect(reply).toMatchObject({
      ok: true,
      header: { revision: 0 },
      answer: { member: { memberId: id(4), name: "", peerUrls: [url(4)], isLearner: false } },
    });
    expect(accepted(reply)).toMatchObject({ members: [{ name: "m1" }, { name: "m2" }, { name: "m3" }, { name: "" }] });
    expect(cluster.leader.running.raft.configuration.voters).toEqual([1n, 2n, 3n, 4n]);
    const joined = cluster.join();
    cluster.pass(2_000);
    expect(membersAt(cluster, joined).map((member) => member.name)).toEqual(["m1", "m2", "m3", "m4"]);
    expect(joined.events.some((event) => event.type === "published")).toBe(true);
    expect(joined.running.hashKv(0)).toEqual(cluster.leader.running.hashKv(0));
    expect(new Set(configurations(cluster).map((each) => each.voters.length))).toEqual(new Set([4]));
  });

  test("a member that joins after the log was compacted learns the members from the snapshot", () => {
    const cluster = steadyCluster(3, { config: { snapshotEntries: 10, snapshotCatchUpEntries: 0 } });
    for (let round = 0; round < 30; round++) accepted(cluster.call(cluster.leader, putOf(`k${round}`, "v")));
    accepted(cluster.call(cluster.leader, add(4)));
    for (let round = 0; round < 30; round++) accepted(cluster.call(cluster.leader, putOf(`k${round}`, "w")));
    const joined = cluster.join();
    cluster.pass(3_000);
    expect(joined.events.some((event) => event.type === "snapshotInstalled")).toBe(true);
    expect(membersAt(cluster, joined)).toHaveLength(4);
    expect(joined.running.raft.configuration.voters).toEqual([1n, 2n, 3n, 4n]);
  });

  test("a cluster of one grows to three, one member after the other", () => {
    const cluster = steadyCluster(1);
    accepted(cluster.call(cluster.member(1), putOf("k", "1")));
    accepted(cluster.call(cluster.member(1), add(2)));
    // One of two is no majority: nothing is decided until the second is there.
    const early = cluster.submit(cluster.member(1), putOf("k", "2"));
    expect(cluster.reply(cluster.member(1), early)).toBeUndefined();
    cluster.join();
    cluster.pass(4_000);
    expect(cluster.reply(cluster.member(1), early)).toMatchObject({ ok: true });
    cluster.connect();
    accepted(cluster.call(cluster.leader, add(3)));
    cluster.join();
    cluster.pass(2_000);
    for (const each of cluster.members) expect(pairs(cluster.call(each, rangeOf("k")))).toEqual(["k=2"]);
  });

  test("two changes at once: the second takes effect after the first, and both are answered", () => {
    const cluster = steadyCluster(3, { config: { strictReconfig: false } });
    const at = follower(cluster);
    const replies = [add(4), add(5)].map((request) => cluster.submit(at, request));
    expect(replies.map((requestId) => cluster.reply(at, requestId)?.ok)).toEqual([true, true]);
    expect(cluster.leader.running.raft.configuration.voters).toEqual([1n, 2n, 3n, 4n, 5n]);
  });

  test.each<[string, Request, string]>([
    ["a known id", { ...add(2), peerUrls: ["http://new:1"] }, "memberExists"],
    ["an address in use", { ...add(9), peerUrls: ["http://new:1", url(2)] }, "peerUrlExists"],
    ["no address", { ...add(9), peerUrls: [] }, "memberBadUrls"],
    ["an address without a port", { ...add(9), peerUrls: ["http://host"] }, "memberBadUrls"],
    ["an address with a path", { ...add(9), peerUrls: ["http://host:1/a"] }, "memberBadUrls"],
    ["an address of another scheme", { ...add(9), peerUrls: ["ftp://host:1"] }, "memberBadUrls"],
  ])("%s is refused", (_, request, refusal) => {
    const cluster = steadyCluster(3);
    expect(cluster.call(cluster.leader, request)).toEqual({ ok: false, refusal });
    expect(membersAt(cluster, cluster.leader)).toHaveLength(3);
  });

  test("several addresses are kept in order, whatever order they are given in", () => {
    const cluster = steadyCluster(3);
    const reply = cluster.call(cluster.leader, { ...add(9), peerUrls: ["http://b:1", "http://a:2", "http://a:10"] });
    expect(accepted(reply)).toMatchObject({ member: { peerUrls: ["http://a:10", "http://a:2", "http://b:1"] } });
  });

  test("a second learner is refused, on every member alike, as the bound travels with the request", () => {
    const cluster = steadyCluster(3);
    accepted(cluster.call(cluster.leader, add(4, true)));
    expect(cluster.call(cluster.leader, add(5, true))).toEqual({ ok: false, refusal: "tooManyLearners" });
    cluster.pass(200);
    expect(configurations(cluster)).toEqual(Array(3).fill({ voters: [1n, 2n, 3n], outgoing: [], learners: [4n] }));
  });
});

describe("the strict checks", () => {
  test("a voter is not added while too few are started or connected for a while", () => {
    const cluster = new TestCluster({ size: 3 });
    cluster.elect();
    expect(cluster.call(cluster.leader, add(4))).toEqual({ ok: false, refusal: "notEnoughStarted" });
    cluster.pass(1_500);
    expect(cluster.call(cluster.leader, add(4))).toEqual({ ok: false, refusal: "unhealthy" });
    expect(cluster.call(cluster.leader, add(4, true))).toEqual({ ok: false, refusal: "unhealthy" });
    cluster.connect();
    accepted(cluster.call(cluster.leader, add(4)));
  });

  test("with one of three down nobody is added, and the dead one may go", () => {
    const cluster = steadyCluster(3);
    const dead = follower(cluster);
    cluster.stop(dead);
    cluster.connect();
    const deadPosition = cluster.members.indexOf(dead) + 1;
    expect(cluster.call(cluster.leader, add(4))).toEqual({ ok: false, refusal: "unhealthy" });
    accepted(cluster.call(cluster.leader, remove(deadPosition)));
    accepted(cluster.call(cluster.leader, add(4)));
    cluster.join();
    cluster.pass(2_000);
    accepted(cluster.call(cluster.leader, putOf("k", "v")));
    expect(membersAt(cluster, cluster.leader).map((member) => member.memberId)).not.toContain(id(deadPosition));
  });

  test("a connected voter is not removed when those that stay would not be a safe majority", () => {
    const cluster = steadyCluster(3);
    const [dead, alive] = cluster.followers;
    if (dead === undefined || alive === undefined) throw new Error("no followers");
    cluster.stop(dead);
    cluster.connect();
    const reply = cluster.call(cluster.leader, remove(cluster.members.indexOf(alive) + 1));
    expect(reply).toEqual({ ok: false, refusal: "unhealthy" });
  });

  test("a voter that never started counts as not started, and the last voter stays", () => {
    const cluster = steadyCluster(1);
    expect(cluster.call(cluster.leader, remove(1))).toEqual({ ok: false, refusal: "notEnoughStarted" });
    accepted(cluster.call(cluster.leader, add(2)));
    const second = cluster.submit(cluster.leader, add(3));
    expect(cluster.reply(cluster.member(1), second)).toEqual({ ok: false, refusal: "notEnoughStarted" });
  });

  test("without them a change is judged by the member list alone", () => {
    const cluster = new TestCluster({ size: 3, config: { strictReconfig: false } });
    cluster.elect();
    accepted(cluster.call(cluster.leader, add(4)));
  });
});

describe("removing", () => {
  test("a removed follower ends for ever, also when its process starts again", () => {
    const cluster = steadyCluster(3);
    const gone = follower(cluster);
    const position = cluster.members.indexOf(gone) + 1;
    accepted(cluster.call(cluster.leader, remove(position)));
    cluster.pass(2_000);
    expect(gone.removedBecause).toBe("the member has been permanently removed from the cluster");
    gone.removedBecause = undefined;
    cluster.start(gone);
    expect(gone.removedBecause).toBe("the member has been permanently removed from the cluster");
    expect(cluster.call(cluster.leader, remove(position))).toEqual({ ok: false, refusal: "memberNotFound" });
    expect(cluster.call(cluster.leader, add(position))).toEqual({ ok: false, refusal: "memberNotFound" });
  });

  test("one that was cut off while it was removed is told when it asks for votes", () => {
    const cluster = steadyCluster(3);
    const gone = follower(cluster);
    gone.isCutOff = true;
    cluster.pass(1_000);
    accepted(cluster.call(cluster.leader, remove(cluster.members.indexOf(gone) + 1)));
    accepted(cluster.call(cluster.leader, putOf("k", "v")));
    const { term } = cluster.leader.running.raft;
    gone.isCutOff = false;
    cluster.pass(6_000);
    expect(gone.removedBecause).toBeDefined();
    expect(cluster.leader.running.raft.term).toBe(term);
  });

  test("the leader removes itself, answers, and the others go on without waiting for an election timeout", () => {
    const cluster = steadyCluster(3);
    const old = cluster.leader;
    accepted(cluster.call(old, remove(cluster.members.indexOf(old) + 1)));
    const fresh = cluster.leader;
    expect(fresh).not.toBe(old);
    accepted(cluster.call(fresh, putOf("k", "v")));
    cluster.pass(2_000);
    expect(old.removedBecause).toBeDefined();
    expect(configurations(cluster).map((each) => each.voters)).toEqual(
      [fresh, follower(cluster)].map(() => fresh.running.raft.configuration.voters),
    );
  });

  test("a cluster shrinks to one member, which goes on alone", () => {
    const cluster = steadyCluster(3);
    for (let left = 3; left > 1; left--) {
      cluster.connect();
      accepted(cluster.call(cluster.leader, remove(cluster.members.indexOf(follower(cluster)) + 1)));
      cluster.pass(1_500);
    }
    accepted(cluster.call(cluster.leader, putOf("k", "v")));
    expect(membersAt(cluster, cluster.leader)).toHaveLength(1);
  });
});

describe("learners", () => {
  test("one that is in sync is promoted, at any member; one that is not, or is no learner, is refused", () => {
    const cluster = steadyCluster(3);
    accepted(cluster.call(cluster.leader, add(4, true)));
    accepted(cluster.call(cluster.leader, putOf("k", "v")));
    const at = follower(cluster);
    for (const each of [cluster.leader, at]) {
      expect(cluster.call(each, promote(4))).toEqual({ ok: false, refusal: "learnerNotReady" });
      expect(cluster.call(each, promote(9))).toEqual({ ok: false, refusal: "memberNotFound" });
      expect(cluster.call(each, promote(2))).toEqual({ ok: false, refusal: "memberNotLearner" });
    }
    const learner = cluster.join();
    cluster.pass(2_000);
    expect(cluster.call(learner, putOf("k", "v"))).toEqual({ ok: false, refusal: "notSupportedForLearner" });
    expect(accepted(cluster.call(at, promote(4)))).toMatchObject({
      type: "memberPromote",
      members: [{}, {}, {}, { memberId: id(4), name: "m4", isLearner: false }],
    });
    cluster.pass(200);
    accepted(cluster.call(learner, putOf("k", "w")));
    expect(new Set(configurations(cluster).map((each) => each.voters.length))).toEqual(new Set([4]));
  });

  test.each([
    { missing: 10, isPromoted: true },
    { missing: 11, isPromoted: false },
  ])("of a short log $missing entries may be on their way: $isPromoted", ({ missing, isPromoted }) => {
    const cluster = steadyCluster(3);
    accepted(cluster.call(cluster.leader, add(4, true)));
    const learner = cluster.join();
    cluster.pass(2_000);
    learner.isCutOff = true;
    for (let entry = 0; entry < missing; entry++) accepted(cluster.call(cluster.leader, putOf("k", "v")));
    const reply = cluster.call(cluster.leader, promote(4));
    if (isPromoted) accepted(reply);
    else expect(reply).toEqual({ ok: false, refusal: "learnerNotReady" });
  });
});

describe("a promotion that could cost the majority", () => {
  test("of a learner that is gone is refused, though its log is short of little", () => {
    const cluster = steadyCluster(1);
    accepted(cluster.call(cluster.leader, add(2, true)));
    const learner = cluster.join();
    cluster.tellLinks();
    cluster.pass(2_000);
    cluster.stop(learner);
    cluster.tellLinks();
    for (let entry = 0; entry < 9; entry++) accepted(cluster.call(cluster.leader, putOf("k", "v")));
    expect(cluster.call(cluster.leader, promote(2))).toEqual({ ok: false, refusal: "learnerNotReady" });
    accepted(cluster.call(cluster.leader, putOf("k", "w")));
  });

  test.each([promote(4), { type: "memberReconfigure", promote: [id(4)], add: [], remove: [], demote: [] } as Request])(
    "does not wait for the next leader, who would not check it: $type",
    (change) => {
      const cluster = steadyCluster(3);
      accepted(cluster.call(cluster.leader, add(4, true)));
      const old = cluster.leader;
      const [asked] = cluster.followers.filter((each) => each.member !== undefined);
      if (asked === undefined) throw new Error("no follower");
      cluster.stop(old);
      cluster.tellLinks();
      expect(cluster.call(asked, change)).toEqual({ ok: false, refusal: "noLeader" });
      cluster.pass(4_000);
      accepted(cluster.call(cluster.leader, putOf("k", "v")));
      expect(cluster.call(cluster.leader, change)).toEqual({ ok: false, refusal: "learnerNotReady" });
    },
  );
});

describe("updating", () => {
  test("replaces the addresses and nothing else", () => {
    const cluster = steadyCluster(3);
    const update = (position: number, peerUrls: string[]): Request => ({
      type: "memberUpdate",
      memberId: id(position),
      peerUrls,
    });
    expect(accepted(cluster.call(cluster.leader, update(2, ["http://new:1"])))).toMatchObject({
      type: "memberUpdate",
      members: [{}, { memberId: id(2), name: "m2", peerUrls: ["http://new:1"] }, {}],
    });
    expect(cluster.call(cluster.leader, update(2, [url(3)]))).toEqual({ ok: false, refusal: "peerUrlExists" });
    expect(cluster.call(cluster.leader, update(9, ["http://x:1"]))).toEqual({ ok: false, refusal: "memberNotFound" });
  });
});

describe("handing over", () => {
  const moveTo = (position: number): Request => ({ type: "moveLeader", targetId: id(position) });

  test("is answered once the other one leads; only the leader can, and only to a voter", () => {
    const cluster = steadyCluster(3);
    const old = cluster.leader;
    const target = follower(cluster);
    const position = cluster.members.indexOf(target) + 1;
    expect(cluster.call(target, moveTo(position))).toEqual({ ok: false, refusal: "notLeader" });
    expect(cluster.call(old, moveTo(9))).toEqual({ ok: false, refusal: "badLeaderTransferee" });
    expect(accepted(cluster.call(old, moveTo(position)))).toEqual({ type: "moveLeader" });
    expect(cluster.leader).toBe(target);
    expect(accepted(cluster.call(target, moveTo(position)))).toEqual({ type: "moveLeader" });
  });

  test("ends as a timeout when the other one does not come, and writes held back meanwhile succeed", () => {
    const cluster = steadyCluster(3);
    const old = cluster.leader;
    const target = follower(cluster);
    target.isCutOff = true;
    const move = cluster.submit(old, moveTo(cluster.members.indexOf(target) + 1));
    const other = cluster.followers.find((each) => each !== target) as TestMember;
    const forwarded = cluster.submit(other, putOf("f", "v"));
    const write = cluster.submit(old, putOf("k", "v"));
    expect(cluster.reply(old, write)).toBeUndefined();
    cluster.pass(1_500);
    expect(cluster.reply(other, forwarded)).toMatchObject({ ok: true });
    expect(cluster.reply(old, move)).toEqual({ ok: false, refusal: "timedOutLeaderTransfer" });
    expect(cluster.reply(old, write)).toMatchObject({ ok: true });
  });
});

test("the members of the backend outlive a restart, whatever list the process is started with", () => {
  const cluster = steadyCluster(3);
  accepted(cluster.call(cluster.leader, add(4)));
  cluster.join();
  cluster.pass(2_000);
  const again = follower(cluster);
  cluster.stop(again);
  cluster.start(again);
  expect(again.running.raft.configuration.voters).toEqual([1n, 2n, 3n, 4n]);
  cluster.pass(2_000);
  expect(membersAt(cluster, again)).toHaveLength(4);
});
