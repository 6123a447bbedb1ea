/*
 * The bytes of one stored key-value: etcd's mvccpb.KeyValue, fields in number order, zero and empty fields left out, so
 * that hashes over stored bytes equal etcd's. Field numbers: 1 key, 2 createRevision, 3 modRevision, 4 version, 5 value,
 * 6 lease. A tombstone holds field 1 alone.
 */
import { assert } from "../assert.ts";
import { copyInto, varintLength } from "../byte-io.ts";
import type { ByteSlab } from "../byte-slab.ts";
import { emptyBytes, textBetween } from "../bytes.ts";
import { type LeaseId, leaseIdOf, noLease, revisionOf } from "../ids.ts";
import type { KeyValue } from "../request.ts";

const keyTag = 0x0a;
const createTag = 0x10;
const modTag = 0x18;
const versionTag = 0x20;
const valueTag = 0x2a;
const leaseTag = 0x30;

/** The stored bytes, a piece of the slab. */
export function encodeKeyValue(keyValue: KeyValue, slab: ByteSlab): Uint8Array {
  const { key, value, lease } = keyValue;
  const leaseLength = lease === noLease ? 0 : lease < 0n ? 10 : leaseVarintLength(lease);
  const size =
    byteStringLength(key) +
    numberLength(keyValue.createRevision) +
    numberLength(keyValue.modRevision) +
    numberLength(keyValue.version) +
    byteStringLength(value) +
    (leaseLength === 0 ? 0 : 1 + leaseLength);
  const bytes = slab.take(size);
  let position = writeByteString(bytes, 0, keyTag, key);
  position = writeNumber(bytes, position, createTag, keyValue.createRevision);
  position = writeNumber(bytes, position, modTag, keyValue.modRevision);
  position = writeNumber(bytes, position, versionTag, keyValue.version);
  position = writeByteString(bytes, position, valueTag, value);
  if (leaseLength !== 0) position = writeLease(bytes, position, lease);
  assert(position === size, "a stored key-value has the size it was given", position, size);
  return bytes;
}

/** The stored bytes of a tombstone of that key. */
export function encodeTombstone(key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(byteStringLength(key));
  writeByteString(bytes, 0, keyTag, key);
  return bytes;
}

/** Key and value are views of the given bytes. */
export function decodeKeyValue(bytes: Uint8Array): KeyValue {
  let key = emptyBytes;
  let value = emptyBytes;
  let createRevision = 0;
  let modRevision = 0;
  let version = 0;
  let lease: LeaseId = noLease;
  for (let position = 0; position < bytes.length; ) {
    const tag = bytes[position++] as number;
    let number = 0;
    const from = position;
    let scale = 1;
    for (let byte = 128; byte >= 128; scale *= 128) {
      assert(position < bytes.length, "a stored key-value ends inside a field");
      byte = bytes[position++] as number;
      number += (byte & 127) * scale;
    }
    if (tag === createTag) createRevision = number;
    else if (tag === modTag) modRevision = number;
    else if (tag === versionTag) version = number;
    else if (tag === leaseTag) lease = readLease(bytes, from, position);
    else {
      assert(tag === keyTag || tag === valueTag, "a stored key-value has a field of an unknown kind", tag);
      assert(position + number <= bytes.length, "a stored key-value ends inside a field");
      const content = bytes.subarray(position, position + number);
      if (tag === keyTag) key = content;
      else value = content;
      position += number;
    }
  }
  assert(key.length > 0, "a stored key-value has a key");
  return {
    key,
    createRevision: revisionOf(createRevision),
    modRevision: revisionOf(modRevision),
    version,
    value,
    lease,
  };
}

/**
 * What an index is made of, read from one stored key-value after the other: no object for each, and no look at the value.
 */
export class StoredFields {
  /** The key: from ≤ position < to of the bytes. */
  keyFrom = 0;
  keyTo = 0;
  createRevision = 0;
  modRevision = 0;
  version = 0;
  lease: LeaseId = noLease;

  read(bytes: Uint8Array): void {
    this.keyTo = 0;
    this.createRevision = 0;
    this.modRevision = 0;
    this.version = 0;
    this.lease = noLease;
    const end = bytes.length;
    for (let position = 0; position < end; ) {
      const tag = bytes[position++] as number;
      const from = position;
      let number = 0;
      let scale = 1;
      for (let byte = 128; byte >= 128; scale *= 128) {
        assert(position < end, "a stored key-value ends inside a field");
        byte = bytes[position++] as number;
        number += (byte & 127) * scale;
      }
      if (tag === createTag) this.createRevision = number;
      else if (tag === modTag) this.modRevision = number;
      else if (tag === versionTag) this.version = number;
      else if (tag === leaseTag) this.lease = readLease(bytes, from, position);
      else {
        assert(tag === keyTag || tag === valueTag, "a stored key-value has a field of an unknown kind", tag);
        assert(position + number <= end, "a stored key-value ends inside a field");
        if (tag === keyTag) {
          this.keyFrom = position;
          this.keyTo = position + number;
        }
        position += number;
      }
    }
    assert(this.keyTo > this.keyFrom, "a stored key-value has a key");
  }
}

/** The key alone, as the text under which the index has it. */
export function decodeKeyText(bytes: Uint8Array): string {
  assert(bytes[0] === keyTag, "a stored key-value begins with its key");
  let length = 0;
  let position = 1;
  let scale = 1;
  for (let byte = 128; byte >= 128; scale *= 128) {
    assert(position < bytes.length, "a stored key-value ends inside a field");
    byte = bytes[position++] as number;
    length += (byte & 127) * scale;
  }
  assert(position + length <= bytes.length, "a stored key-value ends inside a field");
  return textBetween(bytes, position, position + length);
}

const byteStringLength = (value: Uint8Array): number =>
  value.length === 0 ? 0 : 1 + varintLength(value.length) + value.length;
const numberLength = (value: number): number => (value === 0 ? 0 : 1 + varintLength(value));

function writeByteString(bytes: Uint8Array, position: number, tag: number, value: Uint8Array): number {
  if (value.length === 0) return position;
  const start = writeNumber(bytes, position, tag, value.length);
  copyInto(bytes, start, value);
  return start + value.length;
}

function writeNumber(bytes: Uint8Array, position: number, tag: number, value: number): number {
  if (value === 0) return position;
  let at = position;
  bytes[at++] = tag;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[at++] = (rest & 127) | 128;
  bytes[at++] = rest;
  return at;
}

function leaseVarintLength(lease: bigint): number {
  let length = 1;
  for (let rest = lease >> 7n; rest > 0n; rest >>= 7n) length++;
  return length;
}

function writeLease(bytes: Uint8Array, position: number, lease: LeaseId): number {
  let at = position;
  bytes[at++] = leaseTag;
  let rest = BigInt.asUintN(64, lease);
  for (; rest >= 128n; rest >>= 7n) bytes[at++] = Number(rest & 127n) | 128;
  bytes[at++] = Number(rest);
  return at;
}

function readLease(bytes: Uint8Array, from: number, to: number): LeaseId {
  let value = 0n;
  for (let position = to - 1; position >= from; position--) {
    value = (value << 7n) | BigInt((bytes[position] as number) & 127);
  }
  return leaseIdOf(BigInt.asIntN(64, value));
}
