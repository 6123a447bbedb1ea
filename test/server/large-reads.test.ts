/*
 * Reads whose answers are large, many at once: a step answers so many bytes, and others are heard between two steps.
 */
import { expect, test } from "vitest";
import type { RequestId } from "../../core/ids.ts";
import { TestCluster } from "../kit/cluster.ts";
import { putOf, rangeOf, txnOf } from "../kit/requests.ts";

/** A member with a key of a thousand bytes; a step answers so many. */
function memberThatAnswers(answerBytesPerStepMax: number, proposalsMax = 1_000) {
  const cluster = new TestCluster({ size: 1, config: { answerBytesPerStepMax, proposalsMax } });
  const member = cluster.elect();
  cluster.call(member, putOf("k", "v".repeat(999)));
  const answered = (ids: readonly RequestId[]): boolean[] => ids.map((id) => cluster.reply(member, id)?.ok === true);
  return { cluster, member, answered };
}
const read = rangeOf("k", undefined, { serializable: true });
const small = rangeOf("none", undefined, { serializable: true });

test.each([
  ["serializable", read],
  ["linearizable", rangeOf("k")],
  ["in a transaction", txnOf({ success: [rangeOf("k")] })],
  ["in a serializable transaction", txnOf({ success: [read] })],
])("reads, %s, are answered in the order they came, as many a step as fit", (_kind, request) => {
  const { cluster, member, answered } = memberThatAnswers(2_500);
  const ids = cluster.submitAll(
    member,
    Array.from({ length: 8 }, () => request),
  );
  const done = (count: number): boolean[] => ids.map((_id, place) => place < count);
  // The third one goes beyond the bound.
  expect(answered(ids)).toEqual(done(3));
  expect(member.running.hasPostponed).toBe(true);
  // What comes later waits behind, be it ever so small; a write does not.
  const later = cluster.submit(member, small);
  expect(answered([...ids, later])).toEqual([...done(6), false]);
  cluster.pass(cluster.config.tickMs);
  expect(answered([...ids, later])).toEqual([...done(8), true]);
  expect(member.running.hasPostponed).toBe(false);
});

test("a write is answered while reads wait, and is in what they see", () => {
  const { cluster, member, answered } = memberThatAnswers(1);
  const ids = cluster.submitAll(member, [read, read, read, read, read]);
  // It takes two steps: its request, and its write that is done.
  const put = cluster.submit(member, putOf("k", "new"));
  expect(answered([put, ...ids])).toEqual([true, true, true, true, false, false]);
  cluster.pass(2 * cluster.config.tickMs);
  expect(cluster.reply(member, ids[4] as RequestId)).toMatchObject({
    header: { revision: 3 },
    answer: { keyValues: [{ modRevision: 3 }] },
  });
});

test("one that was given up is not read, and makes way for the next", () => {
  const { cluster, member, answered } = memberThatAnswers(1);
  const ids = cluster.submitAll(member, [read, read, read, read]);
  cluster.giveUp(member, ids[2] as RequestId);
  expect(answered(ids)).toEqual([true, true, false, false]);
  cluster.pass(cluster.config.tickMs);
  expect(answered(ids)).toEqual([true, true, false, true]);
  expect(member.running.hasPostponed).toBe(false);
});

test("those that wait are bounded in number and in time", () => {
  const { cluster, member } = memberThatAnswers(1, 3);
  const ids = cluster.submitAll(
    member,
    Array.from({ length: 6 }, () => read),
  );
  const outcome = (id: RequestId): string => {
    const reply = cluster.reply(member, id);
    return reply === undefined ? "waits" : reply.ok ? "answered" : reply.refusal;
  };
  const refused = ["tooManyRequests", "tooManyRequests"];
  expect(ids.map(outcome)).toEqual(["answered", "waits", "waits", "waits", ...refused]);
  // A member that was held up finds them too old.
  cluster.nowMs += cluster.config.requestTimeoutMs;
  cluster.pass(cluster.config.tickMs);
  expect(ids.map(outcome)).toEqual(["answered", "timedOut", "timedOut", "timedOut", ...refused]);
});

test("of those that wait only the old ones are too late, given up or not", () => {
  const { cluster, member } = memberThatAnswers(1);
  const [, , old] = cluster.submitAll(member, [read, read, read]) as [RequestId, RequestId, RequestId];
  cluster.nowMs += cluster.config.requestTimeoutMs;
  const fresh = cluster.submit(member, read);
  const { nowMs } = cluster;
  const outputs = member.running.stepAll([
    { type: "clientGone", requestId: old, nowMs },
    { type: "tick", nowMs },
  ]);
  const replies = outputs.filter((output) => output.type === "reply");
  expect(replies).toMatchObject([{ requestId: fresh, reply: { ok: true } }]);
});
