/*
 * Header blocks as clients send them: the examples of RFC 7541, appendix C, and bytes that are no block at all.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeHeaders, HpackDecoder, HpackProblem } from "../../chaos/member/grpc/hpack.ts";
import { huffmanText } from "../../chaos/member/grpc/huffman.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

test.each([
  [
    "as they are (C.3)",
    "828684410f7777772e6578616d706c652e636f6d",
    "828684be58086e6f2d6361636865",
    "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
  ],
  [
    "in Huffman code (C.4)",
    "828684418cf1e3c2e5f23a6ba0ab90f4ff",
    "828684be5886a8eb10649cbf",
    "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
  ],
])("three requests of one connection, strings %s", (_how, ...blocks) => {
  const decoder = new HpackDecoder(16_384);
  const [first, second, third] = blocks.map((block) => decoder.decode(hex(block)));
  const common = { ":method": "GET", ":scheme": "http", ":path": "/", ":authority": "www.example.com" };
  expect({ ...first?.headers }).toEqual(common);
  expect({ ...second?.headers }).toEqual({ ...common, "cache-control": "no-cache" });
  expect({ ...third?.headers }).toEqual({
    ...{ ...common, ":scheme": "https", ":path": "/index.html" },
    "custom-key": "custom-value",
  });
});

test("a block that only names entries means something else once the table has changed", () => {
  const decoder = new HpackDecoder(16_384);
  const named = hex("82 86 84 be");
  decoder.decode(hex("82 86 84 40 01 61 01 31"));
  expect(decoder.decode(named).headers["a"]).toBe("1");
  expect(decoder.decode(named)).toBe(decoder.decode(named));
  decoder.decode(hex("82 86 84 40 01 62 01 32"));
  expect(decoder.decode(named).headers["b"]).toBe("2");
  expect(decoder.decode(named).headers["a"]).toBeUndefined();
});

test("the table forgets the oldest, and all of it when the client makes it nothing", () => {
  const decoder = new HpackDecoder(16_384);
  const long = Buffer.concat([hex("82 86 84 40 01 61 7f 81 0f"), Buffer.alloc(2_048, "x")]);
  decoder.decode(long);
  decoder.decode(long);
  expect(() => decoder.decode(hex("82 86 84 bf"))).toThrow(HpackProblem);
  const other = new HpackDecoder(16_384);
  other.decode(hex("82 86 84 40 01 61 01 31"));
  other.decode(hex("20 82 86 84"));
  expect(() => other.decode(hex("82 86 84 be"))).toThrow("there is no entry 62");
});

test.each([
  ["an upper-case name", "82 86 84 00 01 41 01 31"],
  ["a pseudo-header behind a header", "82 86 00 01 61 01 31 84"],
  ["a pseudo-header twice", "82 86 84 84"],
  ["a pseudo-header of answers", "82 86 84 88"],
  ["a header of the connection", "82 86 84 00 0a 636f6e6e656374696f6e 01 31"],
  ["te beyond trailers", "82 86 84 00 02 7465 04 677a6970"],
])("%s makes a request malformed, and no more than that", (_what, block) => {
  const decoder = new HpackDecoder(16_384);
  expect(decoder.decode(hex(block)).malformed).toBeDefined();
  expect(decoder.decode(hex("82 86 84")).malformed).toBeUndefined();
});

test("a header that comes twice has its values joined", () => {
  const block = Buffer.concat([hex("82 86 84"), hex("00 01 61 01 31"), hex("00 01 61 01 32")]);
  expect(new HpackDecoder(16_384).decode(block).headers["a"]).toBe("1, 2");
});

test.each([
  ["a table larger than was allowed", "3f e2 1f"],
  ["a change of the table behind a field", "82 20"],
  ["a string over the end", "00 05 61 62"],
  ["a number without end", "ff ff ff ff ff ff ff"],
  ["the entry of number 0", "80"],
  ["Huffman code with the end-of-string symbol", "00 84 ff ff ff ff 00"],
  ["Huffman code with padding of zeros", "00 81 18 00"],
])("%s cannot be read", (_what, block) => {
  expect(() => new HpackDecoder(16_384).decode(hex(block))).toThrow(HpackProblem);
});

test("a block that names one long entry thousands of times keeps no more of it than the bound", () => {
  const decoder = new HpackDecoder(16_384);
  const long = Buffer.concat([hex("40 01 61 7f a1 1e"), Buffer.alloc(4_000, "x")]);
  expect(decoder.decode(long).headers["a"]).toHaveLength(4_000);
  const block = decoder.decode(Buffer.alloc(5_000, 0x80 + 62));
  expect(block.listBytes).toBe(5_000 * (4_000 + 1 + 32));
  expect(block.headers["a"]?.length).toBeLessThan(16_384);
});

test("no bytes do more than be refused", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HpackDecoder(16_384);
      for (const block of blocks) {
        try {
          decoder.decode(block);
        } catch (error) {
          expect(error).toBeInstanceOf(HpackProblem);
          return;
        }
      }
    }),
  );
  expect(huffmanText(hex("f1e3 c2e5 f23a 6ba0 ab90 f4ff"))).toBe("www.example.com");
});

test("what is sent reads as it was meant", () => {
  const value = "x".repeat(300);
  const block = encodeHeaders([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/a"],
    ["grpc-message", value],
  ]);
  expect({ ...new HpackDecoder(16_384).decode(block).headers }).toEqual({
    ...{ ":method": "POST", ":scheme": "http", ":path": "/a", "grpc-message": value },
  });
});
