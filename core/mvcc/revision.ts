/*
 * The bytes under which one change is stored: 8 bytes mainRevision, "_", 8 bytes subRevision, all big-endian, and a
 * "t" behind them when the change is a tombstone. Byte order is the order in which changes happened.
 * Source: etcd's `key` bucket (storage form of the v3 API).
 */
import { assert } from "../assert.ts";
import { readCount, writeCount } from "../byte-io.ts";

const underscore = 0x5f;
const letterT = 0x74;

/** The 17 bytes of a put, or the 18 of a tombstone. */
export function encodeRevision(mainRevision: number, subRevision: number, tombstone: boolean): Uint8Array {
  const bytes = new Uint8Array(tombstone ? 18 : 17);
  writeCount(bytes, 0, mainRevision);
  bytes[8] = underscore;
  writeCount(bytes, 9, subRevision);
  if (tombstone) bytes[17] = letterT;
  return bytes;
}

/** mainRevision of stored bytes. */
export function mainRevisionOf(bytes: Uint8Array): number {
  assert(bytes.length === 17 || bytes.length === 18, "a revision has 17 or 18 bytes", bytes.length);
  return readCount(bytes, 0);
}

/** subRevision of stored bytes. */
export const subRevisionOf = (bytes: Uint8Array): number => readCount(bytes, 9);

/** True for the stored bytes of a tombstone. */
export const isTombstone = (bytes: Uint8Array): boolean => bytes.length === 18;
