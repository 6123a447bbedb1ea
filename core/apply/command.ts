/*
 * Replicated commands and their bytes in the log. A command names the proposal it answers, so that the member that
 * proposed it finds the waiting client. The form is our own (versioned, hand-written for speed): the first byte is the
 * version, then the proposal, then the request with a tag before every variant. Decoded keys and values are views of
 * the entry's bytes.
 */
import { assert, unreachable } from "../assert.ts";
import { ByteReader, ByteWriter } from "../byte-io.ts";
import type { ByteSlab } from "../byte-slab.ts";
import { type LeaseId, leaseIdOf, type MemberId, memberIdOf, noLease } from "../ids.ts";
import type {
  AlarmRequest,
  AlarmType,
  CompactRequest,
  Compare,
  CompareOperand,
  CompareResult,
  DeleteRangeRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  PutRequest,
  RangeRequest,
  SortOrder,
  SortTarget,
  TxnOperation,
  TxnRequest,
} from "../request.ts";

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

/** The primary's word on the time left of some leases. */
export interface LeaseCheckpointRequest {
  readonly type: "leaseCheckpoint";
  readonly checkpoints: readonly { readonly leaseId: LeaseId; readonly remainingTtlSeconds: number }[];
}

export type CommandRequest =
  | PutRequest
  | DeleteRangeRequest
  | TxnRequest
  | CompactRequest
  | LeaseGrantRequest
  | LeaseRevokeRequest
  | AlarmRequest
  | PublishMemberRequest
  | LeaseCheckpointRequest;

export interface Command {
  readonly id: ProposalId;
  readonly request: CommandRequest;
}

const version = 1;
/** Version, origin, incarnation, sequence, and room for one more number. */
const proposalBytesMax = 1 + 8 + 8 + 8 + 8;

const putTag = 1;
const deleteRangeTag = 2;
const txnTag = 3;
const compactTag = 4;
const leaseGrantTag = 5;
const leaseRevokeTag = 6;
const alarmTag = 7;
const publishMemberTag = 8;
const leaseCheckpointTag = 9;
const rangeTag = 10;
const emptyTag = 11;

/** Position in these lists is the byte: append only. */
const sortOrders: readonly SortOrder[] = ["none", "ascend", "descend", "unknown"];
const sortTargets: readonly SortTarget[] = ["key", "version", "create", "mod", "value", "unknown"];
const compareResults: readonly CompareResult[] = ["equal", "greater", "less", "notEqual", "unknown"];
const compareTargets: readonly CompareOperand["target"][] = ["version", "create", "mod", "value", "lease", "unknown"];
const alarmTypes: readonly AlarmType[] = ["none", "noSpace", "corrupt"];
const alarmActions: readonly AlarmRequest["action"][] = ["get", "activate", "deactivate"];

const prevKvFlag = 1;
const ignoreValueFlag = 2;
const ignoreLeaseFlag = 4;
const leaseFlag = 8;
const rangeEndFlag = 16;
const serializableFlag = 2;
const keysOnlyFlag = 4;
const countOnlyFlag = 8;
const filtersFlag = 32;

/** The slab, when given, saves an allocation of its own for every command. */
export function encodeCommand(command: Command, slab?: ByteSlab): Uint8Array {
  const { id, request } = command;
  const expectedBytes = proposalBytesMax + sizeHint(request);
  const writer = new ByteWriter(slab === undefined ? new Uint8Array(expectedBytes) : slab.take(expectedBytes));
  writer.byte(version);
  writer.id(id.origin);
  writer.varint(id.incarnation);
  writer.varint(id.sequence);
  writeRequest(writer, request);
  return writer.finish();
}

/** Inverse of {@link encodeCommand}; other bytes are a broken invariant, as the log checks its own integrity. */
export function decodeCommand(bytes: Uint8Array): Command {
  const reader = new ByteReader(bytes);
  const found = reader.byte();
  assert(found === version, "a command has a version this member knows", found);
  const origin = memberIdOf(reader.unsignedId());
  const incarnation = reader.varint();
  const sequence = reader.varint();
  const request = readRequest(reader);
  assert(reader.atEnd, "a command ends where its bytes end");
  return { id: { origin, incarnation, sequence }, request };
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
    case "publishMember":
      writer.byte(publishMemberTag);
      writer.id(request.memberId);
      writer.text(request.name);
      writer.varint(request.clientUrls.length);
      for (const url of request.clientUrls) writer.text(url);
      return;
    case "leaseCheckpoint":
      writer.byte(leaseCheckpointTag);
      writer.varint(request.checkpoints.length);
      for (const checkpoint of request.checkpoints) {
        writer.id(checkpoint.leaseId);
        writer.varint(checkpoint.remainingTtlSeconds);
      }
      return;
    default:
      unreachable(request);
  }
}

function writeOperation(writer: ByteWriter, operation: TxnOperation): void {
  switch (operation.type) {
    case "put":
      writePut(writer, operation);
      return;
    case "deleteRange":
      writer.byte(deleteRangeTag);
      writer.byte((operation.prevKv ? prevKvFlag : 0) | (operation.rangeEnd === undefined ? 0 : rangeEndFlag));
      writer.byteString(operation.key);
      if (operation.rangeEnd !== undefined) writer.byteString(operation.rangeEnd);
      return;
    case "range":
      writeRange(writer, operation);
      return;
    case "txn":
      writer.byte(txnTag);
      writer.varint(operation.compares.length);
      for (const compare of operation.compares) writeCompare(writer, compare);
      writer.varint(operation.success.length);
      for (const inner of operation.success) writeOperation(writer, inner);
      writer.varint(operation.failure.length);
      for (const inner of operation.failure) writeOperation(writer, inner);
      return;
    case "empty":
      writer.byte(emptyTag);
      return;
    default:
      unreachable(operation);
  }
}

function writePut(writer: ByteWriter, request: PutRequest): void {
  writer.byte(putTag);
  writer.byte(
    (request.prevKv ? prevKvFlag : 0) |
      (request.ignoreValue ? ignoreValueFlag : 0) |
      (request.ignoreLease ? ignoreLeaseFlag : 0) |
      (request.lease === noLease ? 0 : leaseFlag),
  );
  writer.byteString(request.key);
  writer.byteString(request.value);
  if (request.lease !== noLease) writer.id(request.lease);
}

function writeRange(writer: ByteWriter, request: RangeRequest): void {
  const filtered =
    request.minModRevision !== 0 ||
    request.maxModRevision !== 0 ||
    request.minCreateRevision !== 0 ||
    request.maxCreateRevision !== 0;
  writer.byte(rangeTag);
  writer.byte(
    (request.serializable ? serializableFlag : 0) |
      (request.keysOnly ? keysOnlyFlag : 0) |
      (request.countOnly ? countOnlyFlag : 0) |
      (request.rangeEnd === undefined ? 0 : rangeEndFlag) |
      (filtered ? filtersFlag : 0),
  );
  writer.byteString(request.key);
  if (request.rangeEnd !== undefined) writer.byteString(request.rangeEnd);
  writer.signed(request.limit);
  writer.signed(request.revision);
  writer.byte(sortOrders.indexOf(request.sortOrder) * 16 + sortTargets.indexOf(request.sortTarget));
  if (!filtered) return;
  writer.signed(request.minModRevision);
  writer.signed(request.maxModRevision);
  writer.signed(request.minCreateRevision);
  writer.signed(request.maxCreateRevision);
}

function writeCompare(writer: ByteWriter, compare: Compare): void {
  const { operand } = compare;
  writer.byte(compareResults.indexOf(compare.result) * 16 + compareTargets.indexOf(operand.target));
  writer.byte(compare.rangeEnd === undefined ? 0 : rangeEndFlag);
  writer.byteString(compare.key);
  if (compare.rangeEnd !== undefined) writer.byteString(compare.rangeEnd);
  switch (operand.target) {
    case "version":
    case "create":
    case "mod":
      writer.signed(operand.number);
      return;
    case "value":
      writer.byteString(operand.value);
      return;
    case "lease":
      writer.id(operand.lease);
      return;
    case "unknown":
      return;
    default:
      unreachable(operand);
  }
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
    case publishMemberTag: {
      const memberId = memberIdOf(reader.unsignedId());
      const name = reader.text();
      const clientUrls: string[] = [];
      for (let left = reader.varint(); left > 0; left--) clientUrls.push(reader.text());
      return { type: "publishMember", memberId, name, clientUrls };
    }
    case leaseCheckpointTag: {
      const checkpoints: { leaseId: LeaseId; remainingTtlSeconds: number }[] = [];
      for (let left = reader.varint(); left > 0; left--) {
        const leaseId = leaseIdOf(reader.signedId());
        checkpoints.push({ leaseId, remainingTtlSeconds: reader.varint() });
      }
      return { type: "leaseCheckpoint", checkpoints };
    }
    default: {
      const operation = readOperation(reader, tag);
      assert(operation.type !== "range" && operation.type !== "empty", "a command is a write");
      return operation;
    }
  }
}

function readOperation(reader: ByteReader, tag: number): TxnOperation {
  switch (tag) {
    case putTag:
      return readPut(reader);
    case deleteRangeTag: {
      const flags = reader.byte();
      const key = reader.byteString();
      const rangeEnd = flags & rangeEndFlag ? reader.byteString() : undefined;
      return { type: "deleteRange", key, rangeEnd, prevKv: (flags & prevKvFlag) !== 0 };
    }
    case rangeTag:
      return readRange(reader);
    case txnTag: {
      const compares: Compare[] = [];
      for (let left = reader.varint(); left > 0; left--) compares.push(readCompare(reader));
      const success = readOperations(reader);
      const failure = readOperations(reader);
      return { type: "txn", compares, success, failure };
    }
    default:
      assert(tag === emptyTag, "a command holds kinds this member knows", tag);
      return { type: "empty" };
  }
}

function readOperations(reader: ByteReader): TxnOperation[] {
  const operations: TxnOperation[] = [];
  for (let left = reader.varint(); left > 0; left--) operations.push(readOperation(reader, reader.byte()));
  return operations;
}

function readPut(reader: ByteReader): PutRequest {
  const flags = reader.byte();
  const key = reader.byteString();
  const value = reader.byteString();
  return {
    type: "put",
    key,
    value,
    lease: flags & leaseFlag ? leaseIdOf(reader.signedId()) : noLease,
    prevKv: (flags & prevKvFlag) !== 0,
    ignoreValue: (flags & ignoreValueFlag) !== 0,
    ignoreLease: (flags & ignoreLeaseFlag) !== 0,
  };
}

function readRange(reader: ByteReader): RangeRequest {
  const flags = reader.byte();
  const key = reader.byteString();
  const rangeEnd = flags & rangeEndFlag ? reader.byteString() : undefined;
  const limit = reader.signed();
  const revision = reader.signed();
  const sort = reader.byte();
  const filtered = (flags & filtersFlag) !== 0;
  return {
    type: "range",
    key,
    rangeEnd,
    limit,
    revision,
    sortOrder: pick(sortOrders, sort >> 4),
    sortTarget: pick(sortTargets, sort & 15),
    serializable: (flags & serializableFlag) !== 0,
    keysOnly: (flags & keysOnlyFlag) !== 0,
    countOnly: (flags & countOnlyFlag) !== 0,
    minModRevision: filtered ? reader.signed() : 0,
    maxModRevision: filtered ? reader.signed() : 0,
    minCreateRevision: filtered ? reader.signed() : 0,
    maxCreateRevision: filtered ? reader.signed() : 0,
  };
}

function readCompare(reader: ByteReader): Compare {
  const kind = reader.byte();
  const flags = reader.byte();
  const key = reader.byteString();
  const rangeEnd = flags & rangeEndFlag ? reader.byteString() : undefined;
  return { key, rangeEnd, result: pick(compareResults, kind >> 4), operand: readOperand(reader, kind & 15) };
}

function readOperand(reader: ByteReader, target: number): CompareOperand {
  const name = pick(compareTargets, target);
  switch (name) {
    case "version":
    case "create":
    case "mod":
      return { target: name, number: reader.signed() };
    case "value":
      return { target: name, value: reader.byteString() };
    case "lease":
      return { target: name, lease: leaseIdOf(reader.signedId()) };
    case "unknown":
      return { target: name };
    default:
      return unreachable(name);
  }
}

function pick<Name>(names: readonly Name[], position: number): Name {
  const name = names[position];
  assert(name !== undefined, "a command holds kinds this member knows", position);
  return name;
}
