/*
 * The bytes of one snapshot chunk: entries of the backend in (bucket, key) order, and in the last chunk the count and the
 * checksum of all of them. A chunk's checksum is bound to its transfer and position, so a chunk of another transfer, or
 * at another position, is a damaged chunk. Not here: when chunks are sent (snapshot.ts).
 */
import { ByteWriter } from "../byte-io.ts";
import { crc32c, crc32cOfSlice } from "../crc32c.ts";
import { type Bucket, buckets } from "../ports.ts";
import type { SnapshotChunk } from "../raft/message.ts";
import { UntrustedReader } from "./untrusted-reader.ts";

const formatVersion = 1;
const entryTag = 1;
const totalTag = 2;
const endTag = 3;

/** What of a chunk message its bytes are bound to. */
export type ChunkPlace = Pick<
  SnapshotChunk,
  "from" | "term" | "transferId" | "snapshotIndex" | "snapshotTerm" | "chunk" | "last"
>;

/** Count and checksum of everything before some point of a snapshot. */
export interface SnapshotTotal {
  readonly entries: number;
  /** CRC-32C over the entry bytes of all chunks in order. */
  readonly sum: number;
}

export const emptyTotal: SnapshotTotal = { entries: 0, sum: 0 };

/** Gathers one chunk. */
export class ChunkWriter {
  readonly #writer: ByteWriter;
  #entries = 0;
  #entryBytes = 0;

  constructor(sizeBytes: number) {
    this.#writer = new ByteWriter(new Uint8Array(sizeBytes + 64));
    this.#writer.byte(formatVersion);
  }

  /** Bytes of keys and values so far. */
  get entryBytes(): number {
    return this.#entryBytes;
  }

  add(bucket: Bucket, key: Uint8Array, value: Uint8Array): void {
    this.#writer.byte(entryTag);
    this.#writer.byte(buckets.indexOf(bucket));
    this.#writer.byteString(key);
    this.#writer.byteString(value);
    this.#entries += 1;
    this.#entryBytes += key.length + value.length;
  }

  /** @param before total of the chunks before this one */
  finish(place: ChunkPlace, before: SnapshotTotal): { readonly bytes: Uint8Array; readonly total: SnapshotTotal } {
    const entries = this.#writer.finish();
    const sum = crc32cOfSlice(entries, { from: 1, to: entries.length }, before.sum);
    const total = { entries: before.entries + this.#entries, sum };
    const trailer = new ByteWriter(new Uint8Array(32));
    if (place.last) {
      trailer.byte(totalTag);
      trailer.varint(total.entries);
      trailer.varint(total.sum);
    }
    trailer.byte(endTag);
    const closing = trailer.finish();
    const end = entries.length + closing.length;
    const bytes = new Uint8Array(end + 4);
    bytes.set(entries);
    bytes.set(closing, entries.length);
    const ownSum = crc32cOfSlice(bytes, { from: 0, to: end }, placeSum(place));
    for (let position = 0; position < 4; position++) bytes[end + position] = ownSum >>> (24 - 8 * position);
    return { bytes, total };
  }
}

/** Are these the bytes that were sent as this chunk of this transfer? */
export function isWhole(bytes: Uint8Array, place: ChunkPlace): boolean {
  const end = bytes.length - 4;
  if (end < 2) return false;
  const ownSum = new UntrustedReader(bytes, { from: end, to: bytes.length }).fixed32();
  return crc32cOfSlice(bytes, { from: 0, to: end }, placeSum(place)) === ownSum;
}

/**
 * Hands out the entries of a whole chunk.
 *
 * @param before total of the chunks before this one
 * @returns total with this chunk; undefined when the sender did not write it as it should
 */
export function readChunk(
  bytes: Uint8Array,
  last: boolean,
  before: SnapshotTotal,
  put: (bucket: Bucket, key: Uint8Array, value: Uint8Array) => void,
): SnapshotTotal | undefined {
  const reader = new UntrustedReader(bytes, { from: 0, to: bytes.length - 4 });
  if (reader.byte() !== formatVersion) return undefined;
  let entries = before.entries;
  let tag = reader.byte();
  for (; tag === entryTag; tag = reader.byte()) {
    const bucket = buckets[reader.byte()];
    const key = reader.byteString();
    const value = reader.byteString();
    if (bucket === undefined || reader.failed) return undefined;
    put(bucket, key, value);
    entries += 1;
  }
  const sum = crc32cOfSlice(bytes, { from: 1, to: reader.position - 1 }, before.sum);
  if ((tag === totalTag) !== last) return undefined;
  if (tag === totalTag) {
    if (reader.varint() !== entries || reader.varint() !== sum) return undefined;
    tag = reader.byte();
  }
  return tag === endTag && reader.complete ? { entries, sum } : undefined;
}

function placeSum(place: ChunkPlace): number {
  const writer = new ByteWriter(new Uint8Array(64));
  writer.id(place.from);
  writer.varint(place.term);
  writer.varint(place.transferId);
  writer.varint(place.snapshotIndex);
  writer.varint(place.snapshotTerm);
  writer.varint(place.chunk);
  writer.byte(place.last ? 1 : 0);
  return crc32c(writer.finish());
}
