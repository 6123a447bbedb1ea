/*
 * Clients that name a whole URL as :authority, as etcdctl 3.4 does of an end point written with its scheme: header
 * blocks by hand, and connections of Node's own HTTP/2 client whose first bytes come in any pieces.
 */
import { connect, createServer, type Http2Server } from "node:http2";
import { createServer as createTcpServer, type Server, connect as tcpConnect } from "node:net";
import { Duplex } from "node:stream";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { acceptHttp2 } from "../../chaos/member/authority.ts";
import { withPlainAuthority } from "../../chaos/member/authority-header.ts";
import { http2Preface } from "../../chaos/member/port.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
/** Codes of RFC 7541, appendix B, as they stand there. */
const codes: { readonly [character: string]: string } = {
  h: "100111",
  t: "01001",
  p: "101011",
  ":": "1011100",
  "/": "011000",
  "1": "00001",
  "2": "00010",
  "7": "011101",
  ".": "010111",
  "0": "00000",
  "3": "011001",
  "9": "011111",
  "#": "111111111010",
  "[": "1111111111011",
};
const huffman = (text: string): Buffer => {
  const bits = Array.from(text, (character) => codes[character] ?? "").join("");
  const whole = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  return Buffer.from(whole.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
};
/** :method GET, :scheme http, :path /, then :authority with that value. */
const blockWith = (value: Buffer, isHuffman: boolean): Buffer =>
  Buffer.concat([hex("82 86 84 41"), Buffer.from([value.length + (isHuffman ? 0x80 : 0)]), value, hex("bf")]);
const plain = "http...127.0.0.1:2379";

test("a URL as authority becomes one of the same length that HTTP/2 allows", () => {
  const url = "http://127.0.0.1:2379";
  const wanted = blockWith(Buffer.from("http:..127.0.0.1:2379"), false);
  expect(withPlainAuthority(blockWith(Buffer.from(url), false))).toEqual(wanted);
  expect(withPlainAuthority(blockWith(huffman(url), true))).toEqual(wanted);
  expect(withPlainAuthority(blockWith(huffman("#[http://1"), true))).toEqual(
    blockWith(Buffer.from(".[http:..1"), false),
  );
});

test("a block with nothing wrong stays the very same bytes", () => {
  // RFC 7541, C.4.1 and C.3.1: www.example.com with and without Huffman coding.
  for (const block of [hex("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"), blockWith(Buffer.from(plain), false)])
    expect(withPlainAuthority(block)).toBe(block);
});

test("a long authority keeps its length through the longer form of lengths", () => {
  const value = Buffer.from(`${"a/".repeat(150)}`);
  const block = Buffer.concat([hex("41 7f"), Buffer.from([((300 - 127) % 128) | 0x80, 1]), value]);
  expect(withPlainAuthority(block)).toEqual(Buffer.concat([block.subarray(0, 4), Buffer.from("a.".repeat(150))]));
});

test("a block that cannot be read is left to whoever parses it next", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const block = Buffer.from(bytes);
      const result = withPlainAuthority(block);
      expect(result.length).toBeGreaterThanOrEqual(0);
      expect(withPlainAuthority(result)).toBe(result);
    }),
  );
  const torn = hex("41 05 61 2f");
  expect(withPlainAuthority(torn)).toBe(torn);
});

// ---- connections -----------------------------------------------------------------------------------------------

let http2: Http2Server;
let tcp: Server;
let port: number;
/** Whether each connection was handed on as the socket it came on. */
let isPlain: boolean[];
beforeEach(async () => {
  http2 = createServer((request, response) => {
    let body = "";
    request.on("data", (piece: Buffer) => {
      body += piece;
    });
    request.on("end", () => response.end(`${request.authority} ${body.length}`));
  });
  isPlain = [];
  tcp = createTcpServer((socket) =>
    acceptHttp2(socket, (connection) => {
      isPlain.push(connection === socket);
      http2.emit("connection", connection);
    }),
  );
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  const address = tcp.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});
afterEach(async () => {
  http2.close();
  await new Promise((resolve) => tcp.close(resolve));
});

const post = (session: ReturnType<typeof connect>, body: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const stream = session.request({ ":method": "POST", ":path": "/x" });
    let text = "";
    stream.on("data", (piece: Buffer) => {
      text += piece;
    });
    stream.on("end", () => resolve(text));
    stream.on("error", reject);
    stream.end(body);
  });

/** What Node's client says, with its authority spoilt on the way and cut into pieces of so many bytes. */
function spoilt(pieceBytes: number): Duplex {
  const socket = tcpConnect(port, "127.0.0.1");
  const out = new Duplex({
    read: () => {},
    write(piece: Buffer, _encoding, done) {
      const whole = Buffer.from(piece.toString("latin1").replace("x~~y~~z", "x//y//z"), "latin1");
      for (let at = 0; at < whole.length; at += pieceBytes) socket.write(whole.subarray(at, at + pieceBytes));
      done();
    },
    final(done) {
      socket.end(done);
    },
  });
  socket.on("data", (piece: Buffer) => out.push(piece));
  socket.on("end", () => out.push(null));
  return out;
}

test.each([1_000_000, 7, 1])(
  "a spoilt authority is served, first request and later ones, in pieces of %d bytes",
  async (pieceBytes) => {
    // Not to be shortened by Huffman coding, so that it stands in the bytes: Node codes only what gets shorter.
    const session = connect("http://x~~y~~z", { createConnection: () => spoilt(pieceBytes) });
    const answers = [await post(session, "1"), await post(session, "x".repeat(40_000)), await post(session, "")];
    session.close();
    expect(answers).toEqual(["x..y..z:80 1", "x..y..z:80 40000", "x..y..z:80 0"]);
  },
);

test("a sound connection is handed on as the socket it is", async () => {
  const session = connect(`http://127.0.0.1:${port}`);
  expect(await post(session, "abc")).toBe(`127.0.0.1:${port} 3`);
  session.close();
});

test.each([true, false])(
  "a client that asks before it acknowledges settings is served; it does so later: %s",
  async (later) => {
    const socket = tcpConnect(port, "127.0.0.1");
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    const acknowledgement = Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]);
    socket.write(Buffer.concat([http2Preface, settings]));
    await new Promise<Buffer>((resolve) => socket.once("data", resolve));
    const block = blockWith(Buffer.from("a"), false).subarray(0, -1);
    const answered = new Promise<void>((resolve) => {
      let all = Buffer.alloc(0);
      socket.on("data", (piece: Buffer) => {
        all = Buffer.concat([all, piece]);
        if (all.includes("a 0")) resolve();
      });
    });
    socket.write(Buffer.concat([Buffer.from([0, 0, block.length, 1, 5, 0, 0, 0, 1]), block]));
    if (later) {
      await new Promise((resolve) => setImmediate(resolve));
      socket.write(acknowledgement);
    }
    await answered;
    expect(isPlain).toEqual([later]);
    socket.destroy();
  },
);

test("a client that waits for settings before it asks gets them", async () => {
  const socket = tcpConnect(port, "127.0.0.1");
  const first = new Promise<Buffer>((resolve) => socket.once("data", resolve));
  socket.write(Buffer.concat([http2Preface, Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]));
  expect((await first).subarray(0, 9)).toEqual(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
  // A ping needs no request to be answered.
  const pong = new Promise<Buffer>((resolve) => {
    let all = Buffer.alloc(0);
    socket.on("data", (piece: Buffer) => {
      all = Buffer.concat([all, piece]);
      if (all.includes("ping-pon")) resolve(all);
    });
  });
  socket.write(
    Buffer.concat([
      Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]),
      Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0]),
      Buffer.from("ping-pon"),
    ]),
  );
  expect((await pong).includes("ping-pon")).toBe(true);
  socket.destroy();
});
