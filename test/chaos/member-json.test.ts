/*
 * JSON as it comes in bodies: any split of the bytes gives the same values, and 64-bit numbers keep every digit.
 */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { refuseRepeats } from "../../chaos/member/json-repeats.ts";
import { JsonValues, parseValue, quoteLongNumbers } from "../../chaos/member/json-values.ts";
import { TxnRequestSchema } from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";

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
    expect(read.map(parseValue)).toEqual(values.map((value) => JSON.parse(quoteLongNumbers(JSON.stringify(value)))));
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
      for (const value of reader.push(typeof text === "string" ? new TextEncoder().encode(text) : text))
        parseValue(value);
      reader.end();
    };
    for (const text of ["nothing", "}", '{"a"', '"text', "{]", '{"a":1}x'])
      expect(() => refused(text)).toThrow(SyntaxError);
    expect(() => refused('{"a":"bbbbbbbbbbbbbbb', 8)).toThrow("too large");
    expect(() => refused(new Uint8Array([0x7b, 0xff]))).toThrow("UTF-8");
    expect(() => refused("")).not.toThrow();
  });
});

describe("a field that stands twice in one object", () => {
  const refusal = (text: string): string => {
    try {
      refuseRepeats(TxnRequestSchema, text);
      return "taken";
    } catch (error) {
      return error instanceof SyntaxError ? error.message : String(error);
    }
  };

  test.each([
    ['{"compare":[],"compare":[]}', 'proto: (line 1:15): duplicate field "compare"'],
    ['{"compare":[{"key":"YQ==","result":"EQUAL","key":"Yg=="}]}', 'proto: (line 1:44): duplicate field "key"'],
    ['{"compare":[{"range_end":"YQ==","rangeEnd":"YQ=="}]}', 'proto: (line 1:33): duplicate field "rangeEnd"'],
    ['{\n "success": null,\n  "succ\\u0065ss": []}', 'proto: (line 3:3): duplicate field "succ\\u0065ss"'],
    ['{"success":[{"request_put":{"key":"YQ==","é":1,"key":"YQ=="}}]}', 'proto: (line 1:48): duplicate field "key"'],
  ])("is refused by name and place: %s", (text, words) => expect(refusal(text)).toBe(words));

  test.each([
    '{"success":[{"request_put":{"key":"YQ=="}},{"request_put":{"key":"YQ=="}}]}',
    '{"unknown":1,"unknown":{"key":1,"key":[{"a":1,"a":"}"}]},"compare":[{"key":"\\"key\\":","result":"EQUAL"}]}',
    '[{"compare":[]}]',
    "{}",
  ])("is no repetition in several objects, or where nobody knows it: %s", (text) =>
    expect(refusal(text)).toBe("taken"),
  );

  test.prop([fc.dictionary(fc.string(), fc.jsonValue())])("nothing is read wrongly in any JSON", (value) => {
    // Read as a message that knows none of its fields, it holds no repetition, however it looks.
    expect(refusal(JSON.stringify({ zz: value }))).toBe("taken");
    expect(refusal(`{"zz":${JSON.stringify(value)},"failure":[], "failure":[]}`)).toMatch(/duplicate field "failure"$/);
  });
});
