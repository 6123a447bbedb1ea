import fc from "fast-check";
import { expect, test } from "vitest";
import { KeyIndex } from "../../core/mvcc/key-index.ts";
import { inOrder } from "../../core/mvcc/key-order.ts";

const textsOf = (keys: readonly KeyIndex[]): string[] => keys.map(({ text }) => text);
const byBytes = (a: string, b: string): number => (a < b ? -1 : 1);

/** One character a byte: few different ones, so that many keys begin alike, and the ends of the range. */
const byte = fc.constantFrom(0, 1, 97, 98, 254, 255).map((code) => String.fromCharCode(code));
const tail = fc.string({ unit: byte, maxLength: 14 });
const beginning = fc.constantFrom(
  "",
  "a",
  "a\0",
  "/registry/pods/",
  "/registry/pods/default/",
  "\xff\xff\xff\xff\xff\xff",
);

test("as many keys as there are come in the order of their bytes, whatever they have in common", () => {
  const texts = fc.uniqueArray(
    fc.tuple(beginning, tail).map(([a, b]) => a + b),
    { minLength: 1_200, maxLength: 3_000 },
  );
  fc.assert(
    fc.property(texts, (names) => {
      const sorted = inOrder(names.map((name) => new KeyIndex(name)));
      expect(textsOf(sorted)).toEqual([...names].sort(byBytes));
    }),
    { numRuns: 20 },
  );
});

test.each(["ab", "\0", "\xff\0"])("keys of which each begins with all of the one before are put in order", (unit) => {
  const names = Array.from({ length: 1_500 }, (_none, number) => unit.repeat(1 + number).slice(0, number + 1));
  const mixed = [...names].sort((a, b) => ((a.length * 7_919) % 1_511) - ((b.length * 7_919) % 1_511));
  expect(textsOf(inOrder(mixed.map((name) => new KeyIndex(name))))).toEqual(names);
});

test("so are very many of which each two are alike in what a round looks at", () => {
  const names = Array.from({ length: 300_000 }, (_none, number) => {
    const pair = ((number >> 1) * 7_919) % 150_001;
    return `${(pair * 397).toString(36).padStart(5, "0")}${number % 2 === 0 ? "b" : "a"}`;
  });
  expect(textsOf(inOrder(names.map((name) => new KeyIndex(name))))).toEqual([...names].sort(byBytes));
});

test("a key that is there twice is a broken invariant", () => {
  const keys = Array.from({ length: 600 }, () => new KeyIndex("twice"));
  expect(() => inOrder([new KeyIndex("z"), ...keys])).toThrow("twice");
});

test("keys that ascend are given back as they are", () => {
  const keys = ["a", "a\0", "b"].map((name) => new KeyIndex(name));
  expect(inOrder(keys)).toBe(keys);
  expect(inOrder([])).toEqual([]);
});
