/*
 * gRPC messages out of the bytes of an HTTP/2 stream, and back: one byte that says whether it is compressed, four with
 * its length, then the message. Pieces arrive cut anywhere. Source: gRPC over HTTP/2, length-prefixed messages.
 */
import { gunzipSync, inflateSync } from "node:zlib";
import { rpcCodeNumbers } from "../../../core/index.ts";
import type { CallStatus } from "../seam.ts";

const prefixBytes = 5;
const copiedBytesMax = 4_096;

/** How the client may compress: what metadata `grpc-encoding` names; `identity`: not at all. */
export type Encoding = "identity" | "gzip" | "deflate";
export const encodings: readonly Encoding[] = ["identity", "gzip", "deflate"];

/** Gathers the messages of one stream. */
export class MessageReader {
  readonly #bytesMax: number;
  readonly #encoding: Encoding;
  readonly #take: (message: Uint8Array) => void;
  /** What is there of the next message, its prefix included; empty between two messages. */
  #rest: Buffer[] = [];
  #restBytes = 0;

  /** @param options `bytesMax`: size at which a message is refused, compressed or not */
  constructor(
    options: { readonly bytesMax: number; readonly encoding: Encoding },
    take: (message: Uint8Array) => void,
  ) {
    this.#bytesMax = options.bytesMax;
    this.#encoding = options.encoding;
    this.#take = take;
  }

  /** Whether the stream may end here. */
  get isBetweenMessages(): boolean {
    return this.#restBytes === 0;
  }

  /** What is there of a message that is not whole. */
  get heldBytes(): number {
    return this.#restBytes;
  }

  /** @returns why the stream has to end, when it has */
  add(piece: Buffer): CallStatus | undefined {
    let bytes = piece;
    if (this.#restBytes > 0) {
      this.#rest.push(alone(piece));
      this.#restBytes += piece.length;
      if (this.#restBytes < this.#wantedBytes()) return this.#restBytes < prefixBytes ? undefined : this.#refusal();
      bytes = Buffer.concat(this.#rest, this.#restBytes);
      this.#rest = [];
      this.#restBytes = 0;
    }
    let at = 0;
    while (bytes.length - at >= prefixBytes) {
      const length = bytes.readUInt32BE(at + 1);
      if (length > this.#bytesMax) return tooLarge(length, this.#bytesMax);
      const end = at + prefixBytes + length;
      if (end > bytes.length) break;
      const refusal = this.#message(bytes[at] ?? 0, bytes.subarray(at + prefixBytes, end));
      if (refusal !== undefined) return refusal;
      at = end;
    }
    if (at < bytes.length) {
      this.#rest = [alone(bytes.subarray(at))];
      this.#restBytes = bytes.length - at;
    }
    return undefined;
  }

  /** Bytes at which it is worth looking again. */
  #wantedBytes(): number {
    const head = this.#head();
    return head === undefined ? prefixBytes : prefixBytes + Math.min(head.readUInt32BE(1), this.#bytesMax);
  }

  #refusal(): CallStatus | undefined {
    const length = this.#head()?.readUInt32BE(1) ?? 0;
    return length > this.#bytesMax ? tooLarge(length, this.#bytesMax) : undefined;
  }

  /** At least the prefix, once it is there. */
  #head(): Buffer | undefined {
    if (this.#restBytes < prefixBytes) return undefined;
    const [first] = this.#rest;
    if (first !== undefined && first.length >= prefixBytes) return first;
    const all = Buffer.concat(this.#rest, this.#restBytes);
    this.#rest = [all];
    return all;
  }

  #message(flag: number, bytes: Buffer): CallStatus | undefined {
    if (flag === 0) {
      this.#take(kept(bytes));
      return undefined;
    }
    if (flag !== 1 || this.#encoding === "identity") {
      const text = `grpc: compressed flag ${flag} set with identity or empty encoding`;
      return { code: rpcCodeNumbers.INTERNAL, text };
    }
    let plain: Buffer;
    try {
      const unpack = this.#encoding === "gzip" ? gunzipSync : inflateSync;
      plain = unpack(bytes, { maxOutputLength: this.#bytesMax });
    } catch (error) {
      if (error instanceof RangeError) {
        const text = `grpc: received message after decompression larger than max ${this.#bytesMax}`;
        return { code: rpcCodeNumbers.RESOURCE_EXHAUSTED, text };
      }
      const cause = error instanceof Error ? error.message : String(error);
      return { code: rpcCodeNumbers.INTERNAL, text: `grpc: failed to decompress the received message: ${cause}` };
    }
    this.#take(kept(plain));
    return undefined;
  }
}

/** Small pieces are copied: one byte that waits would keep the whole buffer it arrived in. */
const alone = (piece: Buffer): Buffer => (piece.length < copiedBytesMax ? Buffer.from(piece) : piece);

/** A copy: what arrives lies in large buffers of the connection, which a message that is kept would keep too. */
function kept(bytes: Buffer): Uint8Array {
  const copy = Buffer.allocUnsafe(bytes.length);
  bytes.copy(copy);
  return new Uint8Array(copy.buffer, copy.byteOffset, copy.length);
}

const tooLarge = (length: number, bytesMax: number): CallStatus => ({
  code: rpcCodeNumbers.RESOURCE_EXHAUSTED,
  text: `grpc: received message larger than max (${length} vs. ${bytesMax})`,
});

/** What stands before a message that is not compressed. */
export function prefixOf(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(prefixBytes);
  bytes.writeUInt32BE(message.length, 1);
  return bytes;
}

/** The message with its prefix in front, uncompressed. */
export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(prefixBytes + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, prefixBytes);
  return bytes;
}
