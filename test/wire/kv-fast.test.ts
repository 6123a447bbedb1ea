/*
 * The hand-written half of Put and Range is the generated code, only faster: same bytes out, same object in, and what
 * it does not read it leaves alone.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  clusterIdOf,
  type Header,
  type KeyValue,
  leaseIdOf,
  memberIdOf,
  type PutRequest,
  type RangeRequest,
  revisionOf,
  termOf,
} from "../../core/index.ts";
import * as rpc from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { headerToWire } from "../../core/wire/key-value.ts";
import { putAnswerToWire, putFromWire, rangeAnswerToWire, rangeFromWire } from "../../core/wire/kv.ts";
import { decodePut, decodeRange, encodePutAnswer, encodeRangeAnswer } from "../../core/wire/kv-fast.ts";

const runs = { numRuns: 300 };
const bytes = fc.oneof(fc.uint8Array({ maxLength: 12 }), fc.uint8Array({ minLength: 126, maxLength: 300 }));
const count = fc.oneof(fc.constant(0), fc.nat(300), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));
const wide = fc.oneof(
  fc.constant(0n),
  fc.bigInt({ min: 0n, max: 2n ** 29n }),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);
const lease = fc.oneof(wide, fc.constant(-1n)).map((id) => leaseIdOf(BigInt.asIntN(64, id)));

const header: fc.Arbitrary<Header> = fc.record({
  clusterId: wide.map(clusterIdOf),
  memberId: wide.map(memberIdOf),
  revision: count.map(revisionOf),
  raftTerm: count.map(termOf),
});
const keyValue: fc.Arbitrary<KeyValue> = fc.record({
  key: bytes,
  createRevision: count.map(revisionOf),
  modRevision: count.map(revisionOf),
  version: count,
  value: bytes,
  lease,
});

describe("answers are written byte for byte as by the generated code", () => {
  test("put", () => {
    fc.assert(
      fc.property(header, fc.option(keyValue, { nil: undefined }), (head, prevKv) => {
        const answer = { type: "put" as const, prevKv };
        const expected = toBinary(rpc.PutResponseSchema, putAnswerToWire(answer, headerToWire(head)));
        expect(Buffer.from(encodePutAnswer(head, answer))).toEqual(Buffer.from(expected));
      }),
      runs,
    );
  });

  test("range", () => {
    fc.assert(
      fc.property(header, fc.array(keyValue, { maxLength: 4 }), fc.boolean(), count, (head, keyValues, more, total) => {
        const answer = { type: "range" as const, keyValues, more, count: total };
        const expected = toBinary(rpc.RangeResponseSchema, rangeAnswerToWire(answer, headerToWire(head)));
        expect(Buffer.from(encodeRangeAnswer(head, answer))).toEqual(Buffer.from(expected));
      }),
      runs,
    );
  });
});

/** Fields as any client may write them: in any order, twice, of a wrong type, unknown, or cut off. */
const varint = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(varintBytes);
const smallVarint = fc.nat(130).map((value) => varintBytes(BigInt(value)));
const field = fc
  .tuple(fc.integer({ min: 1, max: 15 }), fc.oneof(smallVarint, smallVarint, varint, bytes), fc.boolean())
  .map(([number, content, asString]) =>
    asString
      ? [...varintBytes(BigInt((number << 3) | 2)), ...varintBytes(BigInt(content.length)), ...content]
      : [...varintBytes(BigInt(number << 3)), ...content],
  );
const likely = fc.constantFrom(
  [0x0a, 1, 0x6b],
  [0x12, 2, 0x76, 0x77],
  [0x18, 0],
  [0x18, 5],
  [0x20, 1],
  [0x28, 1],
  [0x30, 1],
);
const message = fc
  .tuple(fc.array(fc.oneof({ arbitrary: likely, weight: 4 }, field), { maxLength: 6 }), fc.nat(20))
  .map(([fields, cut]) => {
    const whole = Uint8Array.from(fields.flat());
    return cut === 0 ? whole.subarray(0, whole.length - 1) : whole;
  });

function varintBytes(value: bigint): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 128n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  return [...out, Number(rest)];
}

function generated<Shape>(read: () => Shape): Shape | "refused" {
  try {
    return read();
  } catch {
    return "refused";
  }
}

describe("what is read by hand is what the generated code reads; the rest is left to it", () => {
  test("put", () => {
    fc.assert(
      fc.property(message, (input) => {
        const fast = decodePut(input);
        if (fast === undefined) return;
        expect(fast).toEqual(generated<PutRequest>(() => putFromWire(fromBinary(rpc.PutRequestSchema, input))));
      }),
      { numRuns: 2_000 },
    );
  });

  test("range", () => {
    fc.assert(
      fc.property(message, (input) => {
        const fast = decodeRange(input);
        if (fast === undefined) return;
        expect(fast).toEqual(generated<RangeRequest>(() => rangeFromWire(fromBinary(rpc.RangeRequestSchema, input))));
      }),
      { numRuns: 2_000 },
    );
  });

  test("usual requests are read by hand", () => {
    expect(decodePut(Uint8Array.from([0x0a, 1, 0x6b, 0x12, 1, 0x76]))).toMatchObject({ type: "put" });
    expect(decodePut(Uint8Array.from([0x0a, 1, 0x6b, 0x12, 1, 0x76, 0x18, 7]))).toMatchObject({ lease: 7n });
    expect(decodeRange(Uint8Array.from([0x0a, 1, 0x6b, 0x12, 1, 0]))).toMatchObject({ type: "range" });
    expect(decodeRange(new Uint8Array(0))).toMatchObject({ type: "range", sortOrder: "none" });
  });

  test("unusual ones are left alone", () => {
    expect(decodePut(Uint8Array.from([0x7a, 0]))).toBeUndefined();
    expect(decodePut(Uint8Array.from([0x0a, 9, 0x6b]))).toBeUndefined();
    expect(decodePut(Uint8Array.from([0x18, ...varintBytes(2n ** 63n)]))).toBeUndefined();
    expect(decodeRange(Uint8Array.from([0x28, 7]))).toBeUndefined();
  });
});
