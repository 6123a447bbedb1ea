import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  headerBytes,
  looksTorn,
  recordAt,
  recordOverheadBytes,
  type Seal,
  sealRecord,
} from "../../core/storage/record.ts";

const word = fc.nat(0xffff_ffff);
const place = fc.record({ sequence: fc.nat(1_000_000), offset: fc.nat(600) });
const seal: fc.Arbitrary<Seal> = fc.record({
  kind: fc.constantFrom("segment" as const, "write" as const, "base" as const),
  place,
  owner: word,
  link: word,
  solid: place,
});
const payload = fc.uint8Array({ maxLength: 60 });

/** The record at its place in a segment, with zeros before it and some after. */
function placed(content: Uint8Array, given: Seal): { bytes: Uint8Array; sum: number; end: number } {
  const record = new Uint8Array(content.length + recordOverheadBytes);
  record.set(content, headerBytes);
  const sum = sealRecord(record, given);
  const end = given.place.offset + record.length;
  const bytes = new Uint8Array(end + 40);
  bytes.set(record, given.place.offset);
  return { bytes, sum, end };
}

describe("record", () => {
  it("is read as it was sealed", () => {
    fc.assert(
      fc.property(payload, seal, (content, given) => {
        const { bytes, sum, end } = placed(content, given);
        const found = recordAt(bytes, given.place, given.owner);
        if (found === undefined) throw new Error("no record found");
        const { kind, link, solid } = given;
        expect(found).toMatchObject({ kind, link, solid, sum, next: end });
        expect(bytes.slice(found.payload.from, found.payload.to)).toEqual(content);
      }),
      { numRuns: 200 },
    );
  });

  it("is no record at another offset, in another segment, or in the log of another owner", () => {
    fc.assert(
      fc.property(payload, seal, fc.integer({ min: 1, max: 500 }), word, (content, given, moved, owner) => {
        const { bytes } = placed(content, given);
        const { sequence, offset } = given.place;
        const shifted = new Uint8Array(bytes.length + moved);
        shifted.set(bytes, moved);
        expect(recordAt(shifted, { sequence, offset: offset + moved }, given.owner)).toBeUndefined();
        expect(recordAt(bytes, { sequence: sequence + moved, offset }, given.owner)).toBeUndefined();
        if (owner !== given.owner) expect(recordAt(bytes, given.place, owner)).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  it("with any changed byte is no record, and is not taken for a write cut short", () => {
    fc.assert(
      fc.property(payload, seal, fc.nat(), fc.integer({ min: 0, max: 7 }), (content, given, which, bit) => {
        const { bytes, end } = placed(content, given);
        const changed = given.place.offset + (which % (end - given.place.offset));
        bytes[changed] = (bytes[changed] as number) ^ (1 << bit);
        expect(recordAt(bytes, given.place, given.owner)).toBeUndefined();
        expect(looksTorn(bytes, given.place, given.owner)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it("cut short anywhere, or without any of its sectors, looks torn", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 600, maxLength: 2_000 }), seal, fc.nat(), (content, given, which) => {
        const { bytes, end } = placed(
          content.map((byte) => byte || 1),
          given,
        );
        const { offset } = given.place;
        const cut = offset + (which % (end - offset));
        expect(looksTorn(bytes.slice(0, cut), given.place, given.owner)).toBe(true);
        const zeroed = bytes.slice();
        zeroed.fill(0, cut);
        expect(looksTorn(zeroed, given.place, given.owner)).toBe(true);
        const sector = cut - (cut % 512);
        const holed = bytes.slice();
        holed.fill(0, Math.max(sector, offset), Math.min(sector + 512, end));
        expect(recordAt(holed, given.place, given.owner)).toBeUndefined();
        expect(looksTorn(holed, given.place, given.owner)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
