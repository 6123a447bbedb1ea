/*
 * The server's side of HTTP/2: against node's own client for what is legal, and frame by frame for what is not.
 */
import { connect, type OutgoingHttpHeaders } from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";
import { Duplex } from "node:stream";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { Connection } from "../../chaos/member/grpc/connection.ts";
import { Holding } from "../../chaos/member/grpc/holding.ts";
import { encodeHeaders, type HeaderMap } from "../../chaos/member/grpc/hpack.ts";
import { PingPolicy } from "../../chaos/member/grpc/ping-policy.ts";
import type { Stream } from "../../chaos/member/grpc/stream.ts";

const head = encodeHeaders([[":status", "200"]]);
const trailers = encodeHeaders([["grpc-status", "0"]]);
const options = {
  ...{ streamsMax: 100, windowBytes: { stream: 100_000, connection: 400_000 }, headerListBytesMax: 16_384 },
  ...{ pingLeastMs: 5_000, holding: new Holding() },
  onClose: () => {},
};

/** Answers with the bytes it got, piece by piece. */
function echo(stream: Stream): void {
  stream.respond(head, false);
  stream.handler = {
    data: (piece) => void stream.write(Buffer.from(piece)),
    end: () => stream.end(trailers),
    gone() {},
    drained() {},
  };
}

// ---- node's client -------------------------------------------------------------------------------------------

let server: Server | undefined;
afterEach(() => server?.close());

async function listen(onStream: (stream: Stream, headers: HeaderMap) => void): Promise<string> {
  server = createServer((socket) => new Connection(socket, { ...options, onStream }));
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("bodies of any size come back whole, many streams at once, windows far smaller", async () => {
  const session = connect(await listen(echo));
  const sizes = [
    0,
    1,
    16_384,
    16_385,
    65_535,
    65_536,
    250_000,
    1_000_000,
    ...Array.from({ length: 40 }, (_, n) => 997 * n),
  ];
  const answers = await Promise.all(
    sizes.map(async (size, number) => {
      const sent = Buffer.alloc(size, number + 1);
      const stream = session.request({ ":method": "POST", ":path": "/" });
      const pieces: Buffer[] = [];
      stream.on("data", (piece: Buffer) => pieces.push(piece));
      const trailed = new Promise((resolve) => stream.on("trailers", resolve));
      stream.end(sent);
      expect(await trailed).toMatchObject({ "grpc-status": "0" });
      return Buffer.concat(pieces).equals(sent);
    }),
  );
  expect(answers).toEqual(sizes.map(() => true));
  session.close();
});

test("a whole answer that is larger than the windows arrives", async () => {
  const bytes = Buffer.alloc(3_000_000, 7);
  const session = connect(await listen((stream) => stream.answer(head, bytes, trailers)));
  const stream = session.request({ ":method": "POST", ":path": "/" });
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
  session.close();
});

test("headers arrive as they were sent, whatever the client's tables make of them", async () => {
  let heard: HeaderMap = {};
  const session = connect(
    await listen((stream, headers) => {
      heard = headers;
      stream.answer(head, Buffer.alloc(0), trailers);
    }),
  );
  const name = fc.stringMatching(/^x-[a-z0-9-]{1,12}$/);
  const value = fc.stringMatching(/^[!-~]([ -~]{0,60}[!-~])?$/);
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, value, { maxKeys: 8 }), async (more) => {
      const headers: OutgoingHttpHeaders = { ":method": "POST", ":path": "/p", ...more };
      const stream = session.request(headers);
      stream.resume();
      stream.end();
      await new Promise((resolve) => stream.once("close", resolve));
      expect({ ...heard }).toMatchObject({ ":method": "POST", ":path": "/p", ...more });
    }),
    { numRuns: 60 },
  );
  session.close();
});

test("a client that gives up a stream, or goes, is told to the call", async () => {
  const gone: number[] = [];
  const url = await listen((stream) => {
    stream.handler = { data() {}, end() {}, gone: () => void gone.push(stream.id), drained() {} };
  });
  const session = connect(url);
  session.on("error", () => {});
  const streams = Array.from({ length: 100 }, () => session.request({ ":method": "POST", ":path": "/" }));
  for (const stream of streams) stream.on("error", () => {});
  await new Promise((resolve) => session.ping(resolve));
  streams[0]?.close();
  while (gone.length < 1) await new Promise((resolve) => setTimeout(resolve, 1));
  session.destroy();
  while (gone.length < 100) await new Promise((resolve) => setTimeout(resolve, 1));
});

// ---- frame by frame ------------------------------------------------------------------------------------------

const frame = (type: number, flags: number, streamId: number, payload: string | Buffer): Buffer => {
  const bytes = typeof payload === "string" ? Buffer.from(payload.replaceAll(" ", ""), "hex") : payload;
  const headBytes = Buffer.alloc(9);
  headBytes.writeUIntBE(bytes.length, 0, 3);
  headBytes[3] = type;
  headBytes[4] = flags;
  headBytes.writeUInt32BE(streamId, 5);
  return Buffer.concat([headBytes, bytes]);
};
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const settings = frame(4, 0, 0, "");
/** POST, http, /. */
const request = "83 86 84";

/** A socket whose other end is the test; `takes` says whether that end reads. */
class FakeSocket extends Duplex {
  written: Buffer = Buffer.alloc(0);
  takes = true;
  #held: (() => void)[] = [];

  override _read(): void {}
  override _write(piece: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written = Buffer.concat([this.written, piece]);
    if (this.takes) done();
    else this.#held.push(done);
  }
  release(): void {
    this.takes = true;
    for (const done of this.#held.splice(0)) done();
  }
}

interface Seen {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

function framesOf(bytes: Buffer): Seen[] {
  const frames: Seen[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    const payload = bytes.subarray(at + 9, at + 9 + length);
    frames.push({ type: bytes[at + 3] ?? 0, flags: bytes[at + 4] ?? 0, streamId: bytes.readUInt32BE(at + 5), payload });
    at += 9 + length;
  }
  return frames;
}

/** Lets the connection read those bytes, in pieces of so many, and says what it sent. */
async function exchange(
  bytes: Buffer,
  onStream: (stream: Stream, headers: HeaderMap) => void = echo,
  pieceBytes = 1e9,
) {
  const socket = new FakeSocket();
  socket.on("error", () => {});
  const connection = new Connection(socket, { ...options, onStream });
  for (let at = 0; at < bytes.length; at += pieceBytes) socket.push(bytes.subarray(at, at + pieceBytes));
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  return { connection, socket, frames: framesOf(socket.written) };
}

const goAwayOf = (frames: readonly Seen[]): number | undefined =>
  frames.find(({ type }) => type === 7)?.payload.readUInt32BE(4);
const resetsOf = (frames: readonly Seen[]): readonly (readonly [number, number])[] =>
  frames.filter(({ type }) => type === 3).map(({ streamId, payload }) => [streamId, payload.readUInt32BE(0)] as const);

test.each([
  ["another protocol", Buffer.from("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"), 1],
  ["no settings first", Buffer.concat([preface, frame(6, 0, 0, "00".repeat(8))]), 1],
  ["a frame that is too long", Buffer.concat([preface, settings, frame(0, 0, 1, Buffer.alloc(16_385))]), 6],
  ["an even stream", Buffer.concat([preface, settings, frame(1, 5, 2, request)]), 1],
  ["data of no stream", Buffer.concat([preface, settings, frame(0, 0, 1, "00")]), 1],
  ["a reset of no stream", Buffer.concat([preface, settings, frame(3, 0, 1, "00000008")]), 1],
  ["a ping of 7 bytes", Buffer.concat([preface, settings, frame(6, 0, 0, "00".repeat(7))]), 6],
  ["settings of a stream", Buffer.concat([preface, settings, frame(4, 0, 1, "")]), 1],
  ["settings cut short", Buffer.concat([preface, settings, frame(4, 0, 0, "0004000000")]), 6],
  ["a window of 2^31", Buffer.concat([preface, settings, frame(4, 0, 0, "000480000000")]), 3],
  ["a window that grows by nothing", Buffer.concat([preface, settings, frame(8, 0, 0, "00000000")]), 1],
  ["a window that grows too far", Buffer.concat([preface, settings, frame(8, 0, 0, "7fffffff")]), 3],
  ["a push", Buffer.concat([preface, settings, frame(5, 4, 1, "00000002")]), 1],
  ["a block that is not continued", Buffer.concat([preface, settings, frame(1, 1, 1, request), settings]), 1],
  ["a continuation of nothing", Buffer.concat([preface, settings, frame(9, 4, 1, request)]), 1],
  ["padding longer than its frame", Buffer.concat([preface, settings, frame(1, 13, 1, `04 ${request}`)]), 1],
  ["a block that is no HPACK", Buffer.concat([preface, settings, frame(1, 5, 1, "80")]), 9],
])("%s ends the connection with its code", async (_what, bytes, code) => {
  for (const pieceBytes of [1e9, 3]) {
    const { socket, frames } = await exchange(bytes, echo, pieceBytes);
    expect(goAwayOf(frames)).toBe(code);
    expect(socket.writableEnded).toBe(true);
  }
});

test.each([
  ["an upper-case name", `${request} 00 01 41 01 31`, 1],
  ["no path", "83 86", 1],
  [
    "headers beyond the bound",
    Buffer.concat([
      Buffer.from("8386840001617f", "hex"),
      Buffer.from([0x81, 0x7f]),
      Buffer.alloc(16_384, "x"),
    ]).toString("hex"),
    11,
  ],
])("a request with %s ends alone", async (_what, block, code) => {
  const whole = Buffer.from(block.replaceAll(" ", ""), "hex");
  const bytes = Buffer.concat([
    ...[preface, settings, frame(1, 1, 1, whole.subarray(0, 9_000)), frame(9, 4, 1, whole.subarray(9_000))],
    frame(1, 5, 3, request),
  ]);
  const { frames } = await exchange(bytes);
  expect(resetsOf(frames)).toEqual([[1, code]]);
  expect(goAwayOf(frames)).toBeUndefined();
  expect(frames.filter(({ type, streamId }) => type === 1 && streamId === 3)).toHaveLength(2);
});

test("a whole URL as authority, as older clients of etcd send it, is a request like others", async () => {
  const url = Buffer.from("http://127.0.0.1:2379");
  const block = Buffer.concat([Buffer.from("83868441", "hex"), Buffer.from([url.length]), url]);
  let authority: string | undefined;
  await exchange(Buffer.concat([preface, settings, frame(1, 5, 1, block)]), (stream, headers) => {
    authority = headers[":authority"];
    echo(stream);
  });
  expect(authority).toBe("http://127.0.0.1:2379");
});

test("priorities, padding, unknown frames and pieces of any size change nothing", async () => {
  const bytes = Buffer.concat([
    ...[preface, settings, frame(0x50, 0xff, 1, "0102"), frame(1, 0x2c, 1, `02 00000000 10 ${request} 0000`)],
    ...[frame(2, 0, 1, "00000000 10"), frame(0, 8, 1, "03 616263 000000"), frame(0, 1, 1, "64")],
  ]);
  for (const pieceBytes of [1e9, 10, 1]) {
    const { frames } = await exchange(bytes, echo, pieceBytes);
    const data = frames.filter(({ type }) => type === 0).map(({ payload }) => payload);
    expect(Buffer.concat(data).toString()).toBe("abcd");
    expect(frames.at(-1)).toMatchObject({ type: 1, flags: 5, streamId: 1 });
  }
});

test("more data than a stream was allowed ends the stream", async () => {
  const open = [1, 3, 5, 7, 9].map((id) => frame(1, 4, id, request));
  const data = (id: number, frames: number): Buffer[] =>
    Array.from({ length: frames }, () => frame(0, 0, id, Buffer.alloc(16_000)));
  // Nothing is given back to streams of which no more than half of the window is used.
  const quiet = (stream: Stream): void => {
    stream.receiveWindow = 20_000;
    stream.handler = { data() {}, end() {}, gone() {}, drained() {} };
  };
  const one = await exchange(Buffer.concat([preface, settings, ...open, ...data(1, 2)]), quiet);
  expect(resetsOf(one.frames)).toEqual([[1, 3]]);
});

test("what an answer may send waits for the client's windows", async () => {
  const bytes = Buffer.alloc(100_000, 1);
  const { socket } = await exchange(
    Buffer.concat([preface, frame(4, 0, 0, "0004 00001000"), frame(1, 5, 1, request)]),
    (stream) => stream.answer(head, bytes, trailers),
  );
  const sent = (): number =>
    framesOf(socket.written).reduce((sum, { type, payload }) => sum + (type === 0 ? payload.length : 0), 0);
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(sent()).toBe(4_096);
  socket.push(frame(8, 0, 1, "00001000"));
  await turn();
  expect(sent()).toBe(8_192);
  // The stream may, the connection not yet.
  socket.push(frame(8, 0, 1, "00100000"));
  await turn();
  expect(sent()).toBe(65_535);
  expect(framesOf(socket.written).at(-1)?.flags).toBe(0);
  socket.push(frame(8, 0, 0, "00100000"));
  await turn();
  expect(sent()).toBe(100_000);
  expect(framesOf(socket.written).at(-1)).toMatchObject({ type: 1, flags: 5 });
});

test("requests beyond the limit are refused, and the next is taken when one has ended", async () => {
  const ids = Array.from({ length: 101 }, (_none, number) => 2 * number + 1);
  const streams: Stream[] = [];
  const take = (stream: Stream): void => {
    streams.push(stream);
    stream.handler = { data() {}, end() {}, gone() {}, drained() {} };
  };
  const bytes = Buffer.concat([preface, settings, ...ids.map((id) => frame(1, 5, id, request))]);
  const { socket, frames } = await exchange(bytes, take);
  expect(resetsOf(frames)).toEqual([[201, 7]]);
  streams[0]?.answer(head, Buffer.alloc(0), trailers);
  socket.push(frame(1, 5, 203, request));
  await new Promise((resolve) => setImmediate(resolve));
  expect(streams.at(-1)?.id).toBe(203);
});

test("a client that resets without end is sent away", async () => {
  const ids = Array.from({ length: 1_200 }, (_none, number) => 2 * number + 1);
  const bytes = Buffer.concat([
    preface,
    settings,
    ...ids.flatMap((id) => [frame(1, 5, id, request), frame(3, 0, id, "00000008")]),
  ]);
  const silent = (stream: Stream): void => {
    stream.handler = { data() {}, end() {}, gone() {}, drained() {} };
  };
  expect(goAwayOf((await exchange(bytes, silent)).frames)).toBe(11);
  expect(goAwayOf((await exchange(bytes.subarray(0, 20_000), silent)).frames)).toBeUndefined();
});

test("a client that asks and does not take is not read any more until it does", async () => {
  const socket = new FakeSocket();
  socket.takes = false;
  new Connection(socket, { ...options, pingLeastMs: 0, onStream: echo });
  socket.push(Buffer.concat([preface, settings, frame(1, 4, 1, request)]));
  const pings = Buffer.concat(Array.from({ length: 10_000 }, () => frame(6, 0, 0, "0102030405060708")));
  for (let round = 0; round < 100 && !socket.isPaused(); round++) {
    socket.push(pings);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(socket.isPaused()).toBe(true);
  expect(socket.writableLength).toBeLessThan(5 * 1024 * 1024);
  socket.release();
  await new Promise((resolve) => setImmediate(resolve));
  expect(socket.isPaused()).toBe(false);
});

const ping = frame(6, 0, 0, "0102030405060708");
const open = frame(1, 4, 1, request);
test.each([
  ["without a call", [], 4, true],
  ["without a call, as often as is forgiven", [], 3, false],
  ["with one", [open], 4, true],
  ["with one, as often as is forgiven", [open], 3, false],
])("pings in a row %s", async (_what, before, count, isTooMany) => {
  const silent = (stream: Stream): void => {
    stream.handler = { data() {}, end() {}, gone() {}, drained() {} };
  };
  const pings = Array.from({ length: count }, () => ping);
  const { frames } = await exchange(Buffer.concat([preface, settings, ...before, ...pings]), silent);
  expect(frames.filter(({ type, flags }) => type === 6 && flags === 1)).toHaveLength(count);
  const goAway = frames.find(({ type }) => type === 7);
  expect(goAway === undefined ? undefined : [goAwayOf(frames), goAway.payload.subarray(8).toString()]).toEqual(
    isTooMany ? [11, "too_many_pings"] : undefined,
  );
});

test("pings are forgiven with every answer, and cost nothing when enough time lies between", async () => {
  const rounds = Array.from({ length: 20 }, () => [ping, ping, ping, frame(0, 0, 1, "00")]).flat();
  const { frames } = await exchange(Buffer.concat([preface, settings, open, ...rounds]));
  expect(goAwayOf(frames)).toBeUndefined();
  const policy = new PingPolicy(5_000);
  expect([0, 5_000, 10_000, 15_000, 20_000].map((nowMs) => policy.ping(nowMs, true))).not.toContain(false);
  expect([24_999, 29_998, 34_997].map((nowMs) => policy.ping(nowMs, true))).toEqual([true, true, false]);
});

test("a client that takes no answers may ask no further than its window", async () => {
  const takesNothing = frame(4, 0, 0, "0004 00000000");
  const pieces = Array.from({ length: 5 }, () => frame(0, 0, 1, Buffer.alloc(16_000, "x")));
  const { socket, frames } = await exchange(Buffer.concat([preface, takesNothing, frame(1, 4, 1, request), ...pieces]));
  const widened = (seen: readonly Seen[]): number =>
    seen.filter(({ type, streamId }) => type === 8 && streamId === 1).length;
  expect(widened(frames)).toBe(0);
  socket.push(frame(8, 0, 1, "00020000"));
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  const after = framesOf(socket.written);
  const answered = after.filter(({ type }) => type === 0).map(({ payload }) => payload.length);
  expect(answered.reduce((sum, length) => sum + length, 0)).toBe(65_535);
  expect(widened(after)).toBe(0);
  socket.push(frame(8, 0, 0, "00020000"));
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(widened(framesOf(socket.written))).toBe(1);
});

test("the end takes no more requests, and comes with the last answer", async () => {
  let open: Stream | undefined;
  const { socket, connection } = await exchange(
    Buffer.concat([preface, settings, frame(1, 5, 1, request)]),
    (stream) => {
      open = stream;
    },
  );
  connection.close();
  // A request that was on its way, with its data, a window and its end.
  socket.push(frame(1, 4, 3, request));
  socket.push(Buffer.concat([frame(0, 0, 3, "00"), frame(8, 0, 3, "00000001"), frame(3, 0, 3, "00000008")]));
  await new Promise((resolve) => setImmediate(resolve));
  expect(connection.streamCount).toBe(1);
  expect(goAwayOf(framesOf(socket.written))).toBe(0);
  expect(socket.writableEnded).toBe(false);
  open?.answer(head, Buffer.alloc(3), trailers);
  await new Promise((resolve) => setImmediate(resolve));
  expect(framesOf(socket.written).at(-1)).toMatchObject({ type: 1, streamId: 1 });
  expect(socket.writableEnded).toBe(true);
});
