/*
 * The Lease service: LeaseGrant, LeaseRevoke, LeaseTimeToLive, LeaseLeases and the keep-alive stream, between etcd's
 * messages and core's requests and answers. Lease ids are opaque int64 and may be negative.
 */
import { create } from "@bufbuild/protobuf";
import { leaseIdOf } from "../ids.ts";
import type {
  Answer,
  Header,
  KeepAliveReply,
  LeaseGrantRequest,
  LeaseLeasesRequest,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  StreamRequest,
} from "../request.ts";
import {
  LeaseGrantRequestSchema,
  LeaseGrantResponseSchema,
  LeaseKeepAliveRequestSchema,
  LeaseKeepAliveResponseSchema,
  LeaseLeasesRequestSchema,
  LeaseLeasesResponseSchema,
  LeaseRevokeRequestSchema,
  LeaseRevokeResponseSchema,
  LeaseStatusSchema,
  LeaseTimeToLiveRequestSchema,
  LeaseTimeToLiveResponseSchema,
  type LeaseGrantRequest as WireGrantRequest,
  type LeaseGrantResponse as WireGrantResponse,
  type LeaseKeepAliveRequest as WireKeepAliveRequest,
  type LeaseKeepAliveResponse as WireKeepAliveResponse,
  type LeaseLeasesRequest as WireLeasesRequest,
  type LeaseLeasesResponse as WireLeasesResponse,
  type LeaseRevokeRequest as WireRevokeRequest,
  type LeaseRevokeResponse as WireRevokeResponse,
  type LeaseTimeToLiveRequest as WireTimeToLiveRequest,
  type LeaseTimeToLiveResponse as WireTimeToLiveResponse,
} from "./gen/etcdserverpb/rpc_pb.ts";
import { int64FromNumber, numberFromInt64 } from "./integers.ts";
import { headerFromWire, headerToWire } from "./key-value.ts";

type AnswerOf<Type extends Answer["type"]> = Extract<Answer, { readonly type: Type }>;
type KeepAliveRequest = Extract<StreamRequest, { readonly type: "leaseKeepAlive" }>;

export const leaseGrantFromWire = (wire: WireGrantRequest): LeaseGrantRequest => ({
  type: "leaseGrant",
  leaseId: leaseIdOf(wire.ID),
  ttlSeconds: numberFromInt64(wire.TTL),
});

export const leaseGrantToWire = (request: LeaseGrantRequest): WireGrantRequest =>
  create(LeaseGrantRequestSchema, { ID: request.leaseId, TTL: int64FromNumber(request.ttlSeconds) });

export const leaseGrantAnswerToWire = (answer: AnswerOf<"leaseGrant">, header: Header): WireGrantResponse =>
  create(LeaseGrantResponseSchema, {
    header: headerToWire(header),
    ID: answer.leaseId,
    TTL: int64FromNumber(answer.ttlSeconds),
  });

export const leaseGrantAnswerFromWire = (wire: WireGrantResponse): AnswerOf<"leaseGrant"> => ({
  type: "leaseGrant",
  leaseId: leaseIdOf(wire.ID),
  ttlSeconds: numberFromInt64(wire.TTL),
});

export const leaseRevokeFromWire = (wire: WireRevokeRequest): LeaseRevokeRequest => ({
  type: "leaseRevoke",
  leaseId: leaseIdOf(wire.ID),
});

export const leaseRevokeToWire = (request: LeaseRevokeRequest): WireRevokeRequest =>
  create(LeaseRevokeRequestSchema, { ID: request.leaseId });

export const leaseRevokeAnswerToWire = (_answer: AnswerOf<"leaseRevoke">, header: Header): WireRevokeResponse =>
  create(LeaseRevokeResponseSchema, { header: headerToWire(header) });

export const leaseTimeToLiveFromWire = (wire: WireTimeToLiveRequest): LeaseTimeToLiveRequest => ({
  type: "leaseTimeToLive",
  leaseId: leaseIdOf(wire.ID),
  keys: wire.keys,
});

export const leaseTimeToLiveToWire = (request: LeaseTimeToLiveRequest): WireTimeToLiveRequest =>
  create(LeaseTimeToLiveRequestSchema, { ID: request.leaseId, keys: request.keys });

export const leaseTimeToLiveAnswerToWire = (
  answer: AnswerOf<"leaseTimeToLive">,
  header: Header,
): WireTimeToLiveResponse =>
  create(LeaseTimeToLiveResponseSchema, {
    header: headerToWire(header),
    ID: answer.leaseId,
    TTL: int64FromNumber(answer.ttlSeconds),
    grantedTTL: int64FromNumber(answer.grantedTtlSeconds),
    keys: [...answer.keys],
  });

export const leaseTimeToLiveAnswerFromWire = (wire: WireTimeToLiveResponse): AnswerOf<"leaseTimeToLive"> => ({
  type: "leaseTimeToLive",
  leaseId: leaseIdOf(wire.ID),
  ttlSeconds: numberFromInt64(wire.TTL),
  grantedTtlSeconds: numberFromInt64(wire.grantedTTL),
  keys: wire.keys,
});

export const leaseLeasesFromWire = (_wire: WireLeasesRequest): LeaseLeasesRequest => ({ type: "leaseLeases" });

export const leaseLeasesToWire = (_request: LeaseLeasesRequest): WireLeasesRequest => create(LeaseLeasesRequestSchema);

export const leaseLeasesAnswerToWire = (answer: AnswerOf<"leaseLeases">, header: Header): WireLeasesResponse =>
  create(LeaseLeasesResponseSchema, {
    header: headerToWire(header),
    leases: answer.leaseIds.map((leaseId) => create(LeaseStatusSchema, { ID: leaseId })),
  });

export const leaseLeasesAnswerFromWire = (wire: WireLeasesResponse): AnswerOf<"leaseLeases"> => ({
  type: "leaseLeases",
  leaseIds: wire.leases.map((status) => leaseIdOf(status.ID)),
});

export const keepAliveFromWire = (wire: WireKeepAliveRequest): KeepAliveRequest => ({
  type: "leaseKeepAlive",
  leaseId: leaseIdOf(wire.ID),
});

export const keepAliveToWire = (request: KeepAliveRequest): WireKeepAliveRequest =>
  create(LeaseKeepAliveRequestSchema, { ID: request.leaseId });

export const keepAliveReplyToWire = (reply: KeepAliveReply): WireKeepAliveResponse =>
  create(LeaseKeepAliveResponseSchema, {
    header: headerToWire(reply.header),
    ID: reply.leaseId,
    TTL: int64FromNumber(reply.ttlSeconds),
  });

export const keepAliveReplyFromWire = (wire: WireKeepAliveResponse): KeepAliveReply => ({
  type: "leaseKeepAlive",
  header: headerFromWire(wire.header),
  leaseId: leaseIdOf(wire.ID),
  ttlSeconds: numberFromInt64(wire.TTL),
});
