import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteSlab } from "../../core/byte-slab.ts";
import { bytesOfText, textOfBytes } from "../../core/bytes.ts";
import { leaseIdOf, revisionOf } from "../../core/ids.ts";
import { decodeKeyText, decodeKeyValue, encodeKeyValue, encodeTombstone } from "../../core/mvcc/key-value.ts";
import { encodeRevision, isTombstone, mainRevisionOf, subRevisionOf } from "../../core/mvcc/revision.ts";
import type { KeyValue } from "../../core/request.ts";

const counts = fc.oneof(fc.nat(300), fc.maxSafeInteger().map(Math.abs));
const keyValues: fc.Arbitrary<KeyValue> = fc.record({
  key: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  createRevision: counts.map(revisionOf),
  modRevision: counts.map(revisionOf),
  version: counts,
  value: fc.uint8Array({ maxLength: 300 }),
  lease: fc.oneof(fc.constant(0n), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })).map(leaseIdOf),
});

describe("stored bytes", () => {
  test("a key-value is etcd's protobuf with zero fields left out", () => {
    const keyValue: KeyValue = {
      key: bytesOfText("k"),
      createRevision: revisionOf(2),
      modRevision: revisionOf(300),
      version: 0,
      value: bytesOfText(""),
      lease: leaseIdOf(-1n),
    };
    const expected = [0x0a, 1, 0x6b, 0x10, 2, 0x18, 0xac, 0x02, 0x30, ...Array(9).fill(0xff), 0x01];
    expect([...encodeKeyValue(keyValue, new ByteSlab())]).toEqual(expected);
    expect([...encodeTombstone(bytesOfText("k"))]).toEqual([0x0a, 1, 0x6b]);
  });

  test("a key-value comes back as it was stored", () => {
    fc.assert(
      fc.property(keyValues, (keyValue) => {
        const stored = encodeKeyValue(keyValue, new ByteSlab());
        expect(decodeKeyValue(stored)).toEqual(keyValue);
        expect(decodeKeyText(stored)).toBe(textOfBytes(keyValue.key));
      }),
    );
  });

  test("a revision is 17 bytes, 18 for a tombstone, and byte order is order of change", () => {
    const revision = fc.record({ main: counts, sub: fc.nat(), tombstone: fc.boolean() });
    fc.assert(
      fc.property(revision, revision, (a, b) => {
        const aBytes = encodeRevision(a.main, a.sub, a.tombstone);
        expect(aBytes.length).toBe(a.tombstone ? 18 : 17);
        expect([mainRevisionOf(aBytes), subRevisionOf(aBytes), isTombstone(aBytes)]).toEqual([
          a.main,
          a.sub,
          a.tombstone,
        ]);
        const bBytes = encodeRevision(b.main, b.sub, b.tombstone);
        const order = a.main - b.main || a.sub - b.sub || Number(a.tombstone) - Number(b.tombstone);
        const byteOrder =
          textOfBytes(aBytes) < textOfBytes(bBytes) ? -1 : textOfBytes(aBytes) > textOfBytes(bBytes) ? 1 : 0;
        expect(byteOrder).toBe(Math.sign(order));
      }),
    );
  });
});
