import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../core/bytes.ts";
import { crc32c, crc32cOfSlice, crc32cOfView } from "../../core/crc32c.ts";

/** Bit by bit, straight from the definition. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

describe("crc32c", () => {
  test("agrees with the published vectors", () => {
    expect(crc32c(utf8Encode("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  test("equals the bitwise definition, in one piece or continued from any cut", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
        const at = Math.min(cut, bytes.length);
        const expected = slowCrc32c(bytes);
        expect(crc32c(bytes)).toBe(expected);
        expect(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at)))).toBe(expected);
        expect(crc32cOfSlice(bytes, { from: at, to: bytes.length })).toBe(slowCrc32c(bytes.subarray(at)));
      }),
    );
  });

  test("is the same for many bytes as for few, wherever they lie, and by a view", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 900, maxLength: 1_200 }), fc.nat(40), fc.nat(), (bytes, before, seed) => {
        const around = new Uint8Array(before + bytes.length + 3).fill(0xa5);
        around.set(bytes, before);
        const lying = around.subarray(before, before + bytes.length);
        const slice = { from: before, to: before + bytes.length };
        const expected = slowCrc32c(bytes);
        expect(crc32c(lying)).toBe(expected);
        expect(crc32cOfSlice(around, slice)).toBe(expected);
        expect(crc32cOfView(new DataView(around.buffer), slice.from, slice.to)).toBe(expected);
        expect(crc32c(lying.subarray(7), crc32c(lying.subarray(0, 7)))).toBe(expected);
        const seeded = crc32cOfView(new DataView(around.buffer), slice.from, slice.to, seed);
        expect(crc32c(lying.subarray(500), crc32c(lying.subarray(0, 500), seed))).toBe(seeded);
      }),
      { numRuns: 50 },
    );
  });
});
