/*
 * What the records of the log mean, and their payload bytes. Not here: the frame (record.ts), and the order in which
 * records make sense (recovery.ts).
 */
import { assert } from "../assert.ts";
import { ByteWriter, writeId } from "../byte-io.ts";
import type { ByteSlab } from "../byte-slab.ts";
import { crc32c } from "../crc32c.ts";
import {
  type ClusterId,
  clusterIdOf,
  indexOf,
  type LogIndex,
  type MemberId,
  memberIdOf,
  noIndex,
  type Term,
  termOf,
} from "../ids.ts";
import { noRegistrations } from "../raft/hard-state.ts";
import type { Entry, EntryKind, HardState, Registration } from "../raft/message.ts";
import { headerBytes, recordOverheadBytes, type Seal, sealRecord } from "./record.ts";
import { UntrustedReader } from "./untrusted-reader.ts";

/** Whose log it is. */
export interface LogIdentity {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
}

/** A segment as read from the disk: its name and all its bytes, zeros of preallocated space included. */
export interface LogSegment {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** An entry's place, or (0, 0) before the first. */
export interface LogBase {
  readonly index: LogIndex;
  readonly term: Term;
}

/** Raised with every change of a payload's form. */
export const formatVersion = 1;

/** First record of a segment. It repeats what older segments said, so that they can be dropped. */
export interface SegmentStart {
  readonly version: number;
  readonly identity: LogIdentity;
  readonly sequence: number;
  /** Segments of a lower sequence do not count any more: they may be missing. Its own sequence where a log begins. */
  readonly neededFrom: number;
  /** The entry before the first one that this segment can hold. */
  readonly base: LogBase;
  readonly hardState: HardState;
}

/** What one write added. Entries have consecutive indexes and cut off whatever stood at or after the first. */
export interface LogWrite {
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
}

/** Entries up to `base` are no longer needed. */
export interface BaseMoved {
  readonly base: LogBase;
  /** Segments of a lower sequence are no longer needed: they may be missing. */
  readonly neededFrom: number;
}

/** `<sequence>-<first index>.wal`, both 16 hex digits, so that the order of names is the order of segments. */
export const segmentName = (sequence: number, firstIndex: number): string =>
  `${sequence.toString(16).padStart(16, "0")}-${firstIndex.toString(16).padStart(16, "0")}.wal`;

/** Inverse of {@link segmentName}; undefined for any other name. */
export function parseSegmentName(name: string): { sequence: number; firstIndex: number } | undefined {
  const match = /^([0-9a-f]{16})-([0-9a-f]{16})\.wal$/.exec(name);
  if (match === null) return undefined;
  const sequence = Number.parseInt(match[1] ?? "", 16);
  const firstIndex = Number.parseInt(match[2] ?? "", 16);
  return Number.isSafeInteger(sequence) && Number.isSafeInteger(firstIndex) ? { sequence, firstIndex } : undefined;
}

/** The part of a {@link Seal} that says whose record it is; never used for `segment` records. */
export function ownerOf(identity: LogIdentity): number {
  const bytes = new Uint8Array(16);
  writeId(bytes, 0, identity.clusterId);
  writeId(bytes, 8, identity.memberId);
  return crc32c(bytes);
}

/** A sealed record, ready to be appended, and the link for the next one. */
export interface SealedRecord {
  readonly bytes: Uint8Array;
  readonly sum: number;
}

export function encodeSegmentStart(start: SegmentStart, seal: Seal): SealedRecord {
  const writer = beginRecord(96);
  writer.varint(start.version);
  writer.id(start.identity.clusterId);
  writer.id(start.identity.memberId);
  writer.varint(start.sequence);
  writer.varint(start.neededFrom);
  writeBase(writer, start.base);
  writeHardState(writer, start.hardState);
  return endRecord(writer, seal);
}

/** The version alone when it is not ours: the rest then has an unknown form. Undefined: not a segment start. */
export function decodeSegmentStart(
  bytes: Uint8Array,
  payload: { readonly from: number; readonly to: number },
): SegmentStart | { readonly version: number; readonly identity: undefined } | undefined {
  const reader = new UntrustedReader(bytes, payload);
  const version = reader.varint();
  if (version !== formatVersion) return reader.failed ? undefined : { version, identity: undefined };
  const identity = { clusterId: clusterIdOf(reader.id()), memberId: memberIdOf(reader.id()) };
  const sequence = reader.varint();
  const neededFrom = reader.varint();
  const base = readBase(reader);
  const hardState = readHardState(reader);
  return reader.complete ? { version, identity, sequence, neededFrom, base, hardState } : undefined;
}

/** Upper bound of the bytes an entry takes in a record. */
export const entryBytesMax = (entry: Entry): number => entry.data.length + 16;
/** Upper bound of the bytes a `write` record takes besides its entries. */
export const writeOverheadBytesMax = (hardState: HardState | undefined): number =>
  recordOverheadBytes + 48 + (hardState === undefined ? 0 : hardState.registrations.length * 16);

/** Entries from ≤ position < to of the write, and its hard state when it is given. The bytes are a piece of the slab. */
export function encodeWrite(
  hardState: HardState | undefined,
  entries: readonly Entry[],
  slice: { readonly from: number; readonly to: number },
  seal: Seal,
  slab: ByteSlab,
): SealedRecord {
  let sizeBytes = writeOverheadBytesMax(hardState);
  for (let position = slice.from; position < slice.to; position++) {
    sizeBytes += entryBytesMax(entries[position] as Entry);
  }
  const writer = new ByteWriter(slab.take(sizeBytes), headerBytes);
  writer.byte(hardState === undefined ? 0 : 1);
  if (hardState !== undefined) writeHardState(writer, hardState);
  writer.varint(slice.to - slice.from);
  if (slice.to > slice.from) writer.varint((entries[slice.from] as Entry).index);
  for (let position = slice.from; position < slice.to; position++) {
    const entry = entries[position] as Entry;
    writer.byte(entry.kind === "command" ? 1 : entry.kind === "configuration" ? 2 : 0);
    writer.varint(entry.term);
    writer.byteString(entry.data);
  }
  return endRecord(writer, seal);
}

/** What a write says before its entries. One object reads many of them: it is the head it read last. */
export class WriteHead {
  /** Where the hard state begins; −1: the write has none. */
  hardStateFrom = -1;
  /** So many entries follow. */
  count = 0;
  /** 0 when there are no entries. */
  firstIndex: LogIndex = noIndex;

  /** `reader` may have failed, and is behind it. */
  read(reader: UntrustedReader): void {
    const hasHardState = reader.flag();
    this.hardStateFrom = hasHardState ? reader.position : -1;
    if (hasHardState) passHardState(reader);
    this.count = reader.count();
    this.firstIndex = indexOf(this.count > 0 ? reader.varint() : 0);
  }
}

/** One entry of a write; undefined when none can be read there. Its data are a copy, a piece of the reader's slab. */
export function readEntry(reader: UntrustedReader, index: LogIndex): Entry | undefined {
  const kind = entryKinds[reader.byte()];
  const term = termOf(reader.varint());
  const data = reader.byteString();
  return kind === undefined || reader.failed ? undefined : { index, term, kind, data };
}

/** Passes by an entry without making it. @returns its term; undefined when none can be read there */
export function passEntry(reader: UntrustedReader): Term | undefined {
  const kind = entryKinds[reader.byte()];
  const term = termOf(reader.varint());
  reader.passByteString();
  return kind === undefined || reader.failed ? undefined : term;
}

/** undefined: not a write. Entry data are copies, pieces of the slab. */
export function decodeWrite(
  bytes: Uint8Array,
  payload: { readonly from: number; readonly to: number },
  slab: ByteSlab,
): LogWrite | undefined {
  const reader = new UntrustedReader(bytes, payload, slab);
  const head = new WriteHead();
  head.read(reader);
  const entries: Entry[] = [];
  for (let position = 0; position < head.count; position++) {
    const entry = readEntry(reader, indexOf(head.firstIndex + position));
    if (entry === undefined) return undefined;
    entries.push(entry);
  }
  if (!reader.complete) return undefined;
  return { hardState: head.hardStateFrom < 0 ? undefined : hardStateAt(bytes, head.hardStateFrom), entries };
}

export function encodeBaseMoved(moved: BaseMoved, seal: Seal): SealedRecord {
  const writer = beginRecord(baseRecordBytesMax);
  writeBase(writer, moved.base);
  writer.varint(moved.neededFrom);
  return endRecord(writer, seal);
}

export const baseRecordBytesMax = recordOverheadBytes + 32;

/** undefined: not a moved base. */
export function decodeBaseMoved(
  bytes: Uint8Array,
  payload: { readonly from: number; readonly to: number },
): BaseMoved | undefined {
  const reader = new UntrustedReader(bytes, payload);
  const moved = { base: readBase(reader), neededFrom: reader.varint() };
  return reader.complete ? moved : undefined;
}

const entryKinds: readonly EntryKind[] = ["empty", "command", "configuration"];

/** The header is filled in when the record is sealed. */
const beginRecord = (sizeBytes: number): ByteWriter => new ByteWriter(new Uint8Array(sizeBytes), headerBytes);

function endRecord(writer: ByteWriter, seal: Seal): SealedRecord {
  writer.byte(0);
  const bytes = writer.finish();
  return { bytes, sum: sealRecord(bytes, seal) };
}

function writeBase(writer: ByteWriter, base: LogBase): void {
  writer.varint(base.index);
  writer.varint(base.term);
}

function readBase(reader: UntrustedReader): LogBase {
  return { index: indexOf(reader.varint()), term: termOf(reader.varint()) };
}

/** Which parts of a hard state follow. */
const hasVote = 1;
const hasList = 2;
const recovering = 4;

function writeHardState(writer: ByteWriter, hardState: HardState): void {
  writer.varint(hardState.term);
  writer.varint(hardState.commitIndex);
  const { votedFor, registrations, isRecovering } = hardState;
  const hasRegistrations = registrations.length > 0;
  writer.byte(
    (votedFor === undefined ? 0 : hasVote) | (hasRegistrations ? hasList : 0) | (isRecovering ? recovering : 0),
  );
  if (votedFor !== undefined) writer.id(votedFor);
  if (!hasRegistrations) return;
  writer.varint(registrations.length);
  for (const { memberId, incarnation } of registrations) {
    writer.id(memberId);
    writer.varint(incarnation);
  }
}

function readHardState(reader: UntrustedReader): HardState {
  const term = termOf(reader.varint());
  const commitIndex = indexOf(reader.varint());
  const flags = reader.byte();
  if (flags > (hasVote | hasList | recovering)) reader.reject();
  const votedFor = (flags & hasVote) !== 0 ? memberIdOf(reader.id()) : undefined;
  const registrations = (flags & hasList) !== 0 ? readRegistrations(reader) : noRegistrations;
  return { term, votedFor, commitIndex, registrations, isRecovering: (flags & recovering) !== 0 };
}

/** The hard state of a write that was read once. */
export function hardStateAt(bytes: Uint8Array, from: number): HardState {
  const reader = new UntrustedReader(bytes, { from, to: bytes.length });
  const hardState = readHardState(reader);
  assert(!reader.failed, "a hard state that was read once can be read again", from);
  return hardState;
}

/** Passes by a hard state without making it: fails where {@link readHardState} does. */
function passHardState(reader: UntrustedReader): void {
  reader.varint();
  reader.varint();
  const flags = reader.byte();
  if (flags > (hasVote | hasList | recovering)) reader.reject();
  if ((flags & hasVote) !== 0) reader.passId();
  if ((flags & hasList) === 0) return;
  for (let left = reader.count(); left > 0 && !reader.failed; left--) {
    reader.passId();
    reader.varint();
  }
}

function readRegistrations(reader: UntrustedReader): readonly Registration[] {
  const registrations: Registration[] = [];
  for (let left = reader.count(); left > 0 && !reader.failed; left--) {
    registrations.push({ memberId: memberIdOf(reader.id()), incarnation: reader.varint() });
  }
  return registrations;
}
