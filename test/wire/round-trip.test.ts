/*
 * What core asks and answers survives the trip through etcd's bytes; what the wire adds or folds is stated as rules.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Answer,
  clusterIdOf,
  type Header,
  type KeyValue,
  leaseIdOf,
  memberIdOf,
  type Request,
  revisionOf,
  type StreamReply,
  type StreamRequest,
  type TxnAnswer,
  type TxnRequest,
  termOf,
  watchIdOf,
} from "../../core/index.ts";
import { callsByPath, streamCalls, unaryCalls } from "../../core/wire/calls.ts";
import * as rpc from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { numberFromInt64 } from "../../core/wire/integers.ts";

const facts = { version: "3.6.14", storageVersion: "3.6.0", quotaBytes: 2_147_483_648 };

const bytes = fc.uint8Array({ maxLength: 12 });
const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const leaseId = int64.map(leaseIdOf);
const rangeEnd = fc.option(fc.uint8Array({ minLength: 1, maxLength: 6 }), { nil: undefined });
const flag = fc.boolean();

const header: fc.Arbitrary<Header> = fc.record({
  clusterId: uint64.map(clusterIdOf),
  memberId: uint64.map(memberIdOf),
  revision: count.map(revisionOf),
  raftTerm: count.map(termOf),
});
const keyValue: fc.Arbitrary<KeyValue> = fc.record({
  key: bytes,
  createRevision: count.map(revisionOf),
  modRevision: count.map(revisionOf),
  version: count,
  value: bytes,
  lease: leaseId,
});
const range = fc.record({
  type: fc.constant("range" as const),
  key: bytes,
  rangeEnd,
  limit: count,
  revision: count,
  sortOrder: fc.constantFrom("none" as const, "ascend" as const, "descend" as const, "unknown" as const),
  sortTarget: fc.constantFrom(
    "key" as const,
    "version" as const,
    "create" as const,
    "mod" as const,
    "value" as const,
    "unknown" as const,
  ),
  serializable: flag,
  keysOnly: flag,
  countOnly: flag,
  minModRevision: count,
  maxModRevision: count,
  minCreateRevision: count,
  maxCreateRevision: count,
});
const put = fc.record({
  type: fc.constant("put" as const),
  key: bytes,
  value: bytes,
  lease: leaseId,
  prevKv: flag,
  ignoreValue: flag,
  ignoreLease: flag,
});
const deleteRange = fc.record({ type: fc.constant("deleteRange" as const), key: bytes, rangeEnd, prevKv: flag });
const compare = fc.record({
  result: fc.constantFrom(
    "equal" as const,
    "greater" as const,
    "less" as const,
    "notEqual" as const,
    "unknown" as const,
  ),
  operand: fc.oneof(
    fc.record({ target: fc.constantFrom("version" as const, "create" as const, "mod" as const), number: count }),
    fc.record({ target: fc.constant("value" as const), value: bytes }),
    fc.record({ target: fc.constant("lease" as const), lease: leaseId }),
    fc.record({ target: fc.constant("unknown" as const) }),
  ),
  key: bytes,
  rangeEnd,
});
const few = { maxLength: 3 };
const txn: fc.Arbitrary<TxnRequest> = fc.letrec<{ txn: TxnRequest; operation: TxnRequest["success"][number] }>(
  (tie) => ({
    operation: fc.oneof(
      { depthSize: "small" },
      fc.record({ type: fc.constant("empty" as const) }),
      range,
      put,
      deleteRange,
      tie("txn"),
    ),
    txn: fc.record({
      type: fc.constant("txn" as const),
      compares: fc.array(compare, few),
      success: fc.array(tie("operation"), few),
      failure: fc.array(tie("operation"), few),
    }),
  }),
).txn;
const lease = { leaseId };
const request: fc.Arbitrary<Request> = fc.oneof(
  range,
  put,
  deleteRange,
  txn,
  fc.record({ type: fc.constant("compact" as const), revision: count, physical: flag }),
  fc.record({ type: fc.constant("leaseGrant" as const), ...lease, ttlSeconds: count }),
  fc.record({ type: fc.constant("leaseRevoke" as const), ...lease }),
  fc.record({ type: fc.constant("leaseTimeToLive" as const), ...lease, keys: flag }),
  fc.record({ type: fc.constant("leaseLeases" as const) }),
  fc.record({ type: fc.constant("memberList" as const), linearizable: flag }),
  // The wire carries no id of a member to come.
  fc.record({
    type: fc.constant("memberAdd" as const),
    memberId: fc.constant(memberIdOf(0n)),
    peerUrls: fc.array(fc.string({ maxLength: 8 }), few),
    isLearner: flag,
  }),
  fc.record({ type: fc.constant("memberRemove" as const), memberId: uint64.map(memberIdOf) }),
  fc.record({
    type: fc.constant("memberUpdate" as const),
    memberId: uint64.map(memberIdOf),
    peerUrls: fc.array(fc.string({ maxLength: 8 }), few),
  }),
  fc.record({ type: fc.constant("memberPromote" as const), memberId: uint64.map(memberIdOf) }),
  fc.record({ type: fc.constant("moveLeader" as const), targetId: uint64.map(memberIdOf) }),
  fc.record({
    type: fc.constant("downgrade" as const),
    action: fc.constantFrom("validate" as const, "enable" as const, "cancel" as const, "unknown" as const),
    version: fc.constantFrom("", "3.5", "3.5.0"),
  }),
  fc.record({ type: fc.constant("status" as const) }),
  fc.record({ type: fc.constant("hashKv" as const), revision: count }),
  fc.record({
    type: fc.constant("alarm" as const),
    action: fc.constantFrom("get" as const, "activate" as const, "deactivate" as const),
    memberId: uint64.map(memberIdOf),
    alarm: fc.constantFrom("none" as const, "noSpace" as const, "corrupt" as const),
  }),
);

const rangeAnswer = fc.record({
  type: fc.constant("range" as const),
  keyValues: fc.array(keyValue, few),
  more: flag,
  count,
});
const putAnswer = fc.record({
  type: fc.constant("put" as const),
  prevKv: fc.option(keyValue, { nil: undefined }),
});
const deleteRangeAnswer = fc.record({
  type: fc.constant("deleteRange" as const),
  deleted: count,
  prevKvs: fc.array(keyValue, few),
});
const txnAnswer: fc.Arbitrary<TxnAnswer> = fc.letrec<{ txn: TxnAnswer; response: TxnAnswer["responses"][number] }>(
  (tie) => ({
    response: fc.oneof(
      { depthSize: "small" },
      fc.record({
        revision: count.map(revisionOf),
        answer: fc.oneof(rangeAnswer, putAnswer, deleteRangeAnswer),
      }),
      fc.record({ revision: fc.constant(revisionOf(0)), answer: tie("txn") }),
    ),
    txn: fc.record({
      type: fc.constant("txn" as const),
      succeeded: flag,
      responses: fc.array(tie("response"), few),
    }),
  }),
).txn;
const text = fc.string({ maxLength: 8 });
const member = fc.record({
  memberId: uint64.map(memberIdOf),
  name: text,
  peerUrls: fc.array(text, few),
  clientUrls: fc.array(text, few),
  isLearner: flag,
});
const members = fc.array(member, few);
const answer: fc.Arbitrary<Answer> = fc.oneof(
  rangeAnswer,
  putAnswer,
  deleteRangeAnswer,
  txnAnswer,
  fc.record({ type: fc.constant("compact" as const) }),
  fc.record({ type: fc.constant("leaseGrant" as const), leaseId, ttlSeconds: count }),
  fc.record({ type: fc.constant("leaseRevoke" as const) }),
  fc.record({
    type: fc.constant("leaseTimeToLive" as const),
    leaseId,
    ttlSeconds: fc.integer({ min: -1, max: 2 ** 40 }),
    grantedTtlSeconds: count,
    keys: fc.array(bytes, few),
  }),
  fc.record({ type: fc.constant("leaseLeases" as const), leaseIds: fc.array(leaseId, few) }),
  fc.record({
    type: fc.constantFrom(
      "memberList" as const,
      "memberRemove" as const,
      "memberUpdate" as const,
      "memberPromote" as const,
    ),
    members,
  }),
  fc.record({ type: fc.constant("memberAdd" as const), member, members }),
  fc.record({ type: fc.constant("downgrade" as const), version: fc.constantFrom("", "3.6") }),
  fc.record({
    type: fc.constant("status" as const),
    dbSizeBytes: fc.integer({ min: 1, max: 2 ** 40 }),
    dbSizeInUseBytes: count,
    leaderId: fc.option(fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map(memberIdOf), { nil: undefined }),
    committedIndex: count,
    appliedIndex: count,
    raftTerm: count,
    isLearner: flag,
    errors: fc.array(text, few),
  }),
  fc.record({
    type: fc.constant("hashKv" as const),
    hash: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    compactRevision: fc.integer({ min: -1, max: 2 ** 40 }),
    hashRevision: count,
  }),
  fc.record({
    type: fc.constant("alarm" as const),
    alarms: fc.array(
      fc.record({
        memberId: uint64.map(memberIdOf),
        alarm: fc.constantFrom("none" as const, "noSpace" as const, "corrupt" as const),
      }),
      few,
    ),
  }),
);

const watchCreate = fc.record({
  type: fc.constant("watchCreate" as const),
  key: bytes,
  rangeEnd,
  startRevision: count,
  progressNotify: flag,
  noPut: flag,
  noDelete: flag,
  prevKv: flag,
  watchId: int64.map(watchIdOf),
  fragment: flag,
});
const streamRequest: fc.Arbitrary<StreamRequest> = fc.oneof(
  watchCreate,
  fc.record({ type: fc.constant("watchCancel" as const), watchId: int64.map(watchIdOf) }),
  fc.record({ type: fc.constant("watchProgress" as const) }),
  fc.record({ type: fc.constant("leaseKeepAlive" as const), leaseId }),
);
const streamReply: fc.Arbitrary<StreamReply> = fc.oneof(
  fc.record({
    type: fc.constant("watch" as const),
    header,
    watchId: int64.map(watchIdOf),
    created: flag,
    canceled: flag,
    compactRevision: count,
    cancelReason: text,
    fragment: flag,
    events: fc.array(
      fc.record({
        type: fc.constantFrom("put" as const, "delete" as const),
        keyValue,
        prevKv: fc.option(keyValue, { nil: undefined }),
      }),
      few,
    ),
  }),
  fc.record({ type: fc.constant("leaseKeepAlive" as const), header, leaseId, ttlSeconds: count }),
);
const callOf = (kind: StreamRequest["type"] | StreamReply["type"]) =>
  kind === "leaseKeepAlive" ? streamCalls.leaseKeepAlive : streamCalls.watch;
const runs = { numRuns: 300 };

describe("round trips", () => {
  test("a request is the same after its trip over the wire", () => {
    fc.assert(
      fc.property(request, (sent) => {
        const call = unaryCalls[sent.type];
        expect(call.decodeRequest(call.encodeRequest(sent))).toEqual(sent);
      }),
      runs,
    );
  });

  test("an answer of MoveLeader is empty: it has a place for a header, which etcd leaves empty", () => {
    const sent = { clusterId: clusterIdOf(1n), memberId: memberIdOf(2n), revision: revisionOf(3), raftTerm: termOf(4) };
    expect(unaryCalls.moveLeader.encodeAnswer(sent, { type: "moveLeader" }, facts)).toHaveLength(0);
  });

  test("an answer and its header are the same after their trip over the wire", () => {
    fc.assert(
      fc.property(header, answer, (sentHeader, sent) => {
        const call = unaryCalls[sent.type];
        expect(call.decodeAnswer(call.encodeAnswer(sentHeader, sent, facts))).toEqual({
          header: sentHeader,
          answer: sent,
        });
      }),
      runs,
    );
  });

  test("what a stream carries is the same after its trip over the wire", () => {
    fc.assert(
      fc.property(streamRequest, streamReply, (sent, back) => {
        const toMember = callOf(sent.type);
        expect(toMember.decodeRequest(toMember.encodeRequest(sent))).toEqual(sent);
        const toClient = callOf(back.type);
        expect(toClient.decodeReply(toClient.encodeReply(back))).toEqual(back);
      }),
      runs,
    );
  });

  test("bytes that are no message are refused by an error, never taken for another request", () => {
    for (const call of callsByPath.values()) {
      expect(() => call.decodeRequest(Uint8Array.from([0x0a, 0xff]))).toThrow();
    }
  });
});

describe("64-bit edges", () => {
  test("a revision beyond 2^53 − 1 saturates and still compares as in the future", () => {
    expect(numberFromInt64(2n ** 63n - 1n)).toBe(Number.MAX_SAFE_INTEGER);
    expect(numberFromInt64(-(2n ** 63n))).toBe(-Number.MAX_SAFE_INTEGER);
    expect(numberFromInt64(2n ** 53n - 1n)).toBe(2 ** 53 - 1);
    const wire = create(rpc.RangeRequestSchema, { key: Uint8Array.of(1), revision: 2n ** 62n });
    const decoded = unaryCalls.range.decodeRequest(toBinary(rpc.RangeRequestSchema, wire));
    expect(decoded).toMatchObject({ revision: Number.MAX_SAFE_INTEGER });
  });

  test("ids keep all 64 bits, negative lease ids included", () => {
    const sent: Request = { type: "leaseRevoke", leaseId: leaseIdOf(-(2n ** 63n)) };
    expect(unaryCalls.leaseRevoke.decodeRequest(unaryCalls.leaseRevoke.encodeRequest(sent))).toEqual(sent);
  });
});

describe("what the wire folds", () => {
  test("a range end that is present but empty means none", () => {
    // key "k", range_end present with length 0
    const decoded = unaryCalls.range.decodeRequest(Uint8Array.from([0x0a, 1, 0x6b, 0x12, 0]));
    expect(decoded).toMatchObject({ rangeEnd: undefined });
  });

  test("a compare whose operand belongs to another target compares with 0 or empty", () => {
    const wire = create(rpc.TxnRequestSchema, {
      compare: [
        { target: 1, targetUnion: { case: "version", value: 7n } },
        { target: 3, targetUnion: { case: "modRevision", value: 7n } },
        { target: 77 as rpc.Compare_CompareTarget },
      ],
    });
    const decoded = unaryCalls.txn.decodeRequest(toBinary(rpc.TxnRequestSchema, wire));
    expect(decoded.type === "txn" && decoded.compares.map((each) => each.operand)).toEqual([
      { target: "create", number: 0 },
      { target: "value", value: new Uint8Array(0) },
      { target: "unknown" },
    ]);
  });

  test("a watch request with nothing set is ignored", () => {
    expect(streamCalls.watch.decodeRequest(new Uint8Array(0))).toBeUndefined();
  });

  test("inner headers of a transaction carry only a revision, and that of a nested one nothing", () => {
    const full: Header = {
      clusterId: clusterIdOf(1n),
      memberId: memberIdOf(2n),
      revision: revisionOf(9),
      raftTerm: termOf(3),
    };
    const encoded = unaryCalls.txn.encodeAnswer(
      full,
      {
        type: "txn",
        succeeded: true,
        responses: [
          { revision: revisionOf(9), answer: { type: "put", prevKv: undefined } },
          { revision: revisionOf(9), answer: { type: "txn", succeeded: false, responses: [] } },
        ],
      },
      facts,
    );
    const wire = fromBinary(rpc.TxnResponseSchema, encoded);
    expect(wire.header).toMatchObject({ clusterId: 1n, memberId: 2n, revision: 9n, raftTerm: 3n });
    const inner = wire.responses.map((each) => each.response.value?.header);
    expect(inner[0]).toMatchObject({ clusterId: 0n, memberId: 0n, revision: 9n, raftTerm: 0n });
    expect(inner[1]).toMatchObject({ clusterId: 0n, memberId: 0n, revision: 0n, raftTerm: 0n });
  });

  test("status never says that the database has 0 bytes, which clients divide by", () => {
    const encoded = unaryCalls.status.encodeAnswer(
      { clusterId: clusterIdOf(1n), memberId: memberIdOf(2n), revision: revisionOf(1), raftTerm: termOf(1) },
      {
        type: "status",
        dbSizeBytes: 0,
        dbSizeInUseBytes: 0,
        leaderId: undefined,
        committedIndex: 0,
        appliedIndex: 0,
        raftTerm: 1,
        isLearner: false,
        errors: [],
      },
      facts,
    );
    const wire = fromBinary(rpc.StatusResponseSchema, encoded);
    expect(wire).toMatchObject({ version: "3.6.14", dbSize: 1n, leader: 0n, dbSizeQuota: 2_147_483_648n });
    expect(wire.downgradeInfo).toBeDefined();
  });
});
