/*
 * The frame around everything in the log: bytes whose every damage shows. Not here: what a record means (log-record.ts).
 *
 *     0      1        5      9             13              17             21           25     26          26+length
 *     | kind | length | link | payload sum | solid segment | solid offset | header sum | mark | payload … | mark |
 *
 * The header sum covers the header and is bound to the place (segment sequence and offset) and to the log's owner, so a
 * record that stands anywhere else is no record. `link` is the header sum of the record before it, across segments, so
 * a record that is missing from between two others shows. Header and payload have sums of their own: a damaged
 * payload does not hide where the next record begins.
 *
 * Kind and marks are never zero. A write that was cut short by a crash leaves zeros, or nothing, at the end of the
 * record or in whole sectors of it. A header that begins and ends with something, and a payload that ends with something
 * and has no empty sector, were written completely: if their sums are wrong they were damaged later. That is how a torn
 * write is told from bit rot. Only a last record whose payload has a whole sector of zeros can be taken for torn.
 */
import { crc32cOfSlice, crc32cOfView } from "../crc32c.ts";

/** A place in the log: `offset` bytes into the segment of that sequence. Ordered by sequence, then offset. */
export interface LogPosition {
  readonly sequence: number;
  readonly offset: number;
}

export const comparePositions = (a: LogPosition, b: LogPosition): number =>
  a.sequence === b.sequence ? a.offset - b.offset : a.sequence - b.sequence;

/** `segment` begins a segment, `write` holds entries and hard state, `base` moves the log's beginning. */
export type RecordKind = "segment" | "write" | "base";

export const headerBytes = 26;
/** Bytes of a record that are not payload. */
export const recordOverheadBytes = headerBytes + 1;

const lengthOffset = 1;
const linkOffset = 5;
const payloadSumOffset = 9;
const solidOffset = 13;
const sumOffset = 21;
const markOffset = 25;
const mark = 0x5a;
const sectorBytes = 512;

// Letters differ from zero, and from each other, in more than one bit.
const kindBytes: { readonly [Kind in RecordKind]: number } = { segment: 0x53, write: 0x57, base: 0x42 };
const kindOfByte = (byte: number): RecordKind | undefined =>
  byte === 0x57 ? "write" : byte === 0x53 ? "segment" : byte === 0x42 ? "base" : undefined;

/** What seals a record besides its own bytes. */
export interface Seal {
  readonly kind: RecordKind;
  readonly place: LogPosition;
  /** Checksum of the owner's ids; 0 for a `segment` record, which is where a reader learns the owner. */
  readonly owner: number;
  /** Header sum of the record before this one; 0 for the first one ever. */
  readonly link: number;
  /** Everything before this position was durable when the record was written. */
  readonly solid: LogPosition;
}

/**
 * Fills in header and end mark of a record that takes all of `bytes`, whose payload is already in place.
 *
 * @returns the header sum: the link of the next record
 */
export function sealRecord(bytes: Uint8Array, seal: Seal): number {
  const payload = { from: headerBytes, to: bytes.length - 1 };
  const kind = kindBytes[seal.kind];
  bytes[0] = kind;
  write32(bytes, lengthOffset, payload.to - payload.from);
  write32(bytes, linkOffset, seal.link);
  write32(bytes, payloadSumOffset, crc32cOfSlice(bytes, payload));
  write32(bytes, solidOffset, seal.solid.sequence);
  write32(bytes, solidOffset + 4, seal.solid.offset);
  const sum = crc32cOfSlice(
    bytes,
    { from: lengthOffset, to: sumOffset },
    seedOf(seal.place.sequence, seal.place.offset, kind, seal.owner),
  );
  write32(bytes, sumOffset, sum);
  bytes[markOffset] = mark;
  bytes[payload.to] = mark;
  return sum;
}

export interface FoundRecord {
  readonly kind: RecordKind;
  readonly payload: { readonly from: number; readonly to: number };
  readonly link: number;
  readonly solid: LogPosition;
  /** Header sum: what the next record links to. */
  readonly sum: number;
  /** Offset behind this record. */
  readonly next: number;
}

/** The record that stands whole and undamaged at that place of the owner's log; undefined when there is none. */
export function recordAt(bytes: Uint8Array, place: LogPosition, owner: number): FoundRecord | undefined {
  const reader = new RecordReader(bytes, place.sequence);
  return reader.read(place.offset, owner) ? reader : undefined;
}

/** Reads the records of one segment, however many, without an object for each: it is the record it read last. */
export class RecordReader implements FoundRecord {
  kind: RecordKind = "write";
  /** The payload is at payloadFrom ≤ offset < payloadTo. */
  payloadFrom = 0;
  payloadTo = 0;
  link = 0;
  solidSequence = 0;
  solidOffset = 0;
  sum = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #sequence: number;

  constructor(bytes: Uint8Array, sequence: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#sequence = sequence;
  }

  get payload(): { readonly from: number; readonly to: number } {
    return { from: this.payloadFrom, to: this.payloadTo };
  }
  get solid(): LogPosition {
    return { sequence: this.solidSequence, offset: this.solidOffset };
  }
  get next(): number {
    return this.payloadTo + 1;
  }

  /** Whether a record of that owner stands whole and undamaged there. When none does, the fields mean nothing. */
  read(offset: number, owner: number): boolean {
    if (!this.readHeader(offset, owner)) return false;
    const view = this.#view;
    const { payloadFrom, payloadTo } = this;
    if (payloadTo >= view.byteLength || this.#bytes[payloadTo] !== mark) return false;
    if (crc32cOfView(view, payloadFrom, payloadTo) !== view.getUint32(offset + payloadSumOffset)) return false;
    this.link = view.getUint32(offset + linkOffset);
    this.solidSequence = view.getUint32(offset + solidOffset);
    this.solidOffset = view.getUint32(offset + solidOffset + 4);
    return true;
  }

  /**
   * Whether a sound header stands there, for passing by many: kind, payload and next are what it says, and may lie
   * beyond the bytes.
   */
  readHeader(offset: number, owner: number): boolean {
    const bytes = this.#bytes;
    const view = this.#view;
    if (offset + headerBytes > view.byteLength) return false;
    const kindByte = bytes[offset] as number;
    const kind = kindOfByte(kindByte);
    if (kind === undefined || bytes[offset + markOffset] !== mark) return false;
    const seed = seedOf(this.#sequence, offset, kindByte, owner);
    const sum = crc32cOfView(view, offset + lengthOffset, offset + sumOffset, seed);
    if (sum !== view.getUint32(offset + sumOffset)) return false;
    this.kind = kind;
    this.payloadFrom = offset + headerBytes;
    this.payloadTo = offset + headerBytes + view.getUint32(offset + lengthOffset);
    this.sum = sum;
    return true;
  }
}

/**
 * Where a record that begins there would end by what its header says, whoever's it is; undefined: none begins there. No
 * sum is looked at, so it is for finding places, never for reading.
 */
export function frameEnd(bytes: Uint8Array, offset: number): number | undefined {
  if (offset + headerBytes > bytes.length || kindOfByte(bytes[offset] as number) === undefined) return undefined;
  return offset + recordOverheadBytes + read32(bytes, offset + lengthOffset);
}

/** What kind of record its first byte says begins there; undefined: none does. */
export function recordKindAt(bytes: Uint8Array, offset: number): RecordKind | undefined {
  return kindOfByte(bytes[offset] as number);
}

/** Nothing but zeros from there on, or nothing at all: the log ends here. */
export function endsAt(bytes: Uint8Array, offset: number): boolean {
  return allZero(bytes, offset, bytes.length);
}

/**
 * For a place where no record stands whole: could a write cut short by a crash have left this? False means that the
 * record was complete once and was damaged later.
 */
export function looksTorn(bytes: Uint8Array, place: LogPosition, owner: number): boolean {
  const at = place.offset;
  const record = new RecordReader(bytes, place.sequence);
  if (!record.readHeader(at, owner)) {
    const end = at + headerBytes;
    return end > bytes.length || bytes[end - 1] === 0 || hasEmptySector(bytes, at, end);
  }
  const { payloadFrom, payloadTo } = record;
  if (payloadTo >= bytes.length || bytes[payloadTo] === 0) return true;
  // The header is sound, so its last sector was written: only whole sectors after it may be missing.
  const afterHeader = Math.ceil(payloadFrom / sectorBytes) * sectorBytes;
  return hasEmptySector(bytes, afterHeader, payloadTo + 1);
}

/** Whether any whole record from that place to the end of the segment says that `place` was durable, and more. */
export function saysDurable(
  bytes: Uint8Array,
  from: LogPosition,
  { owner, place }: { readonly owner: number; readonly place: LogPosition },
): boolean {
  const record = new RecordReader(bytes, from.sequence);
  for (let offset = from.offset; offset + recordOverheadBytes <= bytes.length; ) {
    const kind = kindOfByte(bytes[offset] as number);
    const isWhole = kind !== undefined && record.read(offset, kind === "segment" ? 0 : owner);
    if (isWhole && comparePositions(record.solid, place) > 0) return true;
    offset = isWhole ? record.next : offset + 1;
  }
  return false;
}

/** Different for every kind, every offset of a segment and (as far as 32 bits reach) every segment and owner. */
function seedOf(sequence: number, offset: number, kind: number, owner: number): number {
  return (owner ^ Math.imul(sequence + 1, 0x9e3779b1) ^ Math.imul(kind, 0x85ebca6b) ^ offset) >>> 0;
}

/** Is some part of from ≤ offset < to that lies in one sector all zero? */
function hasEmptySector(bytes: Uint8Array, from: number, to: number): boolean {
  for (let start = from; start < to; ) {
    const end = Math.min(to, start - (start % sectorBytes) + sectorBytes);
    if (allZero(bytes, start, end)) return true;
    start = end;
  }
  return false;
}

function allZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let offset = from; offset < to; offset++) {
    if (bytes[offset] !== 0) return false;
  }
  return true;
}

function write32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}

function read32(bytes: Uint8Array, offset: number): number {
  return (
    (((bytes[offset] as number) << 24) |
      ((bytes[offset + 1] as number) << 16) |
      ((bytes[offset + 2] as number) << 8) |
      (bytes[offset + 3] as number)) >>>
    0
  );
}
