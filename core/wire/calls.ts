/*
 * Every call this server knows, as rows: the gRPC path, and bytes ↔ core. A transport needs nothing else to serve a
 * call. Paths of etcd's API that are not here are answered UNIMPLEMENTED; a later service is a few more rows.
 */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { assert } from "../assert.ts";
import type { StreamKind } from "../input.ts";
import type { Answer, Header, Request, StreamReply, StreamRequest } from "../request.ts";
import * as auth from "./auth.ts";
import * as cluster from "./cluster.ts";
import * as rpc from "./gen/etcdserverpb/rpc_pb.ts";
import * as ours from "./gen/faultlinepb/cluster_pb.ts";
import { headerFromWire, headerToWire } from "./key-value.ts";
import * as kv from "./kv.ts";
import * as kvFast from "./kv-fast.ts";
import * as lease from "./lease.ts";
import type { ServerFacts } from "./maintenance.ts";
import * as maintenance from "./maintenance.ts";
import { watchReplyFromWire, watchReplyToWire, watchRequestFromWire, watchRequestToWire } from "./watch.ts";

/** One unary call. Decoding throws on bytes that are no such message. */
export interface UnaryCall {
  readonly kind: "unary";
  readonly path: string;
  readonly type: Request["type"];
  decodeRequest(bytes: Uint8Array): Request;
  encodeAnswer(header: Header, answer: Answer, facts: ServerFacts): Uint8Array;
  /** The client's half. */
  encodeRequest(request: Request): Uint8Array;
  decodeAnswer(bytes: Uint8Array): { readonly header: Header; readonly answer: Answer };
}

/** One bidirectional stream. */
export interface StreamCall {
  readonly kind: "stream";
  readonly path: string;
  readonly stream: StreamKind;
  /** undefined: an empty message, to be ignored. */
  decodeRequest(bytes: Uint8Array): StreamRequest | undefined;
  encodeReply(reply: StreamReply): Uint8Array;
  /** The client's half. */
  encodeRequest(request: StreamRequest): Uint8Array;
  decodeReply(bytes: Uint8Array): StreamReply;
}

type RequestOf<Type extends Request["type"]> = Extract<Request, { readonly type: Type }>;
type AnswerOf<Type extends Request["type"]> = Extract<Answer, { readonly type: Type }>;
type WithHeader = { header?: rpc.ResponseHeader | undefined };

function unary<Type extends Request["type"], In extends DescMessage, Out extends DescMessage>(row: {
  readonly path: string;
  readonly type: Type;
  readonly input: In;
  readonly output: Out;
  readonly requestFromWire: (wire: MessageShape<In>) => RequestOf<Type>;
  readonly requestToWire: (request: RequestOf<Type>) => MessageShape<In>;
  readonly answerToWire: (answer: AnswerOf<Type>, header: Header, facts: ServerFacts) => MessageShape<Out>;
  readonly answerFromWire: (wire: MessageShape<Out>) => AnswerOf<Type>;
  /** The server's half by hand, for calls that must be cheap; undefined when the bytes are for the generated code. */
  readonly decodeFast?: (bytes: Uint8Array) => RequestOf<Type> | undefined;
  readonly encodeFast?: (header: Header, answer: AnswerOf<Type>) => Uint8Array;
}): UnaryCall {
  const { decodeFast, encodeFast } = row;
  return {
    kind: "unary",
    path: row.path,
    type: row.type,
    decodeRequest: (bytes) => decodeFast?.(bytes) ?? row.requestFromWire(fromBinary(row.input, bytes)),
    encodeRequest(request) {
      assert(request.type === row.type, "a request goes to its own path", request.type, row.type);
      return toBinary(row.input, row.requestToWire(request as RequestOf<Type>));
    },
    encodeAnswer(header, answer, facts) {
      assert(answer.type === row.type, "an answer belongs to its request", answer.type, row.type);
      if (encodeFast !== undefined) return encodeFast(header, answer as AnswerOf<Type>);
      return toBinary(row.output, row.answerToWire(answer as AnswerOf<Type>, header, facts));
    },
    decodeAnswer(bytes) {
      const wire = fromBinary(row.output, bytes);
      return { header: headerFromWire((wire as WithHeader).header), answer: row.answerFromWire(wire) };
    },
  };
}

const watchCall: StreamCall = {
  kind: "stream",
  path: "/etcdserverpb.Watch/Watch",
  stream: "watch",
  decodeRequest: (bytes) => watchRequestFromWire(fromBinary(rpc.WatchRequestSchema, bytes)),
  encodeReply(reply) {
    assert(reply.type === "watch", "a watch stream carries watch replies", reply.type);
    return toBinary(rpc.WatchResponseSchema, watchReplyToWire(reply));
  },
  encodeRequest(request) {
    assert(request.type !== "leaseKeepAlive", "a watch stream carries watch requests");
    return toBinary(rpc.WatchRequestSchema, watchRequestToWire(request));
  },
  decodeReply: (bytes) => watchReplyFromWire(fromBinary(rpc.WatchResponseSchema, bytes)),
};

const keepAliveCall: StreamCall = {
  kind: "stream",
  path: "/etcdserverpb.Lease/LeaseKeepAlive",
  stream: "leaseKeepAlive",
  decodeRequest: (bytes) => lease.keepAliveFromWire(fromBinary(rpc.LeaseKeepAliveRequestSchema, bytes)),
  encodeReply(reply) {
    assert(reply.type === "leaseKeepAlive", "a keep-alive stream carries keep-alive replies", reply.type);
    return toBinary(rpc.LeaseKeepAliveResponseSchema, lease.keepAliveReplyToWire(reply));
  },
  encodeRequest(request) {
    assert(request.type === "leaseKeepAlive", "a keep-alive stream carries keep-alive requests", request.type);
    return toBinary(rpc.LeaseKeepAliveRequestSchema, lease.keepAliveToWire(request));
  },
  decodeReply: (bytes) => lease.keepAliveReplyFromWire(fromBinary(rpc.LeaseKeepAliveResponseSchema, bytes)),
};

export const streamCalls: { readonly [Kind in StreamKind]: StreamCall } = {
  watch: watchCall,
  leaseKeepAlive: keepAliveCall,
};

/** The call of each request type. */
export const unaryCalls: { readonly [Type in Request["type"]]: UnaryCall } = {
  authEnable: unary(auth.authEnable),
  authDisable: unary(auth.authDisable),
  authStatus: unary(auth.authStatus),
  authenticate: unary(auth.authenticate),
  userAdd: unary(auth.userAdd),
  userGet: unary(auth.userGet),
  userList: unary(auth.userList),
  userDelete: unary(auth.userDelete),
  userChangePassword: unary(auth.userChangePassword),
  userGrantRole: unary(auth.userGrantRole),
  userRevokeRole: unary(auth.userRevokeRole),
  roleAdd: unary(auth.roleAdd),
  roleGet: unary(auth.roleGet),
  roleList: unary(auth.roleList),
  roleDelete: unary(auth.roleDelete),
  roleGrantPermission: unary(auth.roleGrantPermission),
  roleRevokePermission: unary(auth.roleRevokePermission),
  range: unary({
    path: "/etcdserverpb.KV/Range",
    type: "range",
    input: rpc.RangeRequestSchema,
    output: rpc.RangeResponseSchema,
    requestFromWire: kv.rangeFromWire,
    requestToWire: kv.rangeToWire,
    answerToWire: (answer, header) => kv.rangeAnswerToWire(answer, headerToWire(header)),
    answerFromWire: kv.rangeAnswerFromWire,
    decodeFast: kvFast.decodeRange,
    encodeFast: kvFast.encodeRangeAnswer,
  }),
  put: unary({
    path: "/etcdserverpb.KV/Put",
    type: "put",
    input: rpc.PutRequestSchema,
    output: rpc.PutResponseSchema,
    requestFromWire: kv.putFromWire,
    requestToWire: kv.putToWire,
    answerToWire: (answer, header) => kv.putAnswerToWire(answer, headerToWire(header)),
    answerFromWire: kv.putAnswerFromWire,
    decodeFast: kvFast.decodePut,
    encodeFast: kvFast.encodePutAnswer,
  }),
  deleteRange: unary({
    path: "/etcdserverpb.KV/DeleteRange",
    type: "deleteRange",
    input: rpc.DeleteRangeRequestSchema,
    output: rpc.DeleteRangeResponseSchema,
    requestFromWire: kv.deleteRangeFromWire,
    requestToWire: kv.deleteRangeToWire,
    answerToWire: (answer, header) => kv.deleteRangeAnswerToWire(answer, headerToWire(header)),
    answerFromWire: kv.deleteRangeAnswerFromWire,
  }),
  txn: unary({
    path: "/etcdserverpb.KV/Txn",
    type: "txn",
    input: rpc.TxnRequestSchema,
    output: rpc.TxnResponseSchema,
    requestFromWire: kv.txnFromWire,
    requestToWire: kv.txnToWire,
    answerToWire: (answer, header) => kv.txnAnswerToWire(answer, headerToWire(header)),
    answerFromWire: kv.txnAnswerFromWire,
  }),
  compact: unary({
    path: "/etcdserverpb.KV/Compact",
    type: "compact",
    input: rpc.CompactionRequestSchema,
    output: rpc.CompactionResponseSchema,
    requestFromWire: kv.compactFromWire,
    requestToWire: kv.compactToWire,
    answerToWire: kv.compactAnswerToWire,
    answerFromWire: () => ({ type: "compact" }),
  }),
  leaseGrant: unary({
    path: "/etcdserverpb.Lease/LeaseGrant",
    type: "leaseGrant",
    input: rpc.LeaseGrantRequestSchema,
    output: rpc.LeaseGrantResponseSchema,
    requestFromWire: lease.leaseGrantFromWire,
    requestToWire: lease.leaseGrantToWire,
    answerToWire: lease.leaseGrantAnswerToWire,
    answerFromWire: lease.leaseGrantAnswerFromWire,
  }),
  leaseRevoke: unary({
    path: "/etcdserverpb.Lease/LeaseRevoke",
    type: "leaseRevoke",
    input: rpc.LeaseRevokeRequestSchema,
    output: rpc.LeaseRevokeResponseSchema,
    requestFromWire: lease.leaseRevokeFromWire,
    requestToWire: lease.leaseRevokeToWire,
    answerToWire: lease.leaseRevokeAnswerToWire,
    answerFromWire: () => ({ type: "leaseRevoke" }),
  }),
  leaseTimeToLive: unary({
    path: "/etcdserverpb.Lease/LeaseTimeToLive",
    type: "leaseTimeToLive",
    input: rpc.LeaseTimeToLiveRequestSchema,
    output: rpc.LeaseTimeToLiveResponseSchema,
    requestFromWire: lease.leaseTimeToLiveFromWire,
    requestToWire: lease.leaseTimeToLiveToWire,
    answerToWire: lease.leaseTimeToLiveAnswerToWire,
    answerFromWire: lease.leaseTimeToLiveAnswerFromWire,
  }),
  leaseLeases: unary({
    path: "/etcdserverpb.Lease/LeaseLeases",
    type: "leaseLeases",
    input: rpc.LeaseLeasesRequestSchema,
    output: rpc.LeaseLeasesResponseSchema,
    requestFromWire: lease.leaseLeasesFromWire,
    requestToWire: lease.leaseLeasesToWire,
    answerToWire: lease.leaseLeasesAnswerToWire,
    answerFromWire: lease.leaseLeasesAnswerFromWire,
  }),
  memberList: unary({
    path: "/etcdserverpb.Cluster/MemberList",
    type: "memberList",
    input: rpc.MemberListRequestSchema,
    output: rpc.MemberListResponseSchema,
    requestFromWire: cluster.memberListFromWire,
    requestToWire: cluster.memberListToWire,
    answerToWire: cluster.memberListAnswerToWire,
    answerFromWire: cluster.memberListAnswerFromWire,
  }),
  memberAdd: unary({
    path: "/etcdserverpb.Cluster/MemberAdd",
    type: "memberAdd",
    input: rpc.MemberAddRequestSchema,
    output: rpc.MemberAddResponseSchema,
    requestFromWire: cluster.memberAddFromWire,
    requestToWire: cluster.memberAddToWire,
    answerToWire: cluster.memberAddAnswerToWire,
    answerFromWire: cluster.memberAddAnswerFromWire,
  }),
  memberRemove: unary({
    path: "/etcdserverpb.Cluster/MemberRemove",
    type: "memberRemove",
    input: rpc.MemberRemoveRequestSchema,
    output: rpc.MemberRemoveResponseSchema,
    requestFromWire: cluster.memberRemoveFromWire,
    requestToWire: cluster.memberRemoveToWire,
    answerToWire: cluster.memberRemoveAnswerToWire,
    answerFromWire: cluster.memberRemoveAnswerFromWire,
  }),
  memberUpdate: unary({
    path: "/etcdserverpb.Cluster/MemberUpdate",
    type: "memberUpdate",
    input: rpc.MemberUpdateRequestSchema,
    output: rpc.MemberUpdateResponseSchema,
    requestFromWire: cluster.memberUpdateFromWire,
    requestToWire: cluster.memberUpdateToWire,
    answerToWire: cluster.memberUpdateAnswerToWire,
    answerFromWire: cluster.memberUpdateAnswerFromWire,
  }),
  memberPromote: unary({
    path: "/etcdserverpb.Cluster/MemberPromote",
    type: "memberPromote",
    input: rpc.MemberPromoteRequestSchema,
    output: rpc.MemberPromoteResponseSchema,
    requestFromWire: cluster.memberPromoteFromWire,
    requestToWire: cluster.memberPromoteToWire,
    answerToWire: cluster.memberPromoteAnswerToWire,
    answerFromWire: cluster.memberPromoteAnswerFromWire,
  }),
  memberReconfigure: unary({
    path: "/faultlinepb.Cluster/MemberReconfigure",
    type: "memberReconfigure",
    input: ours.MemberReconfigureRequestSchema,
    output: ours.MemberReconfigureResponseSchema,
    requestFromWire: cluster.memberReconfigureFromWire,
    requestToWire: cluster.memberReconfigureToWire,
    answerToWire: cluster.memberReconfigureAnswerToWire,
    answerFromWire: cluster.memberReconfigureAnswerFromWire,
  }),
  moveLeader: unary({
    path: "/etcdserverpb.Maintenance/MoveLeader",
    type: "moveLeader",
    input: rpc.MoveLeaderRequestSchema,
    output: rpc.MoveLeaderResponseSchema,
    requestFromWire: maintenance.moveLeaderFromWire,
    requestToWire: maintenance.moveLeaderToWire,
    answerToWire: maintenance.moveLeaderAnswerToWire,
    answerFromWire: () => ({ type: "moveLeader" }),
  }),
  downgrade: unary({
    path: "/etcdserverpb.Maintenance/Downgrade",
    type: "downgrade",
    input: rpc.DowngradeRequestSchema,
    output: rpc.DowngradeResponseSchema,
    requestFromWire: maintenance.downgradeFromWire,
    requestToWire: maintenance.downgradeToWire,
    answerToWire: maintenance.downgradeAnswerToWire,
    answerFromWire: maintenance.downgradeAnswerFromWire,
  }),
  status: unary({
    path: "/etcdserverpb.Maintenance/Status",
    type: "status",
    input: rpc.StatusRequestSchema,
    output: rpc.StatusResponseSchema,
    requestFromWire: maintenance.statusFromWire,
    requestToWire: maintenance.statusToWire,
    answerToWire: maintenance.statusAnswerToWire,
    answerFromWire: maintenance.statusAnswerFromWire,
  }),
  hashKv: unary({
    path: "/etcdserverpb.Maintenance/HashKV",
    type: "hashKv",
    input: rpc.HashKVRequestSchema,
    output: rpc.HashKVResponseSchema,
    requestFromWire: maintenance.hashKvFromWire,
    requestToWire: maintenance.hashKvToWire,
    answerToWire: maintenance.hashKvAnswerToWire,
    answerFromWire: maintenance.hashKvAnswerFromWire,
  }),
  alarm: unary({
    path: "/etcdserverpb.Maintenance/Alarm",
    type: "alarm",
    input: rpc.AlarmRequestSchema,
    output: rpc.AlarmResponseSchema,
    requestFromWire: maintenance.alarmFromWire,
    requestToWire: maintenance.alarmToWire,
    answerToWire: maintenance.alarmAnswerToWire,
    answerFromWire: maintenance.alarmAnswerFromWire,
  }),
};

/** Every call by its gRPC path. */
export const callsByPath: ReadonlyMap<string, UnaryCall | StreamCall> = new Map(
  [...Object.values(unaryCalls), ...Object.values(streamCalls)].map((call) => [call.path, call]),
);
