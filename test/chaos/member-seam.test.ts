/*
 * The seam between transport and member: every call is answered once, a client that is gone gets nothing, streams end
 * in the way their service ends them.
 */
import { expect, test } from "vitest";
import { type CallStatus, Seam, type SeamOptions } from "../../chaos/member/seam.ts";
import {
  clusterIdOf,
  type Header,
  leaseIdOf,
  memberIdOf,
  requestIdOf,
  revisionOf,
  streamIdOf,
  termOf,
  watchIdOf,
} from "../../core/index.ts";
import { streamCalls, unaryCalls } from "../../core/wire/calls.ts";

const header: Header = {
  clusterId: clusterIdOf(1n),
  memberId: memberIdOf(2n),
  revision: revisionOf(3),
  raftTerm: termOf(4),
};
const facts = { version: "3.6.14", storageVersion: "3.6.0", quotaBytes: 1 };
const options = { requireLeader: false };
const leases = unaryCalls.leaseLeases;
const noBytes = new Uint8Array(0);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Submitted = Parameters<SeamOptions["submit"]>[0];
function newSeam(): { seam: Seam; submitted: Submitted[] } {
  const submitted: Submitted[] = [];
  return {
    seam: new Seam({ submit: (input) => submitted.push(input), facts, chooseMemberId: () => memberIdOf(5n) }),
    submitted,
  };
}
function unaryLog(): {
  answers: (Uint8Array | CallStatus)[];
  answer(bytes: Uint8Array): void;
  fail(status: CallStatus): void;
} {
  const answers: (Uint8Array | CallStatus)[] = [];
  return { answers, answer: (bytes) => answers.push(bytes), fail: (status) => answers.push(status) };
}
function streamLog(): {
  sent: Uint8Array[];
  ends: (CallStatus | undefined)[];
  taken: (() => void)[];
  send(bytes: Uint8Array, taken: () => void): void;
  end(status: CallStatus | undefined): void;
} {
  const sent: Uint8Array[] = [];
  const ends: (CallStatus | undefined)[] = [];
  const taken: (() => void)[] = [];
  return {
    sent,
    ends,
    taken,
    send(bytes, done) {
      sent.push(bytes);
      taken.push(done);
    },
    end: (status) => ends.push(status),
  };
}

test("a call becomes a request and its reply the answer", () => {
  const { seam, submitted } = newSeam();
  const call = unaryLog();
  seam.unary(leases.path, noBytes, { requireLeader: true }, call);
  expect(submitted).toEqual([
    { type: "clientRequest", requestId: 1, request: { type: "leaseLeases" }, requireLeader: true },
  ]);
  seam.reply(requestIdOf(1), { ok: true, header, answer: { type: "leaseLeases", leaseIds: [leaseIdOf(7n)] } });
  const [answer] = call.answers;
  expect(answer instanceof Uint8Array && leases.decodeAnswer(answer)).toEqual({
    header,
    answer: { type: "leaseLeases", leaseIds: [7n] },
  });
});

test("a refusal carries its code number and text", () => {
  const { seam } = newSeam();
  const call = unaryLog();
  seam.unary(leases.path, noBytes, options, call);
  seam.reply(requestIdOf(1), { ok: false, refusal: "noLeader" });
  expect(call.answers).toEqual([{ code: 14, text: "etcdserver: no leader" }]);
});

test("a client that gave up gets nothing, and the member is told once", () => {
  const { seam, submitted } = newSeam();
  const call = unaryLog();
  const giveUp = seam.unary(leases.path, noBytes, options, call);
  giveUp();
  giveUp();
  seam.reply(requestIdOf(1), { ok: false, refusal: "timedOut" });
  expect(call.answers).toEqual([]);
  expect(submitted.map((input) => input.type)).toEqual(["clientRequest", "clientGone"]);
});

test("an unknown method and malformed bytes never reach the member", () => {
  const { seam, submitted } = newSeam();
  const call = unaryLog();
  seam.unary("/etcdserverpb.Maintenance/Defragment", noBytes, options, call);
  seam.unary(leases.path, Uint8Array.of(0xff), options, call);
  expect(submitted).toEqual([]);
  expect(call.answers).toEqual([
    { code: 12, text: "unknown method Defragment for service etcdserverpb.Maintenance" },
    { code: 13, text: expect.stringMatching(/^grpc: error unmarshalling request: /) },
  ]);
});

test("a watch goes on after its client's half-close and ends when the client is gone", () => {
  const { seam, submitted } = newSeam();
  const stream = streamLog();
  const open = seam.open(streamCalls.watch.path, options, stream);
  open?.message(streamCalls.watch.encodeRequest({ type: "watchProgress" }));
  open?.halfClosed();
  expect(stream.ends).toEqual([]);
  open?.gone();
  open?.gone();
  expect(submitted.map((input) => input.type)).toEqual(["streamOpened", "streamRequest", "streamClosed"]);
});

test("a half-closed keep-alive stream ends with OK after its last answer", async () => {
  const { seam, submitted } = newSeam();
  const stream = streamLog();
  const open = seam.open(streamCalls.leaseKeepAlive.path, options, stream);
  const leaseId = leaseIdOf(5n);
  open?.message(streamCalls.leaseKeepAlive.encodeRequest({ type: "leaseKeepAlive", leaseId }));
  open?.halfClosed();
  expect(stream.ends).toEqual([]);
  seam.streamReply(streamIdOf(1), { type: "leaseKeepAlive", header, leaseId, ttlSeconds: 9 });
  await turn();
  expect(stream.sent).toHaveLength(1);
  expect(stream.ends).toEqual([undefined]);
  expect(submitted.at(-1)).toEqual({ type: "streamClosed", streamId: 1 });
});

test("the member hears of replies taken only when they left, and once for many", async () => {
  const { seam, submitted } = newSeam();
  const stream = streamLog();
  seam.open(streamCalls.watch.path, options, stream);
  for (let number = 0; number < 3; number++) {
    seam.streamReply(streamIdOf(1), {
      type: "watch",
      header,
      watchId: watchIdOf(0n),
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: "",
      fragment: false,
      events: [],
    });
  }
  await turn();
  expect(submitted.filter((input) => input.type === "streamDrained")).toEqual([]);
  for (const taken of stream.taken) taken();
  await turn();
  expect(submitted.filter((input) => input.type === "streamDrained")).toEqual([
    { type: "streamDrained", streamId: 1, replies: 3 },
  ]);
});

test("a stopping seam refuses what is new, ends streams, and waits for calls under way", async () => {
  const { seam } = newSeam();
  const call = unaryLog();
  const stream = streamLog();
  seam.unary(leases.path, noBytes, options, call);
  seam.open(streamCalls.watch.path, options, stream);
  let drained = false;
  const draining = seam.drain().then(() => {
    drained = true;
  });
  expect(stream.ends).toEqual([{ code: 14, text: "etcdserver: server stopped" }]);
  const late = unaryLog();
  seam.unary(leases.path, noBytes, options, late);
  expect(late.answers).toEqual([{ code: 14, text: "etcdserver: server stopped" }]);
  await turn();
  expect(drained).toBe(false);
  seam.reply(requestIdOf(1), { ok: false, refusal: "timedOut" });
  await draining;
  expect(call.answers).toHaveLength(1);
});
