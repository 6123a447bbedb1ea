/*
 * Messages between members as bytes, for worlds whose network carries bytes: a version, a kind, then the fields in the
 * order of their types, and a checksum over all of it. Bytes that come from elsewhere are checked all through: what cannot
 * be a message, or what no member can mean, is `malformed`, never a throw and never half a message.
 *
 * The transport's own checksum has 16 bits, and whatever stands between two machines makes it anew: a bit that flips there
 * would be stored by one member and not by the others, each under a sound checksum of its own.
 */
import { unreachable } from "../assert.ts";
import { ByteWriter } from "../byte-io.ts";
import type { ByteSlab } from "../byte-slab.ts";
import { crc32cOfSlice } from "../crc32c.ts";
import type { MemberId, Term } from "../ids.ts";
import type { PeerMessage } from "../input.ts";
import type { CompactionHash } from "../mvcc/hash.ts";
import type { RaftMessage } from "../raft/message.ts";
import { UntrustedReader } from "../storage/untrusted-reader.ts";
import {
  readByteStrings,
  readCommitted,
  readConfiguration,
  readEntries,
  readHeld,
  readIndex,
  readLease,
  readMaybeSigned,
  readMember,
  readRefusal,
  readRegistrations,
  readRoll,
  readTerm,
  writeByteStrings,
  writeCommitted,
  writeConfiguration,
  writeEntries,
  writeFlag,
  writeHeld,
  writeMaybeSigned,
  writeRegistrations,
  writeRoll,
} from "./peer-parts.ts";

/** Raised with every change of a message's form: members of different versions do not understand each other. */
export const peerCodecVersion = 9;

const sumBytes = 4;

/** A kind's position here is its byte: only append to it. */
const kinds = [
  "preVote",
  "preVoteReply",
  "vote",
  "voteReply",
  "append",
  "appendAccepted",
  "appendRejected",
  "heartbeat",
  "heartbeatReply",
  "readIndex",
  "readIndexReply",
  "propose",
  "timeoutNow",
  "snapshotChunk",
  "snapshotChunkReply",
  "leaseRenew",
  "leaseRenewReply",
  "leaseQuery",
  "leaseQueryReply",
  "proposeConfiguration",
  "memberRemoved",
  "proposalRefused",
  "hello",
  "helloReply",
  "register",
  "registerReply",
  "hashQuery",
  "hashReply",
] as const satisfies readonly PeerMessage["type"][];
type ListedKind = (typeof kinds)[number];
/** Fails to compile when a message kind is missing above. */
const kindBytes: { readonly [Kind in PeerMessage["type"]]: number } = Object.fromEntries(
  kinds.map((kind, position) => [kind, position]),
) as { [Kind in ListedKind]: number };

export function encodePeerMessage(message: PeerMessage): Uint8Array {
  const writer = new ByteWriter(new Uint8Array(sizeGuess(message)));
  writer.byte(peerCodecVersion);
  writer.byte(kindBytes[message.type]);
  writer.id(message.from);
  writer.id(message.to);
  switch (message.type) {
    case "leaseRenew":
    case "leaseRenewReply":
    case "leaseQuery":
    case "leaseQueryReply":
    case "hashQuery":
    case "hashReply":
      writer.varint(message.callId);
      writer.varint(message.incarnation);
      break;
    case "memberRemoved":
    case "proposalRefused":
      break;
    default:
      writer.varint(message.term);
  }
  writeFields(writer, message);
  const end = writer.length;
  for (let left = sumBytes; left > 0; left--) writer.byte(0);
  const bytes = writer.finish();
  const sum = crc32cOfSlice(bytes, { from: 0, to: end });
  for (let position = 0; position < sumBytes; position++) bytes[end + position] = sum >>> (24 - 8 * position);
  return bytes;
}

/** Whether the last bytes are the checksum of those before. */
function isWhole(bytes: Uint8Array, end: number): boolean {
  if (end < 2) return false;
  const sum = crc32cOfSlice(bytes, { from: 0, to: end });
  for (let position = 0; position < sumBytes; position++) {
    if (bytes[end + position] !== ((sum >>> (24 - 8 * position)) & 255)) return false;
  }
  return true;
}

/**
 * The message; byte strings in it are copies, so the input may be used again. A slab, kept by the caller for all messages
 * of a connection, saves an allocation for each of them.
 */
export function decodePeerMessage(bytes: Uint8Array, slab?: ByteSlab): PeerMessage | { readonly malformed: string } {
  const version = bytes[0];
  if (version === undefined) return { malformed: "peer message is empty" };
  if (version !== peerCodecVersion) {
    return { malformed: `peer message has format version ${version}, expected ${peerCodecVersion}` };
  }
  const end = bytes.length - sumBytes;
  if (!isWhole(bytes, end)) return { malformed: "peer message was changed on its way: its checksum is wrong" };
  const reader = new UntrustedReader(bytes, { from: 1, to: end }, slab);
  const kindByte = reader.byte();
  const kind = kinds[kindByte];
  if (kind === undefined) return { malformed: `peer message has unknown kind ${kindByte}` };
  const message = readMessage(reader, kind);
  if (reader.failed) return { malformed: `peer message of kind ${kind} is cut short or has an impossible field` };
  if (!reader.complete) return { malformed: `peer message of kind ${kind} has bytes after its end` };
  return message;
}

function sizeGuess(message: PeerMessage): number {
  let size = 96;
  if (message.type === "append") {
    for (const entry of message.entries) size += entry.data.length + 24;
  } else if (message.type === "propose") {
    for (const command of message.commands) size += command.length + 8;
  } else if (message.type === "snapshotChunk") size += message.bytes.length + 128;
  return size;
}

function writeFields(writer: ByteWriter, message: PeerMessage): void {
  switch (message.type) {
    case "preVote":
      writer.varint(message.lastIndex);
      writer.varint(message.lastTerm);
      return;
    case "vote":
      writer.varint(message.lastIndex);
      writer.varint(message.lastTerm);
      writeFlag(writer, message.transfer);
      return;
    case "preVoteReply":
      writeFlag(writer, message.granted);
      writeCommitted(writer, message.committed);
      return;
    case "voteReply":
      writeFlag(writer, message.granted);
      writeCommitted(writer, message.committed);
      writer.varint(message.incarnation);
      writeRegistrations(writer, message.registrations);
      return;
    case "append":
      writer.varint(message.prevIndex);
      writer.varint(message.prevTerm);
      writer.varint(message.commitIndex);
      writer.varint(message.toIncarnation);
      writeEntries(writer, message.entries);
      return;
    case "appendAccepted":
      writer.varint(message.matchIndex);
      writer.varint(message.incarnation);
      writeFlag(writer, message.isRecovering);
      writeRegistrations(writer, message.registrations);
      return;
    case "appendRejected":
      writer.varint(message.rejectedIndex);
      writer.varint(message.hintIndex);
      writer.varint(message.hintTerm);
      writer.varint(message.incarnation);
      return;
    case "heartbeat":
      writer.varint(message.commitIndex);
      writer.varint(message.toIncarnation);
      writer.varint(message.readRound);
      writeHeld(writer, message.held);
      return;
    case "heartbeatReply":
      writer.varint(message.readRound);
      writer.varint(message.incarnation);
      writeFlag(writer, message.isRecovering);
      writer.varint(message.promisedMs);
      return;
    case "readIndex":
      writer.varint(message.readContext);
      writer.varint(message.incarnation);
      return;
    case "readIndexReply":
      writer.varint(message.readContext);
      writer.varint(message.incarnation);
      writer.varint(message.readIndex);
      return;
    case "propose":
      writer.varint(message.incarnation);
      writer.varint(message.sequence);
      writeByteStrings(writer, message.commands);
      return;
    case "proposeConfiguration":
      writer.varint(message.incarnation);
      writer.varint(message.sequence);
      writer.byteString(message.command);
      return;
    case "timeoutNow":
      writeCommitted(writer, message.committed);
      return;
    case "memberRemoved":
      return;
    case "proposalRefused":
      writer.varint(message.incarnation);
      writer.varint(message.proposal);
      writer.text(message.refusal);
      return;
    case "snapshotChunk":
      writer.varint(message.transferId);
      writer.varint(message.snapshotIndex);
      writer.varint(message.snapshotTerm);
      writeConfiguration(writer, message.configuration);
      writer.varint(message.chunk);
      writeFlag(writer, message.last);
      writer.byteString(message.bytes);
      return;
    case "snapshotChunkReply":
      writer.varint(message.transferId);
      writer.varint(message.nextChunk);
      return;
    case "hello":
      writer.varint(message.incarnation);
      return;
    case "register":
      writer.varint(message.incarnation);
      writer.varint(message.round);
      return;
    case "registerReply":
      writer.varint(message.incarnation);
      writer.varint(message.round);
      writer.varint(message.lastIndex);
      writer.varint(message.lastTerm);
      writeRoll(writer, message.roll);
      writeRegistrations(writer, message.registrations);
      return;
    case "helloReply":
      writer.varint(message.incarnation);
      writer.varint(message.seenTerm);
      writer.varint(message.heldIndex);
      writer.varint(message.heldTerm);
      writeFlag(writer, message.hasServed);
      writeFlag(writer, message.leads);
      writeRoll(writer, message.roll);
      writeRegistrations(writer, message.registrations);
      return;
    case "leaseRenew":
      writer.id(message.leaseId);
      return;
    case "leaseRenewReply":
      writeMaybeSigned(writer, message.ttlSeconds);
      return;
    case "leaseQuery":
      writer.id(message.leaseId);
      writeFlag(writer, message.keys);
      return;
    case "leaseQueryReply":
      writeMaybeSigned(writer, message.ttlSeconds);
      writer.signed(message.grantedTtlSeconds);
      writeByteStrings(writer, message.keys);
      return;
    case "hashQuery":
      writer.varint(message.index);
      writer.varint(message.revision);
      return;
    case "hashReply":
      writer.varint(message.appliedIndex);
      writer.varint(message.currentRevision);
      writer.signed(message.compactRevision);
      writeMaybeSigned(writer, message.hash);
      writer.varint(message.compactions.length);
      for (const { revision, hash } of message.compactions) {
        writer.varint(revision);
        writer.varint(hash);
      }
      return;
    default:
      unreachable(message);
  }
}

/** Fields are read in the order in which the object literals name them. Only meaningful unless the reader failed. */
function readMessage(reader: UntrustedReader, type: ListedKind): PeerMessage {
  const from = readMember(reader);
  const to = readMember(reader);
  switch (type) {
    case "leaseRenew":
      return { type, from, to, ...readCall(reader), leaseId: readLease(reader) };
    case "leaseRenewReply":
      return { type, from, to, ...readCall(reader), ttlSeconds: readMaybeSigned(reader) };
    case "leaseQuery":
      return { type, from, to, ...readCall(reader), leaseId: readLease(reader), keys: reader.flag() };
    case "leaseQueryReply": {
      const call = readCall(reader);
      const ttlSeconds = readMaybeSigned(reader);
      const grantedTtlSeconds = reader.signed();
      return { type, from, to, ...call, ttlSeconds, grantedTtlSeconds, keys: readByteStrings(reader) };
    }
    case "hashQuery":
      return { type, from, to, ...readCall(reader), index: readIndex(reader), revision: reader.varint() };
    case "hashReply": {
      const call = { ...readCall(reader), appliedIndex: readIndex(reader) };
      const currentRevision = reader.varint();
      const compactRevision = reader.signed();
      const hash = readMaybeSigned(reader);
      const compactions: CompactionHash[] = [];
      for (let left = reader.count(); left > 0 && !reader.failed; left--) {
        compactions.push({ revision: reader.varint(), hash: reader.varint() });
      }
      return { type, from, to, ...call, currentRevision, compactRevision, hash, compactions };
    }
    case "memberRemoved":
      return { type, from, to };
    case "proposalRefused": {
      const incarnation = reader.varint();
      return { type, from, to, incarnation, proposal: reader.varint(), refusal: readRefusal(reader) };
    }
    default:
      return readRaftMessage(reader, type, { from, to, term: readTerm(reader) });
  }
}

type RaftKind = Exclude<ListedKind, Exclude<PeerMessage, RaftMessage>["type"]>;

function readRaftMessage(
  reader: UntrustedReader,
  type: RaftKind,
  { from, to, term }: { readonly from: MemberId; readonly to: MemberId; readonly term: Term },
): PeerMessage {
  switch (type) {
    case "preVote":
      return { type, from, to, term, lastIndex: readIndex(reader), lastTerm: readTerm(reader) };
    case "vote": {
      const lastIndex = readIndex(reader);
      return { type, from, to, term, lastIndex, lastTerm: readTerm(reader), transfer: reader.flag() };
    }
    case "preVoteReply":
      return { type, from, to, term, granted: reader.flag(), committed: readCommitted(reader) };
    case "voteReply": {
      const said = { granted: reader.flag(), committed: readCommitted(reader) };
      return { type, from, to, term, ...said, incarnation: reader.varint(), registrations: readRegistrations(reader) };
    }
    case "append": {
      const prevIndex = readIndex(reader);
      const prevTerm = readTerm(reader);
      const commitIndex = readIndex(reader);
      const toIncarnation = reader.varint();
      const entries = readEntries(reader, { prevIndex, prevTerm, term });
      return { type, from, to, term, prevIndex, prevTerm, commitIndex, toIncarnation, entries };
    }
    case "appendAccepted": {
      const matchIndex = readIndex(reader);
      const life = { incarnation: reader.varint(), isRecovering: reader.flag() };
      return { type, from, to, term, matchIndex, ...life, registrations: readRegistrations(reader) };
    }
    case "appendRejected": {
      const rejectedIndex = readIndex(reader);
      const hint = { hintIndex: readIndex(reader), hintTerm: readTerm(reader) };
      return { type, from, to, term, rejectedIndex, ...hint, incarnation: reader.varint() };
    }
    case "heartbeat": {
      const commitIndex = readIndex(reader);
      const toIncarnation = reader.varint();
      return { type, from, to, term, commitIndex, toIncarnation, readRound: reader.varint(), held: readHeld(reader) };
    }
    case "heartbeatReply": {
      const readRound = reader.varint();
      const life = { incarnation: reader.varint(), isRecovering: reader.flag() };
      return { type, from, to, term, readRound, ...life, promisedMs: reader.varint() };
    }
    case "readIndex":
      return { type, from, to, term, readContext: reader.varint(), incarnation: reader.varint() };
    case "readIndexReply": {
      const readContext = reader.varint();
      return { type, from, to, term, readContext, incarnation: reader.varint(), readIndex: readIndex(reader) };
    }
    case "propose": {
      const incarnation = reader.varint();
      const sequence = reader.varint();
      return { type, from, to, term, incarnation, sequence, commands: readByteStrings(reader) };
    }
    case "proposeConfiguration": {
      const incarnation = reader.varint();
      return { type, from, to, term, incarnation, sequence: reader.varint(), command: reader.byteString() };
    }
    case "timeoutNow":
      return { type, from, to, term, committed: readCommitted(reader) };
    case "snapshotChunk": {
      const transferId = reader.varint();
      const snapshotIndex = readIndex(reader);
      const snapshotTerm = readTerm(reader);
      const configuration = readConfiguration(reader);
      const chunk = reader.varint();
      const last = reader.flag();
      const place = { transferId, snapshotIndex, snapshotTerm, configuration, chunk, last };
      return { type, from, to, term, ...place, bytes: reader.byteString() };
    }
    case "snapshotChunkReply":
      return { type, from, to, term, transferId: reader.varint(), nextChunk: reader.varint() };
    case "hello":
      return { type, from, to, term, incarnation: reader.varint() };
    case "register": {
      const incarnation = reader.varint();
      return { type, from, to, term, incarnation, round: reader.varint() };
    }
    case "registerReply": {
      const question = { incarnation: reader.varint(), round: reader.varint() };
      const end = { lastIndex: readIndex(reader), lastTerm: readTerm(reader) };
      const roll = readRoll(reader);
      return { type, from, to, term, ...question, ...end, roll, registrations: readRegistrations(reader) };
    }
    case "helloReply": {
      const life = { incarnation: reader.varint(), seenTerm: readTerm(reader) };
      const held = { heldIndex: readIndex(reader), heldTerm: readTerm(reader) };
      const flags = { hasServed: reader.flag(), leads: reader.flag() };
      const told = { ...life, ...held, ...flags, roll: readRoll(reader) };
      return { type, from, to, term, ...told, registrations: readRegistrations(reader) };
    }
    default:
      return unreachable(type);
  }
}

function readCall(reader: UntrustedReader): { callId: number; incarnation: number } {
  return { callId: reader.varint(), incarnation: reader.varint() };
}
