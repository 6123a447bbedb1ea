import { describe, expect, test } from "vitest";
import { refusals } from "../../core/errors.ts";
import { leaseIdOf, memberIdOf } from "../../core/ids.ts";
import type { StreamReply } from "../../core/request.ts";
import { TestCluster, type TestMember } from "../kit/cluster.ts";
import { accepted, deleteOf, pairOf, pairs, putOf, rangeOf, txnOf, versionIs, watchFrom } from "../kit/requests.ts";

const lease = leaseIdOf(7n);

function electedCluster(
  size: number,
  config: ConstructorParameters<typeof TestCluster>[0]["config"] = {},
): TestCluster {
  const cluster = new TestCluster({ size, config });
  cluster.elect();
  return cluster;
}

function watchTexts(replies: readonly StreamReply[]): readonly string[] {
  return replies.flatMap((reply) =>
    reply.type === "watch"
      ? reply.events.map((event) => `${event.type} ${pairOf(event.keyValue)} @${event.keyValue.modRevision}`)
      : [],
  );
}

describe("writes", () => {
  test("a put at any member is answered there, with the new revision", () => {
    const cluster = electedCluster(3);
    for (const [position, each] of cluster.members.entries()) {
      const reply = cluster.call(each, putOf(`k${position}`, "v"));
      expect(reply).toMatchObject({ ok: true, header: { revision: position + 2, memberId: each.running.raft.id } });
    }
    cluster.pass(200);
    for (const each of cluster.members)
      expect(pairs(cluster.call(each, rangeOf("k", "l")))).toEqual(["k0=v", "k1=v", "k2=v"]);
  });

  test("a write without a leader waits for one, and ends as an exceeded deadline", () => {
    const cluster = electedCluster(3);
    const [alone] = cluster.followers;
    if (alone === undefined) throw new Error("no follower");
    alone.isCutOff = true;
    cluster.pass(3_000);
    const requestId = cluster.submit(alone, putOf("k", "v"));
    cluster.pass(6_900);
    expect(cluster.reply(alone, requestId)).toBeUndefined();
    cluster.pass(200);
    expect(cluster.reply(alone, requestId)).toEqual({ ok: false, refusal: "deadlineExceeded" });
  });

  test("a write that waited for a leader is proposed once there is one", () => {
    const cluster = new TestCluster({ size: 3 });
    const first = cluster.member(1);
    const requestId = cluster.submit(first, putOf("early", "v"));
    cluster.elect();
    cluster.pass(300);
    expect(cluster.reply(first, requestId)).toMatchObject({ ok: true, header: { revision: 2 } });
  });

  test("a write is kept from a leader that is out of reach, and given to the next, or to the same one when it is back", () => {
    const cluster = electedCluster(3);
    cluster.connect();
    const old = cluster.leader;
    const [asked] = cluster.followers;
    if (asked === undefined) throw new Error("no follower");
    cluster.stop(old);
    cluster.tellLinks();
    const requestId = cluster.submit(asked, putOf("k", "1"));
    const change = cluster.submit(asked, {
      type: "memberUpdate",
      memberId: asked.running.raft.id,
      peerUrls: ["http://x:1"],
    });
    cluster.pass(4_000);
    expect(cluster.reply(asked, requestId)).toMatchObject({ ok: true, header: { revision: 2 } });
    expect(cluster.reply(asked, change)).toMatchObject({ ok: true });
    // A connection that is lost for a moment, and a leader that stays.
    const memberId = cluster.leader.running.raft.id;
    const [other] = cluster.followers.filter((each) => each.member !== undefined);
    if (other === undefined) throw new Error("no follower");
    cluster.tellLink(other, memberId, false);
    const late = cluster.submit(other, putOf("k", "2"));
    cluster.pass(300);
    expect(cluster.reply(other, late)).toBeUndefined();
    cluster.tellLink(other, memberId, true);
    // And what comes later does not overtake it.
    const later = cluster.submit(other, putOf("k", "3"));
    cluster.pass(200);
    expect(cluster.reply(other, late)).toMatchObject({ ok: true, header: { revision: 3 } });
    expect(cluster.reply(other, later)).toMatchObject({ ok: true, header: { revision: 4 } });
    expect(cluster.leader.running.raft.id).toBe(memberId);
  });

  test("a write of a cut-off leader is never acknowledged, and gone once a new leader took over", () => {
    const cluster = electedCluster(3);
    const old = cluster.leader;
    old.isCutOff = true;
    const requestId = cluster.submit(old, putOf("lost", "1"));
    cluster.pass(4_000);
    const fresh = cluster.leader;
    expect(fresh).not.toBe(old);
    accepted(cluster.call(fresh, putOf("kept", "2")));
    old.isCutOff = false;
    cluster.pass(8_000);
    expect(cluster.reply(old, requestId)).toMatchObject({ ok: false });
    for (const each of cluster.members) expect(pairs(cluster.call(each, rangeOf("a", "z")))).toEqual(["kept=2"]);
  });

  test("a write beyond what may be uncommitted is refused at once, whichever member was asked, and never happens", () => {
    const cluster = electedCluster(3, { uncommittedBytesMax: 1_024 });
    for (const each of cluster.members) each.holdsWrites = true;
    const taken = cluster.submit(cluster.leader, putOf("taken", "v".repeat(1_000)));
    for (const each of cluster.members) {
      const requestId = cluster.submit(each, putOf("dropped", "v"));
      expect(cluster.reply(each, requestId)).toEqual({ ok: false, refusal: "proposalDropped" });
    }
    expect(refusals.proposalDropped.definite).toBe(true);
    for (const each of cluster.members) each.holdsWrites = false;
    for (const each of cluster.members) while (each.writes.length > 0) cluster.finishWrite(each);
    cluster.pass(200);
    expect(cluster.reply(cluster.leader, taken)).toMatchObject({ ok: true });
    for (const each of cluster.members) expect(pairs(cluster.call(each, rangeOf("dropped", "e")))).toEqual([]);
  });

  test("a caller that wants a leader is refused at once where none is known", () => {
    const cluster = new TestCluster({ size: 3 });
    const requestId = cluster.submit(cluster.member(1), putOf("k", "v"), true);
    expect(cluster.reply(cluster.member(1), requestId)).toEqual({ ok: false, refusal: "noLeader" });
  });

  test("a command larger than allowed is refused before it is proposed", () => {
    const cluster = electedCluster(1, { requestBytesMax: 200 });
    expect(cluster.call(cluster.leader, putOf("k", "v".repeat(300)))).toEqual({
      ok: false,
      refusal: "requestTooLarge",
    });
    expect(cluster.leader.running.currentRevision).toBe(1);
  });

  test("a write beyond the quota is refused only after the alarm is in the log, and deletes stay possible", () => {
    const cluster = electedCluster(3, { quotaBytes: 1 });
    cluster.pass(100);
    expect(cluster.call(cluster.leader, putOf("k", "v"))).toEqual({ ok: false, refusal: "noSpace" });
    const alarms = { type: "alarm", action: "get", memberId: cluster.leader.running.raft.id, alarm: "none" } as const;
    cluster.pass(200);
    for (const each of cluster.members) {
      expect(accepted(cluster.call(each, alarms))).toMatchObject({
        alarms: [{ memberId: cluster.leader.running.raft.id, alarm: "noSpace" }],
      });
    }
    expect(accepted(cluster.call(cluster.leader, deleteOf("k")))).toMatchObject({ deleted: 0 });
  });
});

describe("a full disk", () => {
  const followerOf = (cluster: TestCluster): TestMember => {
    const [follower] = cluster.followers;
    if (follower === undefined) throw new Error("a cluster of three");
    return follower;
  };
  const listAlarms = (cluster: TestCluster) =>
    ({ type: "alarm", action: "get", memberId: cluster.leader.running.raft.id, alarm: "none" }) as const;
  const disarm = (id: bigint) =>
    ({ type: "alarm", action: "deactivate", memberId: memberIdOf(id), alarm: "noSpace" }) as const;

  test("the member raises the alarm through the log; every member refuses writes, and nothing else", () => {
    const cluster = electedCluster(3);
    accepted(cluster.call(cluster.leader, putOf("a", "1")));
    accepted(cluster.call(cluster.leader, putOf("b", "1")));
    const full = followerOf(cluster);
    cluster.tellSpace(full, true);
    cluster.pass(1_000);
    const before = cluster.leader.running.raft.lastIndex;
    for (const each of cluster.members) {
      expect(accepted(cluster.call(each, listAlarms(cluster)))).toMatchObject({
        alarms: [{ memberId: full.running.raft.id, alarm: "noSpace" }],
      });
      expect(cluster.call(each, putOf("c", "1"))).toEqual({ ok: false, refusal: "noSpace" });
      expect(pairs(cluster.call(each, rangeOf("a", "z")))).toEqual(["a=1", "b=1"]);
    }
    // A full disk has no entry to spare for what is refused.
    expect(cluster.leader.running.raft.lastIndex).toBe(before);
    expect(accepted(cluster.call(full, deleteOf("a")))).toMatchObject({ deleted: 1 });
    accepted(cluster.call(full, { type: "compact", revision: 3, physical: false }));
  });

  test("without a leader a full disk refuses writes all the same, and raises the alarm when there is one", () => {
    const cluster = electedCluster(3);
    const full = followerOf(cluster);
    full.isCutOff = true;
    cluster.pass(4_000);
    cluster.tellSpace(full, true);
    expect(cluster.call(full, putOf("c", "1"))).toEqual({ ok: false, refusal: "noSpace" });
    expect(cluster.call(cluster.leader, putOf("c", "1"))).toMatchObject({ ok: true });
    full.isCutOff = false;
    cluster.pass(4_000);
    expect(cluster.call(cluster.leader, putOf("c", "1"))).toEqual({ ok: false, refusal: "noSpace" });
  });

  /** The leader's disk is full, the alarm was raised and is taken away. */
  function disarmedWhileFull() {
    const cluster = electedCluster(3);
    const full = cluster.leader;
    cluster.tellSpace(full, true);
    cluster.pass(2_000);
    accepted(cluster.call(followerOf(cluster), disarm(full.running.raft.id)));
    return { cluster, full };
  }

  test("one disarmed as soon as room was made stays away, though the world looks at the disk only a little later", () => {
    const { cluster, full } = disarmedWhileFull();
    cluster.pass(500);
    cluster.tellSpace(full, false);
    cluster.pass(2_000);
    accepted(cluster.call(followerOf(cluster), putOf("c", "1")));
  });

  test("an alarm that is disarmed while the disk is full comes back; once there is room it stays away", () => {
    const { cluster, full } = disarmedWhileFull();
    cluster.pass(2_000);
    expect(cluster.call(followerOf(cluster), putOf("c", "1"))).toEqual({ ok: false, refusal: "noSpace" });
    cluster.tellSpace(full, false);
    expect(cluster.call(full, putOf("c", "1"))).toEqual({ ok: false, refusal: "noSpace" });
    accepted(cluster.call(followerOf(cluster), disarm(full.running.raft.id)));
    cluster.pass(2_000);
    for (const each of cluster.members) expect(cluster.call(each, putOf("c", "1"))).toMatchObject({ ok: true });
  });
});

describe("compaction", () => {
  test("a physical compaction is answered when the old revisions are gone, a logical one at once", () => {
    const cluster = electedCluster(3, { compactionEntriesPerTickMax: 10 });
    for (let round = 1; round <= 100; round++) accepted(cluster.call(cluster.leader, putOf("k", `${round}`)));
    accepted(cluster.call(cluster.leader, { type: "compact", revision: 50, physical: false }));
    const requestId = cluster.submit(cluster.leader, { type: "compact", revision: 101, physical: true });
    expect(cluster.reply(cluster.leader, requestId)).toBeUndefined();
    cluster.pass(2_000);
    expect(cluster.reply(cluster.leader, requestId)).toMatchObject({ ok: true, answer: { type: "compact" } });
  });
});

describe("reads", () => {
  test("a linearizable read at a follower sees every write acknowledged before it", () => {
    const cluster = electedCluster(3);
    for (let round = 1; round <= 5; round++) {
      accepted(cluster.call(cluster.leader, putOf("k", `${round}`)));
      for (const each of cluster.members) expect(pairs(cluster.call(each, rangeOf("k")))).toEqual([`k=${round}`]);
    }
  });

  test("a cut-off leader answers no linearizable read, but a serializable one", () => {
    const cluster = electedCluster(3);
    accepted(cluster.call(cluster.leader, putOf("k", "old")));
    const old = cluster.leader;
    old.isCutOff = true;
    const requestId = cluster.submit(old, rangeOf("k"));
    expect(pairs(cluster.call(old, rangeOf("k", undefined, { serializable: true })))).toEqual(["k=old"]);
    cluster.pass(3_000);
    accepted(cluster.call(cluster.leader, putOf("k", "new")));
    cluster.pass(4_200);
    expect(cluster.reply(old, requestId)).toEqual({ ok: false, refusal: "timedOut" });
  });

  test("a read that was cut off while it waited is answered after the network heals, with fresh data", () => {
    const cluster = electedCluster(3);
    const old = cluster.leader;
    old.isCutOff = true;
    const requestId = cluster.submit(old, rangeOf("k"));
    cluster.pass(3_000);
    accepted(cluster.call(cluster.leader, putOf("k", "new")));
    old.isCutOff = false;
    cluster.pass(1_500);
    expect(pairs(cluster.reply(old, requestId))).toEqual(["k=new"]);
  });

  test("a transaction without operations is answered locally, even without a leader", () => {
    const cluster = electedCluster(3);
    const [alone] = cluster.followers;
    if (alone === undefined) throw new Error("no follower");
    alone.isCutOff = true;
    cluster.pass(3_000);
    expect(accepted(cluster.call(alone, txnOf({ compares: [versionIs("k", 0)] })))).toMatchObject({ succeeded: true });
  });

  test("a transaction of ranges is a linearizable read", () => {
    const cluster = electedCluster(3);
    const old = cluster.leader;
    old.isCutOff = true;
    const requestId = cluster.submit(old, txnOf({ success: [rangeOf("k")] }));
    expect(cluster.reply(old, requestId)).toBeUndefined();
  });
});

describe("leases", () => {
  const granted = (cluster: TestCluster, ttlSeconds: number): void => {
    accepted(cluster.call(cluster.leader, { type: "leaseGrant", leaseId: lease, ttlSeconds }));
  };

  test("a lease may last as long as allowed and no longer; an alarm that stops it is told first", () => {
    const cluster = electedCluster(1);
    const grant = (ttlSeconds: number) =>
      cluster.call(cluster.leader, { type: "leaseGrant", leaseId: leaseIdOf(0n), ttlSeconds });
    expect(grant(9_000_000_000)).toMatchObject({ ok: true, answer: { ttlSeconds: 9_000_000_000 } });
    expect(grant(-1)).toMatchObject({ ok: true, answer: { ttlSeconds: 2 } });
    expect(grant(9_000_000_001)).toEqual({ ok: false, refusal: "leaseTtlTooLarge" });
    const memberId = memberIdOf(1n);
    accepted(cluster.call(cluster.leader, { type: "alarm", action: "activate", memberId, alarm: "noSpace" }));
    expect(grant(9_000_000_001)).toEqual({ ok: false, refusal: "noSpace" });
    accepted(cluster.call(cluster.leader, { type: "alarm", action: "activate", memberId, alarm: "corrupt" }));
    expect(grant(9_000_000_001)).toEqual({ ok: false, refusal: "corrupt" });
  });

  test("a member chooses an unused positive id, and raises a short time to live to the least", () => {
    const cluster = electedCluster(3);
    const answer = accepted(
      cluster.call(cluster.leader, { type: "leaseGrant", leaseId: leaseIdOf(0n), ttlSeconds: 0 }),
    );
    if (answer.type !== "leaseGrant") throw new Error("wrong answer");
    expect(answer.ttlSeconds).toBe(2);
    expect(answer.leaseId > 0n && answer.leaseId < 1n << 63n).toBe(true);
  });

  test("an expired lease takes its keys in one revision, and watchers see it", () => {
    const cluster = electedCluster(3);
    granted(cluster, 5);
    accepted(cluster.call(cluster.leader, putOf("b", "1", { lease })));
    accepted(cluster.call(cluster.leader, putOf("a", "2", { lease })));
    const [follower] = cluster.followers;
    if (follower === undefined) throw new Error("no follower");
    const { id, stream } = cluster.openStream(follower, "watch");
    cluster.send(follower, id, watchFrom("a", "z"));
    cluster.pass(4_500);
    expect(pairs(cluster.call(cluster.leader, rangeOf("a", "z")))).toEqual(["a=2", "b=1"]);
    cluster.pass(1_500);
    expect(pairs(cluster.call(cluster.leader, rangeOf("a", "z")))).toEqual([]);
    expect(watchTexts(stream.replies)).toEqual(["delete a= @4", "delete b= @4"]);
  });

  test("a keep-alive at a follower is forwarded to the leader and keeps the keys", () => {
    const cluster = electedCluster(3);
    granted(cluster, 5);
    accepted(cluster.call(cluster.leader, putOf("a", "1", { lease })));
    const [follower] = cluster.followers;
    if (follower === undefined) throw new Error("no follower");
    const { id, stream } = cluster.openStream(follower, "leaseKeepAlive");
    for (let round = 0; round < 5; round++) {
      cluster.pass(3_000);
      cluster.send(follower, id, { type: "leaseKeepAlive", leaseId: lease });
    }
    expect(stream.replies.map((reply) => reply.type === "leaseKeepAlive" && reply.ttlSeconds)).toEqual([5, 5, 5, 5, 5]);
    expect(pairs(cluster.call(cluster.leader, rangeOf("a")))).toEqual(["a=1"]);
  });

  test("a cut-off leader renews nothing", () => {
    const cluster = electedCluster(3);
    granted(cluster, 5);
    const old = cluster.leader;
    const { id, stream } = cluster.openStream(old, "leaseKeepAlive");
    old.isCutOff = true;
    cluster.send(old, id, { type: "leaseKeepAlive", leaseId: lease });
    cluster.pass(500);
    expect(stream.replies).toEqual([]);
    cluster.pass(8_000);
    expect(stream.replies).toEqual([]);
    expect(stream.ended).toBe("noLeader");
  });

  test("a dead lease answers a keep-alive with 0 and a question with -1", () => {
    const cluster = electedCluster(3);
    for (const each of cluster.members) {
      const { id, stream } = cluster.openStream(each, "leaseKeepAlive");
      cluster.send(each, id, { type: "leaseKeepAlive", leaseId: lease });
      expect(stream.replies).toMatchObject([{ type: "leaseKeepAlive", leaseId: lease, ttlSeconds: 0 }]);
      const answer = accepted(cluster.call(each, { type: "leaseTimeToLive", leaseId: lease, keys: true }));
      expect(answer).toMatchObject({ ttlSeconds: -1, grantedTtlSeconds: 0, keys: [] });
    }
  });

  test("keep-alives of one stream are answered in the order in which they came", () => {
    const cluster = electedCluster(3);
    const [follower] = cluster.followers;
    if (follower === undefined) throw new Error("no follower");
    const ids = [11n, 12n, 13n].map(leaseIdOf);
    for (const leaseId of ids) accepted(cluster.call(cluster.leader, { type: "leaseGrant", leaseId, ttlSeconds: 10 }));
    const { id, stream } = cluster.openStream(follower, "leaseKeepAlive");
    for (const leaseId of [...ids, leaseIdOf(99n), ...ids])
      cluster.send(follower, id, { type: "leaseKeepAlive", leaseId });
    expect(stream.replies.map((reply) => reply.type === "leaseKeepAlive" && reply.leaseId)).toEqual([
      ...ids,
      99n,
      ...ids,
    ]);
  });
});

describe("streams and members", () => {
  test("a watch that wants a leader ends after three looks without one", () => {
    const cluster = electedCluster(3);
    const [alone] = cluster.followers;
    if (alone === undefined) throw new Error("no follower");
    const strict = cluster.openStream(alone, "watch", true);
    const patient = cluster.openStream(alone, "watch", false);
    alone.isCutOff = true;
    cluster.pass(8_000);
    expect(strict.stream.ended).toBe("noLeader");
    expect(patient.stream.ended).toBeUndefined();
  });

  test("each member publishes its name and client address through the log", () => {
    const cluster = electedCluster(3);
    cluster.pass(2_500);
    for (const each of cluster.members) {
      expect(each.events).toContainEqual({ type: "published" });
      expect(each.running.members.map((record) => [record.name, record.clientUrls])).toEqual([
        ["m1", ["http://127.0.0.1:20000"]],
        ["m2", ["http://127.0.0.1:20001"]],
        ["m3", ["http://127.0.0.1:20002"]],
      ]);
    }
  });

  test("a learner serves only status and serializable reads", () => {
    const cluster = new TestCluster({ size: 1, learners: 1 });
    cluster.elect();
    accepted(cluster.call(cluster.member(1), putOf("k", "v")));
    cluster.pass(500);
    const learner = cluster.member(2);
    expect(cluster.call(learner, rangeOf("k"))).toEqual({ ok: false, refusal: "notSupportedForLearner" });
    expect(cluster.call(learner, putOf("k", "w"))).toEqual({ ok: false, refusal: "notSupportedForLearner" });
    expect(pairs(cluster.call(learner, rangeOf("k", undefined, { serializable: true })))).toEqual(["k=v"]);
    expect(accepted(cluster.call(learner, { type: "status" }))).toMatchObject({ isLearner: true });
    for (const kind of ["watch", "leaseKeepAlive"] as const)
      expect(cluster.openStream(learner, kind).stream.ended).toBe("notSupportedForLearner");
  });

  test("a follower too far behind for the log gets a snapshot, its watchers lose nothing", () => {
    const cluster = electedCluster(3, { snapshotEntries: 20, snapshotCatchUpEntries: 5, snapshotChunkBytes: 200 });
    const [behind] = cluster.followers;
    if (behind === undefined) throw new Error("no follower");
    const { id, stream } = cluster.openStream(behind, "watch");
    cluster.send(behind, id, watchFrom("a", "z"));
    behind.isCutOff = true;
    for (let round = 1; round <= 100; round++)
      accepted(cluster.call(cluster.leader, putOf(`k${round % 7}`, `${round}`)));
    behind.isCutOff = false;
    cluster.pass(6_000);
    expect(behind.events).toContainEqual(expect.objectContaining({ type: "snapshotInstalled" }));
    expect(behind.running.appliedIndex).toBe(cluster.leader.running.appliedIndex);
    expect(behind.running.hashKv(0)).toEqual(cluster.leader.running.hashKv(0));
    expect(watchTexts(stream.replies)).toEqual(
      Array.from({ length: 100 }, (_, position) => `put k${(position + 1) % 7}=${position + 1} @${position + 2}`),
    );
  });

  test("a follower that lacks no more than the tail that is kept is sent entries, not the whole state", () => {
    const cluster = electedCluster(3, { snapshotEntries: 20, snapshotCatchUpEntries: 50 });
    const [behind] = cluster.followers;
    if (behind === undefined) throw new Error("no follower");
    for (let round = 1; round <= 70; round++) accepted(cluster.call(cluster.leader, putOf("k", `${round}`)));
    behind.isCutOff = true;
    for (let round = 1; round <= 30; round++) accepted(cluster.call(cluster.leader, putOf("k", `${round}`)));
    expect(cluster.leader.events).toContainEqual(expect.objectContaining({ type: "logCompacted" }));
    behind.isCutOff = false;
    cluster.pass(6_000);
    expect(behind.running.appliedIndex).toBe(cluster.leader.running.appliedIndex);
    expect(behind.events).not.toContainEqual(expect.objectContaining({ type: "snapshotInstalled" }));
  });

  test("a member that is started anew more often than its log is cut cuts it all the same", () => {
    const cluster = electedCluster(1, { snapshotEntries: 20, snapshotCatchUpEntries: 5 });
    for (let life = 1; life <= 4; life++) {
      for (let round = 1; round <= 10; round++) accepted(cluster.call(cluster.leader, putOf("k", `${round}`)));
      const [only] = cluster.members;
      if (only === undefined) throw new Error("no member");
      cluster.stop(only);
      cluster.start(only);
      cluster.elect();
    }
    accepted(cluster.call(cluster.leader, putOf("k", "last")));
    expect(cluster.leader.running.raft.firstIndex).toBeGreaterThan(1);
  });

  test("a member that was ended comes back from its own disks with everything it had", () => {
    const cluster = electedCluster(3);
    for (let round = 1; round <= 30; round++) accepted(cluster.call(cluster.leader, putOf(`k${round}`, `${round}`)));
    for (const each of cluster.members) {
      const revision = each.running.currentRevision;
      const hash = each.running.hashKv(0);
      cluster.stop(each);
      cluster.start(each);
      expect(each.running.currentRevision).toBe(revision);
      expect(each.running.hashKv(0)).toEqual(hash);
      cluster.elect();
      accepted(cluster.call(cluster.leader, putOf("more", each.name)));
      cluster.pass(300);
    }
  });
});

describe("a member whose disk was wiped", () => {
  const linesOf = (each: TestMember): readonly string[] =>
    each.events.flatMap((event) => (event.type === "log" ? [event.text] : []));
  const statusErrors = (cluster: TestCluster, each: TestMember): string => {
    const answer = accepted(cluster.call(each, { type: "status" }));
    return answer.type === "status" ? answer.errors.join("; ") : "";
  };

  test("says what is gone and whom it waits for, elects nobody meanwhile, and is filled up again", () => {
    const cluster = electedCluster(3);
    for (let round = 1; round <= 30; round++) accepted(cluster.call(cluster.leader, putOf(`k${round}`, `${round}`)));
    cluster.pass(500);
    const [wiped, away] = cluster.followers;
    if (wiped === undefined || away === undefined) throw new Error("there are two followers");
    const { leader } = cluster;
    cluster.stop(away);
    cluster.wipe(wiped);
    cluster.start(wiped);
    cluster.pass(5_000);
    const waiting = `it has served before, and its log is empty; it does not count until 1 more of ${away.name}`;
    expect(statusErrors(cluster, wiped)).toContain(waiting);
    expect(linesOf(wiped).join()).toContain(waiting);
    expect(cluster.members.filter((each) => each.member?.raft.role === "leader")).toEqual([]);

    cluster.start(away);
    cluster.elect();
    cluster.pass(1_000);
    expect(wiped.running.raft.standing).toBe("sound");
    expect(linesOf(wiped)).toContain("this member has learned again what it had forgotten, and counts");
    expect(statusErrors(cluster, wiped)).toBe("");
    expect(wiped.running.hashKv(0)).toEqual(leader.running.hashKv(0));
    cluster.stop(away);
    cluster.elect();
    accepted(cluster.call(cluster.leader, putOf("more", "1")));
  });

  test("and so has another of three: nobody can tell what was promised, so all wait, and say what to do", () => {
    const cluster = electedCluster(3);
    for (let round = 1; round <= 30; round++) accepted(cluster.call(cluster.leader, putOf(`k${round}`, `${round}`)));
    cluster.pass(500);
    const wiped = cluster.followers;
    for (const each of wiped) cluster.wipe(each);
    for (const each of wiped) cluster.start(each);
    cluster.pass(60_000);
    for (const [position, each] of wiped.entries()) {
      expect(each.running.raft.standing).toBe("recovering");
      const error = statusErrors(cluster, each);
      expect(error).toContain(`and so are those of ${wiped[1 - position]?.name}`);
      expect(error).toContain("start the one with the highest raft index");
      expect(error).toContain("--force-new-cluster");
    }
    expect(cluster.members.filter((each) => each.member?.raft.role === "leader")).toEqual([]);
    expect(linesOf(wiped[0] as TestMember).join()).toContain("--force-new-cluster");
  });

  test("of a cluster of one is new: there is nobody to ask", () => {
    const cluster = electedCluster(1);
    accepted(cluster.call(cluster.leader, putOf("k", "1")));
    const [only] = cluster.members;
    if (only === undefined) throw new Error("there is one");
    cluster.wipe(only);
    cluster.start(only);
    cluster.elect();
    expect(only.running.raft.standing).toBe("sound");
    accepted(cluster.call(only, putOf("k", "2")));
  });

  test("a new cluster's members ask each other and lose no time: the first to wait long enough leads", () => {
    const cluster = new TestCluster({ size: 3 });
    cluster.pass(cluster.config.tickMs);
    expect(cluster.members.map((each) => each.running.raft.standing)).toEqual(["sound", "sound", "sound"]);
  });
});
