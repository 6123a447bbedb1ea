/*
 * Reads small binary forms that came from outside: a disk, a peer. It never throws and never reads past its end: a read
 * that cannot be right sets `failed` and answers with nothing, so that a decoder checks once, at the end. The forms are
 * those of core/byte-io.ts.
 */
import { copyInto } from "../byte-io.ts";
import type { ByteSlab } from "../byte-slab.ts";
import { emptyBytes } from "../bytes.ts";

export class UntrustedReader {
  /** Some read so far was impossible; everything read since means nothing. */
  failed = false;
  position: number;
  readonly #bytes: Uint8Array;
  #end: number;
  readonly #slab: ByteSlab | undefined;

  /**
   * Reads from ≤ position < to; `slice` undefined means all of the bytes. The slab, when given, saves an allocation of
   * its own for every byte string.
   */
  constructor(bytes: Uint8Array, slice?: { readonly from: number; readonly to: number }, slab?: ByteSlab) {
    this.#bytes = bytes;
    this.#slab = slab;
    this.position = slice?.from ?? 0;
    this.#end = slice?.to ?? bytes.length;
  }

  /** Begins again, with other bytes of the same: from ≤ position < to. */
  enter(from: number, to: number): void {
    this.failed = false;
    this.position = from;
    this.#end = to;
  }

  /** Everything was read, and nothing failed. */
  get complete(): boolean {
    return !this.failed && this.position === this.#end;
  }

  /** Bytes not yet read; 0 after a failure. A count of things that take a byte each is never larger. */
  get remaining(): number {
    return this.failed ? 0 : this.#end - this.position;
  }

  byte(): number {
    if (this.position >= this.#end) return this.#fail();
    return this.#bytes[this.position++] as number;
  }

  /** 0 or 1. */
  flag(): boolean {
    const value = this.byte();
    if (value > 1) this.#fail();
    return value === 1;
  }

  /** A whole number in 0 ≤ value < 2^53. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let length = 0; length < 8; length++) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return Number.isSafeInteger(value) ? value : this.#fail();
      scale *= 128;
    }
    return this.#fail();
  }

  /** A whole number of either sign, in the form of `ByteWriter.signed`. */
  signed(): number {
    const first = this.byte();
    const magnitude = ((first & 127) >> 1) + (first >= 128 ? this.varint() * 64 : 0);
    if (!Number.isSafeInteger(magnitude)) return this.#fail();
    return first & 1 && magnitude > 0 ? -magnitude : magnitude;
  }

  /** A count of things that take at least a byte each: never larger than what is left to read. */
  count(): number {
    const value = this.varint();
    return value <= this.remaining ? value : this.#fail();
  }

  /** Eight big-endian bytes as an unsigned 64-bit number. */
  id(): bigint {
    if (this.remaining < 8) {
      this.#fail();
      return 0n;
    }
    const high = this.fixed32();
    return (BigInt(high) << 32n) | BigInt(this.fixed32());
  }

  /** Goes on behind such a number. */
  passId(): void {
    if (this.remaining < 8) this.#fail();
    else this.position += 8;
  }

  /** Four big-endian bytes as an unsigned number. */
  fixed32(): number {
    if (this.remaining < 4) return this.#fail();
    const bytes = this.#bytes;
    const position = this.position;
    this.position = position + 4;
    return (
      (((bytes[position] as number) << 24) |
        ((bytes[position + 1] as number) << 16) |
        ((bytes[position + 2] as number) << 8) |
        (bytes[position + 3] as number)) >>>
      0
    );
  }

  /** Bytes with their length in front, as a copy: what it was read from may be large, or used again. */
  byteString(): Uint8Array {
    const length = this.count();
    if (length === 0) return emptyBytes;
    const from = this.position;
    this.position = from + length;
    if (this.#slab === undefined) return this.#bytes.slice(from, from + length);
    const copy = this.#slab.take(length);
    copyInto(copy, 0, this.#bytes.subarray(from, from + length));
    return copy;
  }

  /** Goes on behind such bytes. */
  passByteString(): void {
    const length = this.count();
    this.position += length;
  }

  /** For what the reader cannot know to be wrong: the decoder read a value that has no meaning. */
  reject(): void {
    this.failed = true;
  }

  #fail(): number {
    this.failed = true;
    return 0;
  }
}
