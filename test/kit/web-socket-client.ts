/*
 * A WebSocket's client, byte by byte, for tests that split and break what they send.
 */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { until } from "./real-members.ts";

/** The client's half, byte by byte. */
export class WebSocketClient {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  ended = false;

  /** @param headers more lines of the request, each with its end */
  constructor(port: number, path: string, key: string, headers = "") {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("data", (piece: Buffer) => {
      this.received = Buffer.concat([this.received, piece]);
    });
    this.socket.on("close", () => {
      this.ended = true;
    });
    this.socket.on("error", () => {});
    this.socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n${headers}\r\n`,
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

  /** Until the server has answered the upgrade; a stock etcd takes no frame before. */
  opened(): Promise<void> {
    return until(
      () => this.answer.head !== "" || this.ended,
      10_000,
      () => "an answer",
    );
  }

  frames(count: number): Promise<void> {
    return until(
      () => this.answer.frames.length >= count,
      10_000,
      () => `${count} frames: ${JSON.stringify(this.answer).slice(0, 500)}`,
    );
  }
}
