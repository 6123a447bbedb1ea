/*
 * Replicated commands and their bytes in the log. A command names the proposal it answers, so that the member that
 * proposed it finds the waiting client. The form is our own (versioned, hand-written for speed): the first byte is the
 * version, then the proposal, then who it comes from unless that is nobody, then the request with a tag before every
 * variant. Decoded keys and values are views of the entry's bytes.
 */
import { assert, InvariantViolation, unreachable } from "../assert.ts";
import type { AuthCommand } from "../auth/change.ts";
import { anonymous, type Identity } from "../auth/identity.ts";
import { ByteReader, ByteWriter } from "../byte-io.ts";
import type { ByteSlab } from "../byte-slab.ts";
import { type LeaseId, leaseIdOf, type MemberId, memberIdOf } from "../ids.ts";
import type {
  AlarmRequest,
  AlarmType,
  CompactRequest,
  DeleteRangeRequest,
  DowngradeInfo,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  MemberAddRequest,
  MemberPromoteRequest,
  MemberReconfigureRequest,
  MemberRemoveRequest,
  MemberUpdateRequest,
  PutRequest,
  TxnRequest,
} from "../request.ts";
import { readAuthChange, readIdentity, writeAuthChange, writeIdentity } from "./auth-codec.ts";
import { pick, readOperation, writeOperation } from "./operation-codec.ts";

/** One write on its way through the log, unique over all members and all their lives. */
export interface ProposalId {
  readonly origin: MemberId;
  /** Life of the proposing member. */
  readonly incarnation: number;
  readonly sequence: number;
}

/** A member makes its name and its client addresses known. */
export interface PublishMemberRequest {
  readonly type: "publishMember";
  readonly memberId: MemberId;
  readonly name: string;
  readonly clientUrls: readonly string[];
}

/** The release a member runs. */
export interface MemberVersionRequest {
  readonly type: "memberVersion";
  readonly memberId: MemberId;
  readonly version: string;
}

/** The leader's decision. */
export interface ClusterVersionRequest {
  readonly type: "clusterVersion";
  readonly version: string;
}

export interface DowngradeInfoRequest extends DowngradeInfo {
  readonly type: "downgradeInfo";
}

/** The primary's word on the time left of some leases. */
export interface LeaseCheckpointRequest {
  readonly type: "leaseCheckpoint";
  readonly checkpoints: readonly { readonly leaseId: LeaseId; readonly remainingTtlSeconds: number }[];
}

/** The bound travels with the request, so that every member decides alike, however it was started. */
export interface AddMemberCommand extends MemberAddRequest {
  readonly learnersMax: number;
}

export interface ReconfigureCommand extends MemberReconfigureRequest {
  readonly learnersMax: number;
}

/** The leader's own: the new voters decide alone from here on. */
export interface LeaveJointCommand {
  readonly type: "leaveJoint";
}

/** What entries of kind "configuration" hold. */
export type ConfigurationRequest =
  | AddMemberCommand
  | MemberRemoveRequest
  | MemberUpdateRequest
  | MemberPromoteRequest
  | ReconfigureCommand
  | LeaveJointCommand;

export type CommandRequest =
  | AuthCommand
  | PutRequest
  | DeleteRangeRequest
  | TxnRequest
  | CompactRequest
  | LeaseGrantRequest
  | LeaseRevokeRequest
  | AlarmRequest
  | PublishMemberRequest
  | LeaseCheckpointRequest
  | MemberVersionRequest
  | ClusterVersionRequest
  | DowngradeInfoRequest
  | ConfigurationRequest;

export interface Command {
  readonly id: ProposalId;
  /** Who is judged when the command is applied; anonymous when absent. */
  readonly identity?: Identity;
  readonly request: CommandRequest;
}

const version = 1;
/** The same with an identity before the request. */
const versionWithIdentity = 2;
/** Version, origin, incarnation, sequence, and room for one more number. */
const proposalBytesMax = 1 + 8 + 8 + 8 + 8;

/** Beside the tags of operations. */
const compactTag = 4;
const leaseGrantTag = 5;
const leaseRevokeTag = 6;
const alarmTag = 7;
const publishMemberTag = 8;
const leaseCheckpointTag = 9;
const memberAddTag = 10;
const memberRemoveTag = 11;
const memberUpdateTag = 12;
const memberPromoteTag = 13;
const reconfigureTag = 14;
const leaveJointTag = 15;
const memberVersionTag = 16;
const clusterVersionTag = 17;
const downgradeInfoTag = 18;

const authTag = 32;

/** Position in these lists is the byte: append only. */
const alarmTypes: readonly AlarmType[] = ["none", "noSpace", "corrupt"];
const alarmActions: readonly AlarmRequest["action"][] = ["get", "activate", "deactivate"];

/** The slab, when given, saves an allocation of its own for every command. */
export function encodeCommand(command: Command, slab?: ByteSlab): Uint8Array {
  const { id, request, identity = anonymous } = command;
  const expectedBytes = proposalBytesMax + sizeHint(request);
  const writer = new ByteWriter(slab === undefined ? new Uint8Array(expectedBytes) : slab.take(expectedBytes));
  writer.byte(identity.type === "anonymous" ? version : versionWithIdentity);
  writer.id(id.origin);
  writer.varint(id.incarnation);
  writer.varint(id.sequence);
  if (identity.type !== "anonymous") writeIdentity(writer, identity);
  writeRequest(writer, request);
  return writer.finish();
}

/** Inverse of {@link encodeCommand}; other bytes are a broken invariant, as the log checks its own integrity. */
export function decodeCommand(bytes: Uint8Array): Command {
  const reader = new ByteReader(bytes);
  const found = reader.byte();
  assert(found === version || found === versionWithIdentity, "a command has a version this member knows", found);
  const origin = memberIdOf(reader.unsignedId());
  const incarnation = reader.varint();
  const sequence = reader.varint();
  const id = { origin, incarnation, sequence };
  const identity = found === versionWithIdentity ? readIdentity(reader) : undefined;
  const request = readRequest(reader);
  assert(reader.atEnd, "a command ends where its bytes end");
  return identity === undefined ? { id, request } : { id, identity, request };
}

/** Whether {@link decodeCommand} would take it: asked of what comes from a peer, before it gets into the log of everyone. */
export function isCommand(bytes: Uint8Array): boolean {
  try {
    decodeCommand(bytes);
    return true;
  } catch (error) {
    if (error instanceof InvariantViolation) return false;
    throw error;
  }
}

function sizeHint(request: CommandRequest): number {
  switch (request.type) {
    case "put":
      return request.key.length + request.value.length + 16;
    case "deleteRange":
      return request.key.length + (request.rangeEnd?.length ?? 0) + 8;
    case "txn":
      return 256;
    default:
      return 32;
  }
}

// ---- writing ---------------------------------------------------------------------------------------------------

function writeRequest(writer: ByteWriter, request: CommandRequest): void {
  switch (request.type) {
    case "put":
    case "deleteRange":
    case "txn":
      writeOperation(writer, request);
      return;
    case "compact":
      writer.byte(compactTag);
      writer.signed(request.revision);
      writer.byte(request.physical ? 1 : 0);
      return;
    case "leaseGrant":
      writer.byte(leaseGrantTag);
      writer.id(request.leaseId);
      writer.signed(request.ttlSeconds);
      return;
    case "leaseRevoke":
      writer.byte(leaseRevokeTag);
      writer.id(request.leaseId);
      return;
    case "alarm":
      writer.byte(alarmTag);
      writer.byte(alarmActions.indexOf(request.action));
      writer.byte(alarmTypes.indexOf(request.alarm));
      writer.id(request.memberId);
      return;
    case "auth":
      writer.byte(authTag);
      writeAuthChange(writer, request.change);
      return;
    case "publishMember":
      writer.byte(publishMemberTag);
      writer.id(request.memberId);
      writer.text(request.name);
      writeTexts(writer, request.clientUrls);
      return;
    case "leaseCheckpoint":
      writer.byte(leaseCheckpointTag);
      writer.varint(request.checkpoints.length);
      for (const checkpoint of request.checkpoints) {
        writer.id(checkpoint.leaseId);
        writer.varint(checkpoint.remainingTtlSeconds);
      }
      return;
    case "memberVersion":
      writer.byte(memberVersionTag);
      writer.id(request.memberId);
      writer.text(request.version);
      return;
    case "clusterVersion":
      writer.byte(clusterVersionTag);
      writer.text(request.version);
      return;
    case "downgradeInfo":
      writer.byte(downgradeInfoTag);
      writer.byte(request.enabled ? 1 : 0);
      writer.text(request.targetVersion);
      return;
    case "memberAdd":
      writer.byte(memberAddTag);
      writer.id(request.memberId);
      writeTexts(writer, request.peerUrls);
      writer.byte(request.isLearner ? 1 : 0);
      writer.varint(request.learnersMax);
      return;
    case "memberRemove":
      writer.byte(memberRemoveTag);
      writer.id(request.memberId);
      return;
    case "memberUpdate":
      writer.byte(memberUpdateTag);
      writer.id(request.memberId);
      writeTexts(writer, request.peerUrls);
      return;
    case "memberPromote":
      writer.byte(memberPromoteTag);
      writer.id(request.memberId);
      return;
    case "memberReconfigure":
      writer.byte(reconfigureTag);
      writer.varint(request.add.length);
      for (const { memberId, peerUrls, isLearner } of request.add) {
        writer.id(memberId);
        writeTexts(writer, peerUrls);
        writer.byte(isLearner ? 1 : 0);
      }
      for (const ids of [request.remove, request.promote, request.demote]) writeIds(writer, ids);
      writer.varint(request.learnersMax);
      return;
    case "leaveJoint":
      writer.byte(leaveJointTag);
      return;
    default:
      unreachable(request);
  }
}

function writeIds(writer: ByteWriter, ids: readonly MemberId[]): void {
  writer.varint(ids.length);
  for (const id of ids) writer.id(id);
}

function writeTexts(writer: ByteWriter, texts: readonly string[]): void {
  writer.varint(texts.length);
  for (const text of texts) writer.text(text);
}

// ---- reading ---------------------------------------------------------------------------------------------------

function readRequest(reader: ByteReader): CommandRequest {
  const tag = reader.byte();
  switch (tag) {
    case compactTag: {
      const revision = reader.signed();
      return { type: "compact", revision, physical: reader.byte() === 1 };
    }
    case leaseGrantTag: {
      const leaseId = leaseIdOf(reader.signedId());
      return { type: "leaseGrant", leaseId, ttlSeconds: reader.signed() };
    }
    case leaseRevokeTag:
      return { type: "leaseRevoke", leaseId: leaseIdOf(reader.signedId()) };
    case alarmTag: {
      const action = pick(alarmActions, reader.byte());
      const alarm = pick(alarmTypes, reader.byte());
      return { type: "alarm", action, alarm, memberId: memberIdOf(reader.unsignedId()) };
    }
    case authTag:
      return { type: "auth", change: readAuthChange(reader) };
    case publishMemberTag: {
      const memberId = memberIdOf(reader.unsignedId());
      const name = reader.text();
      return { type: "publishMember", memberId, name, clientUrls: readTexts(reader) };
    }
    case leaseCheckpointTag: {
      const checkpoints: { leaseId: LeaseId; remainingTtlSeconds: number }[] = [];
      for (let left = reader.varint(); left > 0; left--) {
        const leaseId = leaseIdOf(reader.signedId());
        checkpoints.push({ leaseId, remainingTtlSeconds: reader.varint() });
      }
      return { type: "leaseCheckpoint", checkpoints };
    }
    case memberVersionTag: {
      const memberId = memberIdOf(reader.unsignedId());
      return { type: "memberVersion", memberId, version: reader.text() };
    }
    case clusterVersionTag:
      return { type: "clusterVersion", version: reader.text() };
    case downgradeInfoTag: {
      const enabled = reader.byte() === 1;
      return { type: "downgradeInfo", enabled, targetVersion: reader.text() };
    }
    case memberAddTag: {
      const memberId = memberIdOf(reader.unsignedId());
      const peerUrls = readTexts(reader);
      const isLearner = reader.byte() === 1;
      return { type: "memberAdd", memberId, peerUrls, isLearner, learnersMax: reader.varint() };
    }
    case memberRemoveTag:
      return { type: "memberRemove", memberId: memberIdOf(reader.unsignedId()) };
    case memberUpdateTag: {
      const memberId = memberIdOf(reader.unsignedId());
      return { type: "memberUpdate", memberId, peerUrls: readTexts(reader) };
    }
    case memberPromoteTag:
      return { type: "memberPromote", memberId: memberIdOf(reader.unsignedId()) };
    case reconfigureTag: {
      const add: ReconfigureCommand["add"][number][] = [];
      for (let left = reader.varint(); left > 0; left--) {
        const memberId = memberIdOf(reader.unsignedId());
        const peerUrls = readTexts(reader);
        add.push({ memberId, peerUrls, isLearner: reader.byte() === 1 });
      }
      const lists = { remove: readIds(reader), promote: readIds(reader), demote: readIds(reader) };
      return { type: "memberReconfigure", add, ...lists, learnersMax: reader.varint() };
    }
    case leaveJointTag:
      return { type: "leaveJoint" };
    default: {
      const operation = readOperation(reader, tag);
      assert(operation.type !== "range" && operation.type !== "empty", "a command is a write");
      return operation;
    }
  }
}

function readIds(reader: ByteReader): MemberId[] {
  const ids: MemberId[] = [];
  for (let left = reader.varint(); left > 0; left--) ids.push(memberIdOf(reader.unsignedId()));
  return ids;
}

function readTexts(reader: ByteReader): string[] {
  const texts: string[] = [];
  for (let left = reader.varint(); left > 0; left--) texts.push(reader.text());
  return texts;
}
