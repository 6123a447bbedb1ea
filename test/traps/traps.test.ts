/*
 * Traps of the etcd contract that no room of its own holds; the table beside this file names the tests of all twenty.
 */
import { expect, test } from "vitest";
import { addedMemberId } from "../../chaos/member/identity.ts";
import { etcdVersion } from "../../chaos/member/version.ts";
import { refusals } from "../../core/errors.ts";
import { TestCluster } from "../kit/cluster.ts";
import { accepted, putOf, rangeOf } from "../kit/requests.ts";

test("not enough started members, too many requests and what has no code of its own travel as UNKNOWN", () => {
  const { notEnoughStarted, tooManyRequests, proposalDropped, authNoPassword } = refusals;
  for (const { code } of [notEnoughStarted, tooManyRequests, proposalDropped, authNoPassword]) {
    expect(code).toBe("UNKNOWN");
  }
});

test("without a leader a write and a read end in different words, and a caller that wants one in a third", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect();
  const [alone] = cluster.followers;
  if (alone === undefined) throw new Error("no follower");
  alone.isCutOff = true;
  cluster.pass(3_000);
  const written = cluster.submit(alone, putOf("k", "v"));
  const read = cluster.submit(alone, rangeOf("k"));
  const wanting = cluster.submit(alone, rangeOf("k"), true);
  cluster.pass(7_100);
  const textOf = (requestId: typeof read): string => {
    const reply = cluster.reply(alone, requestId);
    if (reply === undefined || reply.ok) throw new Error("not refused");
    const { code, text } = refusals[reply.refusal];
    return `${code} ${text}`;
  };
  expect(textOf(written)).toBe("DEADLINE_EXCEEDED context deadline exceeded");
  expect(textOf(read)).toBe("UNAVAILABLE etcdserver: request timed out");
  expect(textOf(wanting)).toBe("UNAVAILABLE etcdserver: no leader");
});

test("a member added at one URL has one id within a second and another in the next", () => {
  const url = ["http://127.0.0.1:2380"];
  expect(addedMemberId(url, 1_700_000_000_000)).toBe(addedMemberId(url, 1_700_000_000_999));
  expect(addedMemberId(url, 1_700_000_000_000)).not.toBe(addedMemberId(url, 1_700_000_001_000));
});

test("answers of the Cluster service carry revision 0, whatever was written", () => {
  const cluster = new TestCluster({ size: 1 });
  cluster.elect();
  accepted(cluster.call(cluster.leader, putOf("k", "v")));
  for (const linearizable of [false, true]) {
    const reply = cluster.call(cluster.leader, { type: "memberList", linearizable });
    expect(reply).toMatchObject({ ok: true, header: { revision: 0, memberId: cluster.leader.running.raft.id } });
  }
});

test("a status never says that the backend has no size, and the version is a plain one", () => {
  const cluster = new TestCluster({ size: 1 });
  cluster.elect();
  const answer = accepted(cluster.call(cluster.leader, { type: "status" }));
  if (answer.type !== "status") throw new Error("wrong answer");
  expect(answer.dbSizeBytes).toBeGreaterThan(0);
  expect(etcdVersion).toMatch(/^\d+\.\d+\.\d+$/);
});
