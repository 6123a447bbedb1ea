/*
 * The Cluster service. MemberAdd carries no member id on the wire: whoever takes the request in chooses one.
 */
import { create } from "@bufbuild/protobuf";
import { assert } from "../assert.ts";
import { memberIdOf } from "../ids.ts";
import type {
  Answer,
  Header,
  MemberAddRequest,
  MemberListRequest,
  MemberPromoteRequest,
  MemberReconfigureRequest,
  MemberRecord,
  MemberRemoveRequest,
  MemberUpdateRequest,
} from "../request.ts";
import * as rpc from "./gen/etcdserverpb/rpc_pb.ts";
import * as ours from "./gen/faultlinepb/cluster_pb.ts";
import { headerToWire } from "./key-value.ts";

type AnswerOf<Type extends Answer["type"]> = Extract<Answer, { readonly type: Type }>;

// ---- list ------------------------------------------------------------------------------------------------------

export const memberListFromWire = (wire: rpc.MemberListRequest): MemberListRequest => ({
  type: "memberList",
  linearizable: wire.linearizable,
});

export const memberListToWire = (request: MemberListRequest): rpc.MemberListRequest =>
  create(rpc.MemberListRequestSchema, { linearizable: request.linearizable });

export const memberListAnswerToWire = (answer: AnswerOf<"memberList">, header: Header): rpc.MemberListResponse =>
  create(rpc.MemberListResponseSchema, { header: headerToWire(header), members: answer.members.map(memberToWire) });

export const memberListAnswerFromWire = (wire: rpc.MemberListResponse): AnswerOf<"memberList"> => ({
  type: "memberList",
  members: wire.members.map(memberFromWire),
});

// ---- add -------------------------------------------------------------------------------------------------------

/** The id is 0, which no member has, until it is chosen. */
export const memberAddFromWire = (wire: rpc.MemberAddRequest): MemberAddRequest => ({
  type: "memberAdd",
  memberId: memberIdOf(0n),
  peerUrls: wire.peerURLs,
  isLearner: wire.isLearner,
});

export const memberAddToWire = (request: MemberAddRequest): rpc.MemberAddRequest =>
  create(rpc.MemberAddRequestSchema, { peerURLs: [...request.peerUrls], isLearner: request.isLearner });

export const memberAddAnswerToWire = (answer: AnswerOf<"memberAdd">, header: Header): rpc.MemberAddResponse =>
  create(rpc.MemberAddResponseSchema, {
    header: headerToWire(header),
    member: memberToWire(answer.member),
    members: answer.members.map(memberToWire),
  });

export const memberAddAnswerFromWire = (wire: rpc.MemberAddResponse): AnswerOf<"memberAdd"> => {
  assert(wire.member !== undefined, "an answer to MemberAdd names the member");
  return { type: "memberAdd", member: memberFromWire(wire.member), members: wire.members.map(memberFromWire) };
};

// ---- remove, update, promote -------------------------------------------------------------------------------------

export const memberRemoveFromWire = (wire: rpc.MemberRemoveRequest): MemberRemoveRequest => ({
  type: "memberRemove",
  memberId: memberIdOf(wire.ID),
});

export const memberRemoveToWire = (request: MemberRemoveRequest): rpc.MemberRemoveRequest =>
  create(rpc.MemberRemoveRequestSchema, { ID: request.memberId });

export const memberRemoveAnswerToWire = (answer: AnswerOf<"memberRemove">, header: Header): rpc.MemberRemoveResponse =>
  create(rpc.MemberRemoveResponseSchema, { header: headerToWire(header), members: answer.members.map(memberToWire) });

export const memberRemoveAnswerFromWire = (wire: rpc.MemberRemoveResponse): AnswerOf<"memberRemove"> => ({
  type: "memberRemove",
  members: wire.members.map(memberFromWire),
});

export const memberUpdateFromWire = (wire: rpc.MemberUpdateRequest): MemberUpdateRequest => ({
  type: "memberUpdate",
  memberId: memberIdOf(wire.ID),
  peerUrls: wire.peerURLs,
});

export const memberUpdateToWire = (request: MemberUpdateRequest): rpc.MemberUpdateRequest =>
  create(rpc.MemberUpdateRequestSchema, { ID: request.memberId, peerURLs: [...request.peerUrls] });

export const memberUpdateAnswerToWire = (answer: AnswerOf<"memberUpdate">, header: Header): rpc.MemberUpdateResponse =>
  create(rpc.MemberUpdateResponseSchema, { header: headerToWire(header), members: answer.members.map(memberToWire) });

export const memberUpdateAnswerFromWire = (wire: rpc.MemberUpdateResponse): AnswerOf<"memberUpdate"> => ({
  type: "memberUpdate",
  members: wire.members.map(memberFromWire),
});

export const memberPromoteFromWire = (wire: rpc.MemberPromoteRequest): MemberPromoteRequest => ({
  type: "memberPromote",
  memberId: memberIdOf(wire.ID),
});

export const memberPromoteToWire = (request: MemberPromoteRequest): rpc.MemberPromoteRequest =>
  create(rpc.MemberPromoteRequestSchema, { ID: request.memberId });

export const memberPromoteAnswerToWire = (
  answer: AnswerOf<"memberPromote">,
  header: Header,
): rpc.MemberPromoteResponse =>
  create(rpc.MemberPromoteResponseSchema, { header: headerToWire(header), members: answer.members.map(memberToWire) });

export const memberPromoteAnswerFromWire = (wire: rpc.MemberPromoteResponse): AnswerOf<"memberPromote"> => ({
  type: "memberPromote",
  members: wire.members.map(memberFromWire),
});

// ---- reconfigure, not etcd's -----------------------------------------------------------------------------------

/** The ids of those that come are 0 until they are chosen. */
export const memberReconfigureFromWire = (wire: ours.MemberReconfigureRequest): MemberReconfigureRequest => ({
  type: "memberReconfigure",
  add: wire.add.map(({ peerURLs, isLearner }) => ({ memberId: memberIdOf(0n), peerUrls: peerURLs, isLearner })),
  remove: wire.remove.map(memberIdOf),
  promote: wire.promote.map(memberIdOf),
  demote: wire.demote.map(memberIdOf),
});

export const memberReconfigureToWire = (request: MemberReconfigureRequest): ours.MemberReconfigureRequest =>
  create(ours.MemberReconfigureRequestSchema, {
    add: request.add.map(({ peerUrls, isLearner }) => ({ peerURLs: [...peerUrls], isLearner })),
    remove: [...request.remove],
    promote: [...request.promote],
    demote: [...request.demote],
  });

export const memberReconfigureAnswerToWire = (
  answer: AnswerOf<"memberReconfigure">,
  header: Header,
): ours.MemberReconfigureResponse =>
  create(ours.MemberReconfigureResponseSchema, {
    header: headerToWire(header),
    members: answer.members.map(memberToWire),
  });

export const memberReconfigureAnswerFromWire = (
  wire: ours.MemberReconfigureResponse,
): AnswerOf<"memberReconfigure"> => ({ type: "memberReconfigure", members: wire.members.map(memberFromWire) });

// ---- one member --------------------------------------------------------------------------------------------------

const memberToWire = (member: MemberRecord): rpc.Member =>
  create(rpc.MemberSchema, {
    ID: member.memberId,
    name: member.name,
    peerURLs: [...member.peerUrls],
    clientURLs: [...member.clientUrls],
    isLearner: member.isLearner,
  });

const memberFromWire = (wire: rpc.Member): MemberRecord => ({
  memberId: memberIdOf(wire.ID),
  name: wire.name,
  peerUrls: wire.peerURLs,
  clientUrls: wire.clientURLs,
  isLearner: wire.isLearner,
});
