/*
 * Unions of key intervals against a list of single keys.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { intervalOf, Rights } from "../../core/auth/rights.ts";
import { bytesOfText, textOfBytes } from "../../core/bytes.ts";
import type { KeyRange } from "../../core/request.ts";

const range = (key: string, rangeEnd?: string): KeyRange => ({
  key: bytesOfText(key),
  rangeEnd: rangeEnd === undefined ? undefined : bytesOfText(rangeEnd),
});
const rightsOn = (...granted: KeyRange[]): Rights => new Rights(granted.map(intervalOf));

describe("a union of intervals", () => {
  test("covers a request across the border of two that touch, and none across a gap", () => {
    const touching = rightsOn(range("a", "c"), range("c", "e"));
    expect(touching.coversRange(range("a", "e"))).toBe(true);
    expect(touching.coversRange(range("b", "d"))).toBe(true);
    expect(rightsOn(range("a", "c"), range("c\0", "e")).coversRange(range("b", "d"))).toBe(false);
    expect(rightsOn(range("a", "c"), range("c"), range("c\0", "e")).coversRange(range("b", "d"))).toBe(true);
  });

  test("without end covers what has none, from its own key on and not before", () => {
    const open = rightsOn(range("a", "b"), range("c", "\0"));
    expect(open.coversRange(range("c", "\0"))).toBe(true);
    expect(open.coversRange(range("zz", "\0"))).toBe(true);
    expect(open.coversRange(range("\xff\xff"))).toBe(true);
    expect(open.coversRange(range("a", "\0"))).toBe(false);
    expect(open.coversRange(range("b"))).toBe(false);
    expect(open.coversRange(range("b", "c"))).toBe(false);
    expect(open.coversRange(range("a", "d"))).toBe(false);
    expect(open.coversRange(range("\0", "\0"))).toBe(false);
  });

  test("with an end covers no request without one, however far it reaches", () => {
    expect(rightsOn(range("a", "\xff\xff\xff")).coversRange(range("a", "\0"))).toBe(false);
    expect(rightsOn(range("\0", "\0")).coversRange(range("a", "\0"))).toBe(true);
  });

  test("of a single key covers that key alone", () => {
    const one = rightsOn(range("k"));
    expect(one.coversKey("k")).toBe(true);
    expect(one.coversKey("k\0")).toBe(false);
    expect(one.coversKey("")).toBe(false);
    expect(one.coversRange(range("k", "l"))).toBe(false);
  });

  test("of nothing covers nothing", () => {
    expect(rightsOn().coversKey("a")).toBe(false);
    expect(rightsOn().coversRange(range("a", "\0"))).toBe(false);
  });
});

// ---- the slow twin ---------------------------------------------------------------------------------------------

/** Every key of at most two of these letters, in order; ranges of the property begin and end on some of them. */
const letters = ["\0", "a", "b", "\xff"];
const universe = ["", ...letters, ...letters.flatMap((first) => letters.map((second) => first + second))].sort(
  (a, b) => (a < b ? -1 : a > b ? 1 : 0),
);
/** Stands for all keys beyond the universe: only what has no end holds it. */
const beyond = "\xff\xff\xff\xff";
const probes = [...universe.flatMap((key) => [key, `${key}\0`]), beyond];

const holds = ({ key, rangeEnd }: KeyRange, probe: string): boolean => {
  const from = textOfBytes(key);
  if (rangeEnd === undefined) return probe === from;
  const to = textOfBytes(rangeEnd);
  return to === "\0" ? probe >= from : probe >= from && probe < to;
};

const someKey = fc.constantFrom(...universe.filter((key) => key !== ""));
const someRange: fc.Arbitrary<KeyRange> = fc
  .record({ key: someKey, rangeEnd: fc.option(fc.oneof(someKey, fc.constant("\0")), { nil: undefined }) })
  .filter(({ key, rangeEnd }) => rangeEnd === undefined || rangeEnd === "\0" || rangeEnd > key)
  .map(({ key, rangeEnd }) => range(key, rangeEnd));

test("covers a range exactly when every key of it is in some granted range", () => {
  fc.assert(
    fc.property(fc.array(someRange, { maxLength: 5 }), someRange, (granted, asked) => {
      const wanted = probes.filter((probe) => holds(asked, probe));
      const expected = wanted.every((probe) => granted.some((each) => holds(each, probe)));
      expect(rightsOn(...granted).coversRange(asked)).toBe(expected);
    }),
    { numRuns: 2_000 },
  );
});
