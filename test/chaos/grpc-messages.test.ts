/*
 * gRPC messages out of pieces cut anywhere, with their bounds.
 */
import { deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Encoding, framed, MessageReader } from "../../chaos/member/grpc/messages.ts";

function reading(bytesMax: number, encoding: Encoding = "identity") {
  const taken: Uint8Array[] = [];
  return { taken, reader: new MessageReader({ bytesMax, encoding }, (message) => taken.push(message)) };
}

test("messages arrive whole and in order, however their bytes were cut", () => {
  const message = fc.uint8Array({ maxLength: 40 });
  const cuts = fc.array(fc.nat(), { maxLength: 20 });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), cuts, (messages, places) => {
      const { taken, reader } = reading(40);
      const bytes = Buffer.concat(messages.map(framed));
      const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
      for (let number = 1; number < at.length; number++) {
        expect(reader.add(bytes.subarray(at[number - 1], at[number]))).toBeUndefined();
      }
      expect(taken.map((each) => [...each])).toEqual(messages.map((each) => [...each]));
      expect(reader.isBetweenMessages).toBe(true);
    }),
  );
});

test("a message keeps its bytes when the connection's buffer is used again", () => {
  const { taken, reader } = reading(10);
  const buffer = framed(new Uint8Array([1, 2, 3]));
  reader.add(buffer);
  buffer.fill(0);
  expect([...(taken[0] ?? [])]).toEqual([1, 2, 3]);
});

test("a message over the bound is refused by its prefix, before its bytes are there", () => {
  const text = "grpc: received message larger than max (11 vs. 10)";
  for (const cut of [5, 3]) {
    const { taken, reader } = reading(10);
    const head = framed(new Uint8Array(11)).subarray(0, 5);
    const problem = reader.add(head.subarray(0, cut)) ?? reader.add(head.subarray(cut));
    expect(problem).toEqual({ code: 8, text });
    expect(taken).toEqual([]);
  }
});

test("a message cut off in its middle is known to be no end", () => {
  const { reader } = reading(10);
  reader.add(framed(new Uint8Array(4)).subarray(0, 7));
  expect(reader.isBetweenMessages).toBe(false);
});

const compressed = (bytes: Buffer): Buffer => {
  const message = framed(bytes);
  message[0] = 1;
  return message;
};

test("a compressed message is taken as the call said it would be, up to the bound of the plain one", () => {
  const plain = Buffer.alloc(1_000, 7);
  for (const [encoding, packed] of [["gzip", gzipSync(plain)] as const, ["deflate", deflateSync(plain)] as const]) {
    const { taken, reader } = reading(1_000, encoding);
    expect(reader.add(compressed(packed))).toBeUndefined();
    expect(Buffer.from(taken[0] ?? [])).toEqual(plain);
    const small = reading(999, encoding).reader;
    expect(small.add(compressed(packed))).toEqual({
      code: 8,
      text: "grpc: received message after decompression larger than max 999",
    });
  }
});

test("a compressed message in a call that said nothing of it, and one that is broken, end the call", () => {
  expect(reading(100).reader.add(compressed(gzipSync("x")))).toMatchObject({ code: 13 });
  expect(reading(100, "gzip").reader.add(compressed(Buffer.from("x")))).toMatchObject({
    code: 13,
    text: expect.stringMatching(/^grpc: failed to decompress the received message: /),
  });
});
