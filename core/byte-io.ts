/*
 * Writing and reading the small binary forms of core: numbers as base-128 varints (the protobuf form), 64-bit ids as
 * eight big-endian bytes, byte strings with their length in front. A reader refuses to run past its end.
 */
import { assert } from "./assert.ts";
import { utf8Decode, utf8Encode } from "./bytes.ts";

/** Bytes a varint of this number takes; 0 ≤ value < 2^53. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++;
  return length;
}

/** Grows as needed; {@link finish} hands out what was written. */
export class ByteWriter {
  private bytes: Uint8Array;
  private position: number;

  /**
   * Space for the expected result: enough of it saves a copy, the rest is wasted. Writing begins at `position`; what
   * stands before it is part of the result.
   */
  constructor(space: Uint8Array, position = 0) {
    this.bytes = space;
    this.position = position;
  }

  /** Bytes of the result so far, those before its beginning among them. */
  get length(): number {
    return this.position;
  }

  /** What was written so far; nothing may be written after. */
  finish(): Uint8Array {
    return this.position === this.bytes.length ? this.bytes : this.bytes.subarray(0, this.position);
  }

  byte(value: number): void {
    if (this.position === this.bytes.length) this.grow(1);
    this.bytes[this.position++] = value;
  }

  /** A whole number in 0 ≤ value < 2^53. */
  varint(value: number): void {
    if (this.position + 8 > this.bytes.length) this.grow(8);
    const bytes = this.bytes;
    let rest = value;
    let position = this.position;
    while (rest >= 0x10000000) {
      bytes[position++] = (rest & 127) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 128) {
      bytes[position++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[position++] = rest;
    this.position = position;
  }

  /** A whole number of either sign, magnitude < 2^53: sign and six bits in the first byte, the rest as a varint. */
  signed(value: number): void {
    const magnitude = Math.abs(value);
    const rest = Math.floor(magnitude / 64);
    this.byte(((magnitude % 64) << 1) | (value < 0 ? 1 : 0) | (rest > 0 ? 128 : 0));
    if (rest > 0) this.varint(rest);
  }

  /** 64 bits, signed or unsigned, as eight big-endian bytes. */
  id(value: bigint): void {
    if (this.position + 8 > this.bytes.length) this.grow(8);
    writeId(this.bytes, this.position, value);
    this.position += 8;
  }

  /** Bytes with their length in front. */
  byteString(value: Uint8Array): void {
    this.varint(value.length);
    if (this.position + value.length > this.bytes.length) this.grow(value.length);
    copyInto(this.bytes, this.position, value);
    this.position += value.length;
  }

  text(value: string): void {
    this.byteString(utf8Encode(value));
  }

  private grow(byBytes: number): void {
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.position + byBytes));
    larger.set(this.bytes.subarray(0, this.position));
    this.bytes = larger;
  }
}

/** Reads what {@link ByteWriter} wrote. Byte strings are views of the input, not copies. */
export class ByteReader {
  position = 0;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get atEnd(): boolean {
    return this.position === this.bytes.length;
  }

  byte(): number {
    const value = this.bytes[this.position++];
    assert(value !== undefined, "a read runs past the end of its bytes");
    return value;
  }

  varint(): number {
    const first = this.byte();
    if (first < 128) return first;
    let value = first & 127;
    let scale = 128;
    for (let byte = 128; byte >= 128; scale *= 128) {
      assert(scale <= 0x2000000000000, "a varint is longer than 53 bits");
      byte = this.byte();
      value += (byte & 127) * scale;
    }
    return value;
  }

  signed(): number {
    const first = this.byte();
    const magnitude = ((first & 127) >> 1) + (first >= 128 ? this.varint() * 64 : 0);
    return first & 1 ? -magnitude : magnitude;
  }

  /** Eight big-endian bytes as an unsigned 64-bit number. */
  unsignedId(): bigint {
    return this.view().getBigUint64(0);
  }

  /** Eight big-endian bytes as a signed 64-bit number. */
  signedId(): bigint {
    return this.view().getBigInt64(0);
  }

  byteString(): Uint8Array {
    const length = this.varint();
    const from = this.position;
    assert(from + length <= this.bytes.length, "a byte string runs past the end of its bytes");
    this.position = from + length;
    return this.bytes.subarray(from, from + length);
  }

  text(): string {
    return utf8Decode(this.byteString());
  }

  private view(): DataView {
    const from = this.position;
    assert(from + 8 <= this.bytes.length, "an id runs past the end of its bytes");
    this.position = from + 8;
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + from, 8);
  }
}

/** Copies all of `from` to `bytes` at `position`; short strings byte by byte, which beats a call into the runtime. */
export function copyInto(bytes: Uint8Array, position: number, from: Uint8Array): void {
  const length = from.length;
  if (length > 32) {
    bytes.set(from, position);
    return;
  }
  for (let offset = 0; offset < length; offset++) bytes[position + offset] = from[offset] as number;
}

/** Writes 64 bits as eight big-endian bytes. */
export function writeId(bytes: Uint8Array, position: number, id: bigint): void {
  new DataView(bytes.buffer, bytes.byteOffset + position, 8).setBigUint64(0, BigInt.asUintN(64, id));
}

/** The key of a 64-bit id in a bucket: eight big-endian bytes. */
export function bytesOfId(id: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  writeId(bytes, 0, id);
  return bytes;
}

/** Eight big-endian bytes of a whole number in 0 ≤ value < 2^53. */
export function bytesOfCount(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeCount(bytes, 0, value);
  return bytes;
}

/** Writes a whole number in 0 ≤ value < 2^53 as eight big-endian bytes. */
export function writeCount(bytes: Uint8Array, position: number, value: number): void {
  const high = value < 0x100000000 ? 0 : Math.floor(value / 0x100000000);
  bytes[position] = high >>> 24;
  bytes[position + 1] = high >>> 16;
  bytes[position + 2] = high >>> 8;
  bytes[position + 3] = high;
  bytes[position + 4] = value >>> 24;
  bytes[position + 5] = value >>> 16;
  bytes[position + 6] = value >>> 8;
  bytes[position + 7] = value;
}

/** Inverse of {@link writeCount}. */
export function readCount(bytes: Uint8Array, position: number): number {
  assert(position + 8 <= bytes.length, "a count runs past the end of its bytes");
  return read32(bytes, position) * 0x100000000 + read32(bytes, position + 4);
}

function read32(bytes: Uint8Array, position: number): number {
  return (
    (((bytes[position] as number) << 24) |
      ((bytes[position + 1] as number) << 16) |
      ((bytes[position + 2] as number) << 8) |
      (bytes[position + 3] as number)) >>>
    0
  );
}
