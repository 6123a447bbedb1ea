/*
 * A watch over a WebSocket: frames of any size and split, and an end from either side that leaves no stream behind.
 */
import { createHash, randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RealCluster, startCluster, until } from "../kit/real-members.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** The client's half, byte by byte. */
class Client {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  ended = false;

  constructor(port: number, path: string, key: string) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("data", (piece: Buffer) => {
      this.received = Buffer.concat([this.received, piece]);
    });
    this.socket.on("close", () => {
      this.ended = true;
    });
    this.socket.on("error", () => {});
    this.socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
  }

  frame(opcode: number, content: Buffer, isLast = true): Buffer {
    const mask = randomBytes(4);
    const head = content.length < 126 ? Buffer.alloc(2) : Buffer.alloc(4);
    head[0] = (isLast ? 0x80 : 0) | opcode;
    head[1] = 0x80 | (content.length < 126 ? content.length : 126);
    if (content.length >= 126) head.writeUInt16BE(content.length, 2);
    return Buffer.concat([head, mask, content.map((byte, at) => byte ^ (mask[at & 3] ?? 0))]);
  }

  /** The head of the answer, then what came as frames: opcode and content. */
  get answer(): { head: string; frames: [number, string][] } {
    const end = this.received.indexOf("\r\n\r\n");
    const frames: [number, string][] = [];
    let at = end + 4;
    while (end >= 0 && at + 2 <= this.received.length) {
      const short = (this.received[at + 1] ?? 0) & 127;
      const headBytes = short === 126 ? 4 : short === 127 ? 10 : 2;
      const length =
        short === 126
          ? this.received.readUInt16BE(at + 2)
          : short === 127
            ? Number(this.received.readBigUInt64BE(at + 2))
            : short;
      if (at + headBytes + length > this.received.length) break;
      const content = this.received.subarray(at + headBytes, at + headBytes + length);
      frames.push([(this.received[at] ?? 0) & 15, content.toString("latin1")]);
      at += headBytes + length;
    }
    return { head: this.received.subarray(0, Math.max(0, end)).toString(), frames };
  }

  frames(count: number): Promise<void> {
    return until(
      () => this.answer.frames.length >= count,
      10_000,
      () => `${count} frames: ${JSON.stringify(this.answer).slice(0, 500)}`,
    );
  }
}

describe("a WebSocket", () => {
  let cluster: RealCluster;
  let port: number;
  beforeAll(async () => {
    cluster = await startCluster(1);
    await cluster.ready();
    port = cluster.clientPorts[0] ?? 0;
  });
  afterAll(() => cluster.close());

  const put = (key: string, bytes: number) =>
    fetch(`http://127.0.0.1:${port}/v3/kv/put`, {
      method: "POST",
      body: JSON.stringify({ key: base64(key), value: base64("v".repeat(bytes)) }),
    });
  const openStreams = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(/^etcd_debugging_mvcc_watch_stream_total (\d+)/m.exec(text)?.[1]);
  };
  const create = Buffer.from(JSON.stringify({ create_request: { key: base64("k") } }));

  test("carries a watch: requests in any split, answers of any size, pings, and an end by the client", async () => {
    const key = randomBytes(16).toString("base64");
    const client = new Client(port, "/v3/watch", key);
    const bytes = Buffer.concat([
      client.frame(1, create.subarray(0, 10), false),
      client.frame(9, Buffer.from("still there?")),
      client.frame(0, create.subarray(10)),
    ]);
    for (const byte of bytes) client.socket.write(Buffer.from([byte]));
    await client.frames(2);
    const { head, frames } = client.answer;
    const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    expect(head).toMatch(/^HTTP\/1.1 101 /);
    expect(head).toContain(`Sec-WebSocket-Accept: ${accept}`);
    expect(frames[0]).toEqual([10, "still there?"]);
    expect(JSON.parse(frames[1]?.[1] ?? "")).toMatchObject({ result: { created: true } });
    for (const [position, size] of [1, 300, 100_000].entries()) {
      await put("k", size);
      await client.frames(3 + position);
      const event = JSON.parse(client.answer.frames[2 + position]?.[1] ?? "");
      expect(event.result.events[0].kv.value).toBe(base64("v".repeat(size)));
    }
    expect(await openStreams()).toBe(1);
    client.socket.write(client.frame(8, Buffer.from([3, 232])));
    await until(
      () => client.ended,
      10_000,
      () => "the connection to end",
    );
    expect(await openStreams()).toBe(0);
  });

  test("ends with an error on a message that is none, and on a connection that breaks", async () => {
    const client = new Client(port, "/v3/watch", randomBytes(16).toString("base64"));
    client.socket.write(client.frame(1, Buffer.from("{no json")));
    await client.frames(2);
    expect(JSON.parse(client.answer.frames[0]?.[1] ?? "")).toMatchObject({ error: { code: 3 } });
    expect(client.answer.frames[1]?.[0]).toBe(8);
    const broken = new Client(port, "/v3/watch", randomBytes(16).toString("base64"));
    broken.socket.write(broken.frame(1, create));
    await broken.frames(1);
    broken.socket.destroy();
    while ((await openStreams()) !== 0);
  });

  test("is refused where there is no stream", async () => {
    const client = new Client(port, "/v3/kv/put", randomBytes(16).toString("base64"));
    await until(
      () => client.ended,
      10_000,
      () => "the connection to end",
    );
    expect(client.answer.head).toMatch(/^HTTP\/1.1 404 /);
  });
});
