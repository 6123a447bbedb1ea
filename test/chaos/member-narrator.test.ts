/*
 * What a member's log says of it, in the words that operators and their tools look for.
 */
import { describe, expect, test } from "vitest";
import type { Log, LogFields } from "../../chaos/member/log.ts";
import { Narrator, type NarratorOptions } from "../../chaos/member/narrator.ts";
import { clusterIdOf, type MemberEvent, type MemberRecord, memberIdOf } from "../../core/index.ts";
import { startCluster } from "../kit/real-members.ts";

const own = memberIdOf(0xan);
const other = memberIdOf(0xbn);
const recordOf = (memberId: typeof own, more: Partial<MemberRecord> = {}): MemberRecord => ({
  memberId,
  name: "",
  peerUrls: [`http://10.0.0.${memberId}:2380`],
  clientUrls: [],
  isLearner: false,
  ...more,
});

/** A member whose state a test sets, and the lines its narrator has written. */
function told(options: Partial<NarratorOptions> = {}) {
  const lines: string[] = [];
  const fields: LogFields[] = [];
  const at =
    (level: string) =>
    (message: string, more: LogFields = {}): void => {
      lines.push(`${level} ${message}`);
      fields.push(more);
    };
  const log: Log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), fatal: at("fatal") };
  const member = {
    raft: { id: own, term: 1, role: "follower" },
    members: [recordOf(own), recordOf(other)],
    clusterVersion: undefined as string | undefined,
    compactedPhysically: -1,
    readCounts: { slow: 0, failed: 0 },
  };
  const narrator = new Narrator({
    log,
    clusterId: clusterIdOf(0xcn),
    member: member as unknown as NarratorOptions["member"],
    ...{ tickMs: 100, readRetryMs: 500, requestTimeoutMs: 7_000 },
    quotaBytes: 1_000,
    isDiskFull: () => false,
    ...options,
  });
  const role = (name: "follower" | "preCandidate" | "candidate" | "leader", term: number): void =>
    narrator.tell({ type: "roleChanged", role: name, term } as MemberEvent);
  return { narrator, member, lines, fields, role };
}

describe("raft", () => {
  test("an election is told from its start, with and without pre-vote", () => {
    const { role, lines } = told();
    role("preCandidate", 1);
    role("candidate", 2);
    role("leader", 2);
    expect(lines).toEqual([
      "info a is starting a new election at term 1",
      "info a became pre-candidate at term 1",
      "info a became candidate at term 2",
      "info a became leader at term 2",
    ]);
    const plain = told();
    plain.role("candidate", 2);
    expect(plain.lines[0]).toBe("info a is starting a new election at term 1");
  });

  test("a leader that heard from too few is told apart from one that met a higher term", () => {
    const { role, lines } = told();
    role("leader", 2);
    role("follower", 2);
    expect(lines).toContain("warn a stepped down to follower since quorum is not active");
    const removed = told();
    removed.role("leader", 2);
    removed.member.members = [recordOf(other)];
    removed.role("follower", 2);
    expect(removed.lines.join()).not.toContain("quorum is not active");
    const met = told();
    met.role("leader", 2);
    met.role("follower", 3);
    expect(met.lines.join()).not.toContain("quorum is not active");
  });

  test("leaders are elected, changed and lost", () => {
    const { narrator, lines } = told();
    for (const leaderId of [own, other, undefined]) {
      narrator.tell({ type: "leaderChanged", leaderId, term: 2 } as MemberEvent);
    }
    expect(lines).toEqual([
      "info raft.node: a elected leader a at term 2",
      "info raft.node: a changed leader from a to b at term 2",
      "info raft.node: a lost leader b at term 2",
    ]);
  });

  test("a leader that was held up says by how much, a follower does not", () => {
    const { narrator, member, lines, fields } = told();
    narrator.lookAround(0);
    narrator.lookAround(500);
    expect(lines).toEqual([]);
    member.raft.role = "leader";
    narrator.lookAround(600);
    narrator.lookAround(1_000);
    expect(lines).toEqual([
      "warn leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk",
    ]);
    expect(fields[0]).toMatchObject({ "expected-duration": "200ms", "exceeded-duration": "200.000ms" });
  });
});

describe("the cluster", () => {
  test("its version is set once, then updated", () => {
    const { narrator, member, lines, fields } = told();
    member.clusterVersion = "3.6.0";
    narrator.lookAround(0);
    narrator.lookAround(100);
    member.clusterVersion = "3.5.0";
    narrator.lookAround(200);
    expect(lines).toEqual([
      "info set initial cluster version",
      "info enabled capabilities for version",
      "info updated cluster version",
      "info enabled capabilities for version",
    ]);
    expect([fields[0], fields[2]]).toMatchObject([{ "cluster-version": "3.6" }, { from: "3.6", to: "3.5" }]);
  });

  test("members come, move, are promoted and go", () => {
    const { narrator, member, lines, fields } = told();
    const third = memberIdOf(0xdn);
    const change = (members: MemberRecord[]): void => {
      member.members = members;
      narrator.tell({ type: "membersChanged" });
    };
    change([recordOf(own), recordOf(other), recordOf(third, { isLearner: true })]);
    change([recordOf(own), recordOf(other), recordOf(third)]);
    change([recordOf(own), recordOf(other, { peerUrls: ["http://10.0.0.99:1"] }), recordOf(third)]);
    change([recordOf(own), recordOf(third)]);
    expect(lines).toEqual(["added", "promote", "updated", "removed"].map((what) => `info ${what} member`));
    expect(fields).toMatchObject([
      { "added-peer-id": "d", "cluster-id": "c", "local-member-id": "a" },
      { "promoted-member-id": "d" },
      { "updated-remote-peer-id": "b", "updated-remote-peer-urls": ["http://10.0.0.99:1"] },
      { "removed-remote-peer-id": "b" },
    ]);
  });

  test("an own alarm for want of space says what is full, once", () => {
    const raised = { type: "alarmsChanged", alarms: [{ memberId: own, alarm: "noSpace" }] } as MemberEvent;
    const quota = told();
    quota.narrator.tell(raised);
    quota.narrator.tell(raised);
    expect(quota.lines).toEqual([
      "warn message exceeded backend quota; raising alarm",
      "warn alarms changed",
      "warn alarms changed",
    ]);
    expect(quota.fields[1]).toEqual({ alarms: "a NOSPACE" });
    const disk = told({ isDiskFull: () => true });
    disk.narrator.tell(raised);
    expect(disk.lines[0]).toBe("warn there is no room left on the disk; raising alarm");
  });
});

test("a compaction that is done is told", () => {
  const { narrator, member, lines, fields } = told();
  member.compactedPhysically = 12;
  narrator.lookAround(0);
  expect([lines, fields]).toEqual([["info finished scheduled compaction"], [{ "compact-revision": 12 }]]);
});

test("reads that wait for a proof of leadership are told when it is asked for again, and when they are given up", () => {
  const { narrator, member, lines, fields } = told();
  narrator.lookAround(0);
  member.readCounts.slow = 1;
  narrator.lookAround(100);
  narrator.lookAround(200);
  member.readCounts.slow = 2;
  member.readCounts.failed = 40;
  narrator.lookAround(300);
  const again = "warn waiting for ReadIndex response took too long, retrying";
  expect(lines).toEqual([
    again,
    again,
    "warn timed out waiting for read index response (local node might have slow network)",
  ]);
  expect([fields[0], fields[2]]).toEqual([{ "retry-timeout": "500ms" }, { timeout: "7s" }]);
});

test("a member whose others are gone says that reads wait, and that nobody is reached", async () => {
  const cluster = await startCluster(3);
  try {
    await cluster.ready();
    const [alone, ...others] = cluster.members;
    await Promise.all(others.map((member) => member.end("SIGKILL")));
    const asking = fetch(`http://127.0.0.1:${cluster.clientPorts[0]}/v3/kv/range`, {
      method: "POST",
      body: JSON.stringify({ key: "YQ==" }),
    });
    await alone?.logged('"msg":"waiting for ReadIndex response took too long, retrying"', 2, 60_000);
    await alone?.logged('"msg":"prober detected unhealthy status"', 2, 60_000);
    expect(alone?.log).toMatch(
      /prober detected unhealthy status.*"error":"dial tcp 127.0.0.1:\d+: connect: connection refused"/,
    );
    expect((await asking).status).toBe(503);
    await alone?.logged('"msg":"timed out waiting for read index response', 1, 60_000);
  } finally {
    await cluster.close();
  }
}, 180_000);

test("a member the cluster does not hear of says so as often as a request may take, until it is published", () => {
  const { narrator, lines, fields } = told();
  const lateAt = (nowMs: number): number => {
    narrator.lookAround(nowMs);
    return lines.filter((line) => line === "warn failed to publish local member to cluster through raft").length;
  };
  expect([1_000, 7_900, 8_000, 14_900, 15_000].map(lateAt)).toEqual([0, 0, 1, 1, 2]);
  expect(fields).toContainEqual(expect.objectContaining({ "publish-timeout": "7s", error: "etcdserver: no leader" }));
  narrator.tell({ type: "published" } as MemberEvent);
  expect(lateAt(60_000)).toBe(2);
});
