/*
 * The Cluster service, as far as core answers it: MemberList.
 */
import { create } from "@bufbuild/protobuf";
import { memberIdOf } from "../ids.ts";
import type { Answer, Header, MemberListRequest, MemberRecord } from "../request.ts";
import {
  MemberListRequestSchema,
  MemberListResponseSchema,
  MemberSchema,
  type Member as WireMember,
  type MemberListRequest as WireMemberListRequest,
  type MemberListResponse as WireMemberListResponse,
} from "./gen/etcdserverpb/rpc_pb.ts";
import { headerToWire } from "./key-value.ts";

type MemberListAnswer = Extract<Answer, { readonly type: "memberList" }>;

export const memberListFromWire = (wire: WireMemberListRequest): MemberListRequest => ({
  type: "memberList",
  linearizable: wire.linearizable,
});

export const memberListToWire = (request: MemberListRequest): WireMemberListRequest =>
  create(MemberListRequestSchema, { linearizable: request.linearizable });

export const memberListAnswerToWire = (answer: MemberListAnswer, header: Header): WireMemberListResponse =>
  create(MemberListResponseSchema, { header: headerToWire(header), members: answer.members.map(memberToWire) });

export const memberListAnswerFromWire = (wire: WireMemberListResponse): MemberListAnswer => ({
  type: "memberList",
  members: wire.members.map(memberFromWire),
});

export const memberToWire = (member: MemberRecord): WireMember =>
  create(MemberSchema, {
    ID: member.memberId,
    name: member.name,
    peerURLs: [...member.peerUrls],
    clientURLs: [...member.clientUrls],
    isLearner: member.isLearner,
  });

export const memberFromWire = (wire: WireMember): MemberRecord => ({
  memberId: memberIdOf(wire.ID),
  name: wire.name,
  peerUrls: wire.peerURLs,
  clientUrls: wire.clientURLs,
  isLearner: wire.isLearner,
});
