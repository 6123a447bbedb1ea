/*
 * JSON as it comes in bodies: any split of the bytes gives the same values, and 64-bit numbers keep every digit.
 */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { JsonValues, quoteLongNumbers } from "../../chaos/member/json-values.ts";

const bound = 1 << 20;

function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((to, position) => bytes.subarray(places[position], to));
}

describe("values of a body", () => {
  test.prop([
    fc.array(fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue()))),
    fc.array(fc.nat()),
  ])("any split of the bytes gives the same values", (values, cuts) => {
    const bytes = new TextEncoder().encode(values.map((value) => JSON.stringify(value)).join("\n "));
    const reader = new JsonValues(bound);
    const read = split(bytes, cuts).flatMap((piece) => [...reader.push(piece)]);
    reader.end();
    expect(read).toEqual(values.map((value) => JSON.parse(quoteLongNumbers(JSON.stringify(value)))));
  });

  test("a 64-bit number keeps every digit, outside strings only", () => {
    expect(quoteLongNumbers('{"ID":7587862094871072774,"n":-7587862094871072774,"s":"1234567890123456789"}')).toBe(
      '{"ID":"7587862094871072774","n":"-7587862094871072774","s":"1234567890123456789"}',
    );
    expect(quoteLongNumbers('{"a":123456789012345,"b":1.2345678901234567890,"c":1e3}')).toBe(
      '{"a":123456789012345,"b":1.2345678901234567890,"c":1e3}',
    );
    expect(quoteLongNumbers('{"a\\"1234567890123456789":1}')).toBe('{"a\\"1234567890123456789":1}');
  });

  test("what is no object, ends early, is too large or no UTF-8 is refused", () => {
    const refused = (text: string | Uint8Array, bytesMax = bound) => {
      const reader = new JsonValues(bytesMax);
      for (const _value of reader.push(typeof text === "string" ? new TextEncoder().encode(text) : text));
      reader.end();
    };
    for (const text of ["nothing", "}", '{"a"', '"text', "{]", '{"a":1}x'])
      expect(() => refused(text)).toThrow(SyntaxError);
    expect(() => refused('{"a":"bbbbbbbbbbbbbbb', 8)).toThrow("too large");
    expect(() => refused(new Uint8Array([0x7b, 0xff]))).toThrow("UTF-8");
    expect(() => refused("")).not.toThrow();
  });
});
