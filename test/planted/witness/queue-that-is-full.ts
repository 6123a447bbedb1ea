/*
 * What waits for a connection that takes nothing is bounded; when it is full, the oldest goes: the newest messages of a
 * member say most.
 */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect } from "vitest";
import { silentLog } from "../../../chaos/member/log.ts";
import { PeerNetwork } from "../../../chaos/member/network.ts";
import { clusterIdOf, indexOf, memberIdOf, type PeerMessage, termOf } from "../../../core/index.ts";

/** A connection that takes nothing until it is told to. */
class StuckSocket extends EventEmitter {
  writableNeedDrain = false;
  readonly written: Uint8Array[] = [];
  write(bytes: Uint8Array): boolean {
    this.written.push(bytes);
    return false;
  }
  setTimeout(): void {}
  destroy(): void {
    this.emit("close");
  }
}

const [from, to] = [memberIdOf(1n), memberIdOf(2n)];
const heartbeat = (number: number): PeerMessage => ({
  type: "heartbeat",
  from,
  to,
  term: termOf(1),
  commitIndex: indexOf(number),
  toIncarnation: 0,
  readRound: 0,
  held: undefined,
});
const immediate = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export async function witness(): Promise<void> {
  const socket = new StuckSocket();
  const network = new PeerNetwork({
    memberId: from,
    clusterId: clusterIdOf(77n),
    peers: [{ memberId: to, addresses: ["there"] }],
    encode: (message) => new TextEncoder().encode(message.type === "heartbeat" ? `<${message.commitIndex}>` : ""),
    decode: () => ({ malformed: "nothing is sent back" }),
    onMessage: () => {},
    log: silentLog,
    // Of a socket the network uses what an emitter of events has, and these three.
    connect: () => ({ socket: socket as unknown as Socket, ready: "connect", explain: () => undefined }),
  });
  try {
    network.start();
    socket.emit("connect");
    socket.writableNeedDrain = true;
    const last = 10_000;
    for (let number = 1; number <= last; number++) network.send(heartbeat(number));
    await immediate();
    socket.writableNeedDrain = false;
    socket.written.length = 0;
    socket.emit("drain");
    const sent = Buffer.concat(socket.written).toString("latin1");
    expect(sent).toContain(`<${last}>`);
    expect(sent).not.toContain("<1>");
  } finally {
    network.stop();
  }
}
