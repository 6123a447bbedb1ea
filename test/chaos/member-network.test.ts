/*
 * Links between real members: the network contract over a small hop of bytes, and what the contract does not say:
 * greetings that do not fit, queues that are full, peers that come and go.
 */
import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Log } from "../../chaos/member/log.ts";
import { silentLog } from "../../chaos/member/log.ts";
import {
  clusterIdOf,
  decodePeerMessage,
  encodePeerMessage,
  indexOf,
  memberIdOf,
  type PeerMessage,
  type SnapshotChunk,
  termOf,
} from "../../core/index.ts";
import { networkSuite } from "../contract/network.suite.ts";
import { answerTo, frameOf, greetingOf, uint32 } from "../kit/peer-frames.ts";
import { until } from "../kit/real-members.ts";
import { End, quietMs, RealNetwork, sleep } from "./real-network.ts";

networkSuite({ name: "TCP links", open: () => new RealNetwork().open() });

describe("links", () => {
  const ends: End[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0)) await end.stop();
  });
  const first = memberIdOf(1n);
  const second = memberIdOf(2n);
  const heartbeat = (number: number): PeerMessage => ({
    type: "heartbeat",
    from: first,
    to: second,
    term: termOf(1),
    commitIndex: indexOf(number),
    toIncarnation: 0,
    readRound: 0,
    held: undefined,
  });

  /** A pair of ends; the second listens only when told. */
  async function pair(log: Log = silentLog, foreign = false): Promise<[End, End]> {
    const one = new End(first);
    const two = new End(second);
    ends.push(one, two);
    await two.start(new Map([[first, "127.0.0.1:1"]]), foreign ? { clusterId: clusterIdOf(78n), log } : { log });
    await one.start(new Map([[second, `127.0.0.1:${two.number}`]]), { log });
    one.dial();
    return [one, two];
  }
  function recordingLog(): { lines: string[]; log: Log } {
    const lines: string[] = [];
    const keep = (text: string): void => {
      lines.push(text);
    };
    return { lines, log: { debug() {}, info: keep, warn: keep, error: keep, fatal: keep } };
  }

  test("bytes that change on their way end the connection: no changed message arrives, and those after it do", async () => {
    const target = new End(memberIdOf(2n));
    const flipped: number[] = [];
    let passed = 0;
    let isNoisy = true;
    // Passes the greetings, then flips a bit in every fifth piece.
    const hop = createServer((from) => {
      const to = connect(target.number, "127.0.0.1");
      for (const socket of [from, to]) socket.on("error", () => {});
      from.on("close", () => to.destroy());
      to.on("close", () => from.destroy());
      to.on("data", (piece) => from.write(piece));
      let pieces = 0;
      from.on("data", (piece: Buffer) => {
        pieces += 1;
        passed += 1;
        if (isNoisy && pieces > 3 && passed % 5 === 0) {
          const place = (passed * 7) % piece.length;
          piece[place] = (piece[place] ?? 0) ^ (1 << (passed % 8));
          flipped.push(place);
        }
        to.write(piece);
      });
    });
    await new Promise<void>((resolve) => hop.listen(0, "127.0.0.1", resolve));
    const address = hop.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const sender = new End(memberIdOf(3n));
    // The target knows the sender, and never dials it.
    await target.start(new Map([[memberIdOf(3n), "127.0.0.1:1"]]));
    await sender.start(new Map([[memberIdOf(2n), `127.0.0.1:${port}`]]));
    sender.dial();
    const sent = new Set<string>();
    const textOf = (message: PeerMessage): string =>
      JSON.stringify(message, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value));
    const send = (number: number): void => {
      const message: PeerMessage = { ...heartbeat(number), from: memberIdOf(3n), to: memberIdOf(2n) };
      sent.add(textOf(message));
      sender.send(message);
    };
    for (let number = 1; number <= 120; number++) {
      send(number);
      await sleep(15);
    }
    expect(target.received.length).toBeGreaterThan(5);
    // Once the line is clean, what is sent arrives again, whatever was flipped last.
    isNoisy = false;
    const arrivedBefore = target.received.length;
    for (let number = 200; target.received.length === arrivedBefore && number < 700; number++) {
      send(number);
      await sleep(20);
    }
    expect(target.received.length).toBeGreaterThan(arrivedBefore);
    await sender.stop();
    await target.stop();
    hop.close();
    expect(flipped.length).toBeGreaterThan(2);
    expect(target.received.filter((message) => !sent.has(textOf(message)))).toEqual([]);
  });

  test("a member of another cluster is refused, and both sides say so", async () => {
    const { lines, log } = recordingLog();
    const [one, two] = await pair(log, true);
    await until(
      () => lines.some((line) => line.includes("request sent was ignored")),
      5_000,
      () => lines.join("\n"),
    );
    for (let number = 1; number < 5; number++) {
      one.send(heartbeat(number));
      await sleep(quietMs);
    }
    expect(two.received).toEqual([]);
    expect(lines).toContain("request cluster ID mismatch");
    expect(lines).toContain("request sent was ignored by remote peer due to cluster ID mismatch");
  });

  test("what no member sends ends its connection, is named on both sides, and disturbs nobody else", async () => {
    const lines: string[] = [];
    const keep = (text: string, fields: object = {}): void => {
      lines.push(`${text} ${JSON.stringify(fields)}`);
    };
    const log: Log = { debug() {}, info: keep, warn: keep, error: keep, fatal: keep };
    const [one, two] = await pair(log);
    const ids = { cluster: 77n, from: 1n, to: 2n };
    const alien: PeerMessage = { ...heartbeat(1), from: memberIdOf(5n) };
    const sent = (frame: Uint8Array): Buffer => Buffer.concat([greetingOf(ids), frame]);
    const cases: readonly { readonly bytes: Buffer; readonly answer: string; readonly logged?: string }[] = [
      { bytes: greetingOf({ ...ids, from: 9n }), answer: "9 is not a member of cluster", logged: "sender not found" },
      { bytes: greetingOf({ ...ids, to: 7n }), answer: "this is member 2, not 7", logged: "to ID mismatch" },
      { bytes: sent(uint32(0x7fff_ffff)), answer: "a frame of 2147483647 bytes is too long" },
      { bytes: sent(Buffer.concat([uint32(5), uint32(100), Buffer.of(1)])), answer: "a message runs over its frame" },
      { bytes: sent(frameOf(Buffer.of(99, 0))), answer: "a message is malformed: peer message has format version 99" },
      { bytes: sent(frameOf(encodePeerMessage(alien))), answer: "not between the members of its connection" },
    ];
    for (const { bytes, answer, logged } of cases) {
      expect(await answerTo(two.number, bytes)).toContain(answer);
      expect(lines.filter((line) => line.includes(logged ?? answer))).not.toEqual([]);
    }
    // Half a frame, and then the end: nothing of it was a message.
    const half = Buffer.concat([greetingOf(ids), frameOf(encodePeerMessage(heartbeat(3)))]);
    const socket = connect(two.number, "127.0.0.1");
    socket.on("error", () => {});
    await new Promise<void>((resolve) => socket.end(half.subarray(0, half.length - 3), resolve));
    await until(
      () => one.connected === 1,
      5_000,
      () => "connection",
    );
    one.send(heartbeat(4));
    await until(
      () => two.received.length > 0,
      5_000,
      () => "message",
    );
    expect(two.received).toEqual([heartbeat(4)]);
  });

  test("a member that comes late, or comes back, is found within a second", async () => {
    const [one, two] = await pair();
    await until(
      () => one.connected === 1,
      5_000,
      () => "connection",
    );
    const number = two.number;
    await two.stop();
    await until(
      () => one.connected === 0,
      5_000,
      () => "loss of the connection",
    );
    await sleep(2_000);
    const again = new End(second);
    again.number = number;
    ends.push(again);
    await again.start(new Map([[first, "127.0.0.1:1"]]));
    const from = Date.now();
    await until(
      () => one.connected === 1,
      5_000,
      () => "connection",
    );
    expect(Date.now() - from).toBeLessThan(1_000);
    one.send(heartbeat(9));
    await until(
      () => again.received.length === 1,
      5_000,
      () => "message",
    );
  });

  test("a member that is said to be elsewhere, and is not there yet, still gets what is sent; once it is there it is found", async () => {
    const [one, two] = await pair();
    const arrives = async (to: End, number: number): Promise<void> => {
      await until(
        () => {
          one.send(heartbeat(number));
          return to.received.length > 0;
        },
        5_000,
        () => `heartbeat ${number}`,
      );
    };
    await arrives(two, 1);
    // What tells it so is what is sent next.
    const elsewhere = new End(second);
    ends.push(elsewhere);
    await elsewhere.start(new Map([[first, "127.0.0.1:1"]]));
    const { number } = elsewhere;
    await elsewhere.stop();
    two.received = [];
    one.moved(second, `127.0.0.1:${number}`);
    one.send(heartbeat(2));
    await sleep(10 * quietMs);
    one.send(heartbeat(3));
    await sleep(quietMs);
    expect(two.received).toEqual([heartbeat(2), heartbeat(3)]);
    await two.stop();
    await elsewhere.start(new Map([[first, "127.0.0.1:1"]]));
    await arrives(elsewhere, 4);
  });

  test("a member that listens elsewhere already is talked to there", async () => {
    const [one, two] = await pair();
    const elsewhere = new End(second);
    ends.push(elsewhere);
    await elsewhere.start(new Map([[first, "127.0.0.1:1"]]));
    await until(
      () => one.connected === 1,
      5_000,
      () => "no connection",
    );
    one.moved(second, `127.0.0.1:${elsewhere.number}`);
    await until(
      () => {
        one.send(heartbeat(1));
        return elsewhere.received.length > 0;
      },
      5_000,
      () => `nothing arrived, ${two.received.length} at the old place`,
    );
  });

  test("a large message arrives whole", async () => {
    const [one, two] = await pair();
    await until(
      () => one.connected === 1,
      5_000,
      () => "connection",
    );
    const chunk: SnapshotChunk = {
      type: "snapshotChunk",
      from: first,
      to: second,
      term: termOf(1),
      transferId: 1,
      snapshotIndex: indexOf(5),
      snapshotTerm: termOf(1),
      configuration: { voters: [first, second], outgoing: [], learners: [] },
      chunk: 0,
      last: true,
      bytes: Uint8Array.from({ length: 3_000_000 }, (_none, position) => position % 251),
    };
    one.send(chunk);
    await until(
      () => two.received.length === 1,
      10_000,
      () => "message",
    );
    const [received] = two.received;
    expect(received?.type === "snapshotChunk" && Buffer.compare(received.bytes, chunk.bytes)).toBe(0);
  });

  test("a queue that is full drops its oldest messages, never its newest", async () => {
    // The receiver reads nothing, so the socket fills, then the queue.
    const silent = createServer({ pauseOnConnect: true });
    const port = await new Promise<number>((resolve) => {
      silent.listen(0, "127.0.0.1", () => {
        const address = silent.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    const accepted: Socket[] = [];
    silent.on("connection", (socket) => accepted.push(socket));
    const one = new End(first);
    ends.push(one);
    await one.start(new Map([[second, `127.0.0.1:${port}`]]), { queuedBytesMax: 1024 * 1024 });
    one.dial();
    try {
      await until(
        () => one.connected === 1 && accepted.length === 1,
        5_000,
        () => "connection",
      );
      const chunk = (number: number): PeerMessage => ({
        type: "snapshotChunk",
        from: first,
        to: second,
        term: termOf(1),
        transferId: 1,
        snapshotIndex: indexOf(5),
        snapshotTerm: termOf(1),
        configuration: { voters: [first, second], outgoing: [], learners: [] },
        chunk: number,
        last: false,
        bytes: new Uint8Array(64 * 1024),
      });
      // The kernel takes some, 1 MB waits, the rest pushes the oldest out.
      const last = 399;
      for (let number = 0; number <= last; number++) {
        one.send(chunk(number));
        await new Promise((resolve) => setImmediate(resolve));
      }
      const pieces: Buffer[] = [];
      const socket = accepted[0] as Socket;
      socket.on("data", (piece: Buffer) => pieces.push(piece));
      socket.resume();
      await until(
        () => chunksIn(Buffer.concat(pieces)).at(-1) === last,
        10_000,
        () => `chunk ${last}`,
      );
      const chunks = chunksIn(Buffer.concat(pieces));
      expect(chunks.length).toBeLessThan(last);
      expect(chunks).toEqual([...chunks].sort((a, b) => a - b));
      // A hole between what left early and what waited last.
      expect(chunks.slice(-10)).toEqual(Array.from({ length: 10 }, (_none, position) => last - 9 + position));
    } finally {
      silent.close();
      for (const socket of accepted) socket.destroy();
    }
  });
});

/** Numbers of the snapshot chunks in what a link sent, as far as frames are complete. */
function chunksIn(bytes: Buffer): number[] {
  const chunks: number[] = [];
  if (bytes.length < 18 + 26) return chunks;
  // Behind the preface, the greeting and its text.
  const greeting = 18 + 26;
  for (
    let frame = greeting + bytes.readUInt16LE(greeting - 2);
    frame + 4 <= bytes.length;
    frame += 4 + bytes.readUInt32LE(frame)
  ) {
    const end = frame + 4 + bytes.readUInt32LE(frame);
    if (end > bytes.length) break;
    for (let at = frame + 4; at < end; at += 4 + bytes.readUInt32LE(at)) {
      const size = bytes.readUInt32LE(at);
      const message = decodePeerMessage(new Uint8Array(bytes.subarray(at + 4, at + 4 + size)));
      if ("type" in message && message.type === "snapshotChunk") chunks.push(message.chunk);
    }
  }
  return chunks;
}
