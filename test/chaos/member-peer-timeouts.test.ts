/*
 * Connections between members on which nothing moves: closed after the time that --raft-read-timeout and
 * --raft-write-timeout give them; and what the log says, again and again, of a member that is not reached.
 */
import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { readFlags } from "../../chaos/member/flags.ts";
import type { Log, LogFields } from "../../chaos/member/log.ts";
import { PeerNetwork, type PeerNetworkOptions } from "../../chaos/member/network.ts";
import { dialError, PeerHealth } from "../../chaos/member/peer-health.ts";
import { Port } from "../../chaos/member/port.ts";
import { etcdVersion } from "../../chaos/member/version.ts";
import {
  clusterIdOf,
  decodePeerMessage,
  encodePeerMessage,
  indexOf,
  memberIdOf,
  type SnapshotChunk,
  termOf,
} from "../../core/index.ts";
import { until } from "../kit/real-members.ts";

const [own, other] = [memberIdOf(1n), memberIdOf(2n)];
const lines: { readonly text: string; readonly fields: LogFields }[] = [];
const keep = (text: string, fields: LogFields = {}): void => void lines.push({ text, fields });
const log: Log = { debug() {}, info: keep, warn: keep, error: keep, fatal: keep };
const told = (text: string): boolean => lines.some((line) => line.text === text);

let network: PeerNetwork | undefined;
let port: Port | undefined;
const taken: Socket[] = [];
afterEach(() => {
  network?.stop();
  port?.destroy();
  for (const socket of taken.splice(0)) socket.destroy();
  lines.length = 0;
});

async function begin(options: Partial<PeerNetworkOptions>, address: string): Promise<number> {
  network = new PeerNetwork({
    ...{ memberId: own, clusterId: clusterIdOf(77n), peers: [{ memberId: other, addresses: [address] }], log },
    ...{ encode: encodePeerMessage, decode: decodePeerMessage, onMessage: () => {}, ...options },
  });
  port = new Port({ protocols: [network], http: undefined });
  return await port.listen({ url: "", host: "127.0.0.1", port: 0, secure: false });
}

function greeting(): Buffer {
  const text = Buffer.from(etcdVersion);
  const numbers = Buffer.alloc(26);
  numbers.writeBigUInt64LE(77n, 0);
  numbers.writeBigUInt64LE(other, 8);
  numbers.writeBigUInt64LE(own, 16);
  numbers.writeUInt16LE(text.length, 24);
  return Buffer.concat([Buffer.from("FAULTLINE-PEER 3\r\n"), numbers, text]);
}

describe("a connection", () => {
  test("that brings nothing is closed, one that asks for signs of life is not", async () => {
    const number = await begin({ readTimeoutMs: 300 }, "127.0.0.1:1");
    const sockets = [0, 1].map(() => {
      const socket = connect(number, "127.0.0.1");
      socket.write(greeting());
      socket.resume();
      return socket;
    });
    const [silent, asking] = sockets as [Socket, Socket];
    const timer = setInterval(() => asking.write(Buffer.alloc(4)), 50);
    await new Promise((resolve) => silent.once("close", resolve));
    expect([asking.destroyed, asking.bytesRead > 0]).toEqual([false, true]);
    expect(lines.filter(({ text }) => text === "closed connection of a peer that brings nothing")).toEqual([
      expect.objectContaining({ fields: { "remote-peer-id": "2", "read-timeout": "300ms" } }),
    ]);
    clearInterval(timer);
    asking.destroy();
  });

  test("that takes nothing is closed, with what waited for it", async () => {
    const listening = createServer({ pauseOnConnect: true }, (socket) => {
      // Nobody else gets in, and this one is never read.
      listening.close();
      taken.push(socket);
    });
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
    const address = listening.address();
    await begin(
      { writeTimeoutMs: 300 },
      `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    );
    network?.start();
    await until(
      () => network?.connected === 1,
      5_000,
      () => "the connection",
    );
    const chunk: SnapshotChunk = {
      ...{ type: "snapshotChunk", from: own, to: other, term: termOf(1), transferId: 1, snapshotIndex: indexOf(5) },
      ...{ snapshotTerm: termOf(1), configuration: { voters: [own, other], outgoing: [], learners: [] } },
      ...{ chunk: 0, last: true, bytes: new Uint8Array(16 * 1024 * 1024) },
    };
    network?.send(chunk);
    await until(
      () => told("closed connection to a peer that takes nothing"),
      5_000,
      () => JSON.stringify(lines),
    );
    expect(network?.connected).toBe(0);
  });
});

test("less than five seconds is raised to that, and said, as by etcd", () => {
  const read = readFlags(["--raft-read-timeout=1s", "--raft-write-timeout=9s"], {}, []);
  if (read.kind !== "start") throw new Error(read.kind);
  expect(read.flags.peerTimeouts).toEqual({ readMs: 5_000, writeMs: 9_000 });
  expect(read.warnings).toContain("raft-read-timeout increased to minimum value: 5s");
  expect(read.warnings.join()).not.toContain("raft-write-timeout");
});

describe("the prober", () => {
  test("says every five seconds that a member is not reached, and looks every thirty while it is", () => {
    const health = new PeerHealth(other, log, 0);
    const tellsAt = (fromMs: number, untilMs: number, isAlive: boolean): number[] => {
      const at: number[] = [];
      for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 500) {
        const before = lines.length;
        health.look(nowMs, isAlive);
        if (lines.length > before) at.push(nowMs);
      }
      return at;
    };
    health.roundTripMs = 0.25;
    health.error = "dial tcp 127.0.0.1:1: connect: connection refused";
    expect(tellsAt(0, 16_000, false)).toEqual([5_000, 10_000, 15_000]);
    expect(lines[0]).toEqual({
      text: "prober detected unhealthy status",
      fields: {
        ...{ "round-tripper-name": "ROUND_TRIPPER_RAFT_MESSAGE", "remote-peer-id": "2", rtt: "0.250ms" },
        error: "dial tcp 127.0.0.1:1: connect: connection refused",
      },
    });
    expect(tellsAt(16_500, 21_000, true)).toEqual([]);
    // Seen well at 20 s, looked at again at 50 s.
    expect(tellsAt(21_500, 60_000, false)).toEqual([50_000, 55_000, 60_000]);
  });

  test("names why the last dial failed", async () => {
    await begin({}, "127.0.0.1:1");
    network?.start();
    await until(
      () => told("prober detected unhealthy status"),
      15_000,
      () => JSON.stringify(lines),
    );
    expect(lines.find(({ text }) => text === "prober detected unhealthy status")?.fields).toMatchObject({
      error: "dial tcp 127.0.0.1:1: connect: connection refused",
    });
    const unknown = Object.assign(new Error("something else"), { code: "EOTHER" });
    expect(dialError("h:1", unknown)).toBe("dial tcp h:1: something else");
  }, 30_000);
});
