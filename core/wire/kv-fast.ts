/*
 * Put and Range by hand: the two calls a busy member spends its time on. The generated code walks a description of each
 * message and costs microseconds a call; this writes and reads the same bytes directly.
 *
 * Only what clients usually send is read here. Whatever is unusual (unknown fields, numbers beyond 53 bits, bytes that
 * end too early) is left to the generated code, so there is one place that decides what such a message means.
 */
import { ByteWriter, varintLength } from "../byte-io.ts";
import { emptyBytes } from "../bytes.ts";
import { leaseIdOf, noLease } from "../ids.ts";
import type { Header, KeyValue, PutAnswer, PutRequest, RangeAnswer, RangeRequest } from "../request.ts";
import { sortOrders, sortTargets } from "./kv.ts";

// ---- requests ------------------------------------------------------------------------------------------------

/** undefined: not a message this reads. */
export function decodePut(bytes: Uint8Array): PutRequest | undefined {
  const reader = new FieldReader(bytes);
  let key = emptyBytes;
  let value = emptyBytes;
  let lease = noLease;
  let prevKv = false;
  let ignoreValue = false;
  let ignoreLease = false;
  while (reader.more()) {
    switch (reader.byte()) {
      case bytesField(1):
        key = reader.bytes();
        break;
      case bytesField(2):
        value = reader.bytes();
        break;
      case varintField(3):
        lease = leaseIdOf(BigInt(reader.varint()));
        break;
      case varintField(4):
        prevKv = reader.bool();
        break;
      case varintField(5):
        ignoreValue = reader.bool();
        break;
      case varintField(6):
        ignoreLease = reader.bool();
        break;
      default:
        return undefined;
    }
  }
  return reader.failed ? undefined : { type: "put", key, value, lease, prevKv, ignoreValue, ignoreLease };
}

/** undefined: not a message this reads. */
export function decodeRange(bytes: Uint8Array): RangeRequest | undefined {
  const reader = new FieldReader(bytes);
  let key = emptyBytes;
  let rangeEnd = emptyBytes;
  let limit = 0;
  let revision = 0;
  let sortOrder = 0;
  let sortTarget = 0;
  let serializable = false;
  let keysOnly = false;
  let countOnly = false;
  let minModRevision = 0;
  let maxModRevision = 0;
  let minCreateRevision = 0;
  let maxCreateRevision = 0;
  while (reader.more()) {
    switch (reader.byte()) {
      case bytesField(1):
        key = reader.bytes();
        break;
      case bytesField(2):
        rangeEnd = reader.bytes();
        break;
      case varintField(3):
        limit = reader.varint();
        break;
      case varintField(4):
        revision = reader.varint();
        break;
      case varintField(5):
        sortOrder = reader.varint();
        break;
      case varintField(6):
        sortTarget = reader.varint();
        break;
      case varintField(7):
        serializable = reader.bool();
        break;
      case varintField(8):
        keysOnly = reader.bool();
        break;
      case varintField(9):
        countOnly = reader.bool();
        break;
      case varintField(10):
        minModRevision = reader.varint();
        break;
      case varintField(11):
        maxModRevision = reader.varint();
        break;
      case varintField(12):
        minCreateRevision = reader.varint();
        break;
      case varintField(13):
        maxCreateRevision = reader.varint();
        break;
      default:
        return undefined;
    }
  }
  const order = sortOrders[sortOrder];
  const target = sortTargets[sortTarget];
  if (reader.failed || order === undefined || target === undefined) return undefined;
  return {
    type: "range",
    key,
    rangeEnd: rangeEnd.length === 0 ? undefined : rangeEnd,
    limit,
    revision,
    sortOrder: order,
    sortTarget: target,
    serializable,
    keysOnly,
    countOnly,
    minModRevision,
    maxModRevision,
    minCreateRevision,
    maxCreateRevision,
  };
}

/** Numbers of these fields are below 16, so a tag is one byte. */
const bytesField = (number: number): number => (number << 3) | 2;
const varintField = (number: number): number => number << 3;

/** Reads fields until something is not as expected; from then on it yields nothing. */
class FieldReader {
  failed = false;
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  more(): boolean {
    return !this.failed && this.#position < this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#position++];
    if (value !== undefined) return value;
    this.failed = true;
    return 0;
  }

  /** Up to seven bytes: all that is surely below 2^53. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 7; count++) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    this.failed = true;
    return 0;
  }

  bool(): boolean {
    return this.varint() !== 0;
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    const length = this.varint();
    const from = this.#position;
    this.#position = from + length;
    if (this.#position > this.#bytes.length) this.failed = true;
    return this.failed ? emptyBytes : this.#bytes.subarray(from, this.#position);
  }
}

// ---- answers -------------------------------------------------------------------------------------------------

export function encodePutAnswer(header: Header, answer: PutAnswer): Uint8Array {
  const { prevKv } = answer;
  const space = headerBytesMax + (prevKv === undefined ? 0 : keyValueBytesMax(prevKv));
  const writer = new ByteWriter(new Uint8Array(space));
  writeHeader(writer, header);
  if (prevKv !== undefined) writeKeyValue(writer, prevKv);
  return writer.finish();
}

export function encodeRangeAnswer(header: Header, answer: RangeAnswer): Uint8Array {
  let space = headerBytesMax + 16;
  for (const keyValue of answer.keyValues) space += keyValueBytesMax(keyValue);
  const writer = new ByteWriter(new Uint8Array(space));
  writeHeader(writer, header);
  for (const keyValue of answer.keyValues) writeKeyValue(writer, keyValue);
  if (answer.more) writeNumber(writer, 3, 1);
  writeNumber(writer, 4, answer.count);
  return writer.finish();
}

const headerBytesMax = 48;
/** Beside key and value: their lengths, three numbers, a lease. */
const keyValueBytesMax = ({ key, value }: KeyValue): number => key.length + value.length + 64;

/** Field 1 of every answer. */
function writeHeader(writer: ByteWriter, { clusterId, memberId, revision, raftTerm }: Header): void {
  writer.byte(bytesField(1));
  writer.varint(wideLength(clusterId) + wideLength(memberId) + numberLength(revision) + numberLength(raftTerm));
  writeWide(writer, 1, clusterId);
  writeWide(writer, 2, memberId);
  writeNumber(writer, 3, revision);
  writeNumber(writer, 4, raftTerm);
}

/** Field 2 of both answers. */
function writeKeyValue(writer: ByteWriter, keyValue: KeyValue): void {
  const { key, createRevision, modRevision, version, value, lease } = keyValue;
  writer.byte(bytesField(2));
  writer.varint(
    stringLength(key) +
      numberLength(createRevision) +
      numberLength(modRevision) +
      numberLength(version) +
      stringLength(value) +
      wideLength(lease),
  );
  writeString(writer, 1, key);
  writeNumber(writer, 2, createRevision);
  writeNumber(writer, 3, modRevision);
  writeNumber(writer, 4, version);
  writeString(writer, 5, value);
  writeWide(writer, 6, lease);
}

// Lengths include the tag; what is zero or empty is not written at all.

const numberLength = (value: number): number => (value === 0 ? 0 : 1 + varintLength(value));
const stringLength = (value: Uint8Array): number =>
  value.length === 0 ? 0 : 1 + varintLength(value.length) + value.length;

function writeNumber(writer: ByteWriter, field: number, value: number): void {
  if (value === 0) return;
  writer.byte(varintField(field));
  writer.varint(value);
}

function writeString(writer: ByteWriter, field: number, value: Uint8Array): void {
  if (value.length === 0) return;
  writer.byte(bytesField(field));
  writer.byteString(value);
}

/** A 64-bit id, signed or not, by its halves of 28 and 36 bits. */
function wideLength(value: bigint): number {
  if (value === 0n) return 0;
  const high = Number(BigInt.asUintN(64, value) >> 28n);
  return high === 0 ? 1 + varintLength(Number(value)) : 5 + varintLength(high);
}

function writeWide(writer: ByteWriter, field: number, value: bigint): void {
  if (value === 0n) return;
  writer.byte(varintField(field));
  const high = Number(BigInt.asUintN(64, value) >> 28n);
  let low = Number(BigInt.asUintN(28, value));
  if (high === 0) {
    writer.varint(low);
    return;
  }
  for (let count = 0; count < 4; count++) {
    writer.byte((low & 127) | 128);
    low >>>= 7;
  }
  writer.varint(high);
}
