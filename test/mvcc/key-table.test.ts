import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { bytesOfText } from "../../core/bytes.ts";
import { KeyTable } from "../../core/mvcc/key-table.ts";

const arbitraryKeys = fc.array(fc.uint8Array({ minLength: 1, maxLength: 24 }), { maxLength: 3_000 });

test.prop([arbitraryKeys], { numRuns: 30 })("every key is met once, whatever lies around its bytes", (keys) => {
  const table = new KeyTable();
  const known = new Map<string, unknown>();
  for (const [position, key] of [...keys, ...keys].entries()) {
    const around = new Uint8Array(key.length + 2 * (position % 3)).fill(position);
    around.set(key, position % 3);
    const found = table.keyOf(around, position % 3, (position % 3) + key.length);
    expect(bytesOfText(found.text)).toEqual(key);
    expect(known.get(found.text) ?? found).toBe(found);
    known.set(found.text, found);
  }
  expect(table.keys.map(({ text }) => text)).toEqual([...known.keys()]);
});

test("keys that differ in length or in one byte alone are different keys", () => {
  const table = new KeyTable();
  const names = Array.from({ length: 200 }, (_none, number) =>
    `k${String.fromCharCode(number % 7)}`.repeat(1 + number),
  );
  for (const name of names) table.keyOf(bytesOfText(name), 0, name.length);
  expect(new Set(table.keys.map(({ text }) => text))).toEqual(new Set(names));
});
