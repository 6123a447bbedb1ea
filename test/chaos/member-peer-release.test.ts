/*
 * Members of other releases, of other builds, and of etcd itself, when they connect: told apart, turned away, and said so.
 */
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { peerHttp } from "../../chaos/member/gateway.ts";
import type { Log } from "../../chaos/member/log.ts";
import { PeerNetwork } from "../../chaos/member/network.ts";
import { releaseProblem } from "../../chaos/member/peer-release.ts";
import { Port } from "../../chaos/member/port.ts";
import { clusterIdOf, decodePeerMessage, encodePeerMessage, memberIdOf } from "../../core/index.ts";
import { until } from "../kit/real-members.ts";

test.each([
  ["3.6.14", "3.6.0", true],
  ["3.6.14", "3.5.9", true],
  ["3.6.14", "3.7.0", true],
  ["3.6.14", "3.4.23", false],
  ["3.6.14", "4.6.0", false],
  ["3.6.14", "", false],
  ["3.6.14", "http://a:1", false],
])("a member of %s and one of %s: %s", (own, theirs, fits) => {
  expect(releaseProblem(own, theirs) === undefined).toBe(fits);
  if (!fits) expect(releaseProblem(own, theirs)).toMatch(/^incompatible version: /);
});

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

/** One member's network behind a port of its own, and what it has logged. */
async function member(id: bigint, release: string, peers: { readonly [id: string]: string }) {
  const lines: string[] = [];
  const at = (message: string, fields: object = {}): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log: Log = { debug() {}, info: at, warn: at, error: at, fatal: at };
  const network = new PeerNetwork({
    memberId: memberIdOf(id),
    clusterId: clusterIdOf(7n),
    release,
    peers: Object.entries(peers).map(([other, address]) => ({
      memberId: memberIdOf(BigInt(other)),
      addresses: [address],
    })),
    encode: encodePeerMessage,
    decode: decodePeerMessage,
    onMessage: () => {},
    log,
  });
  const port = new Port({ protocols: [network], http: createServer() });
  const number = await port.listen({ url: "", host: "127.0.0.1", port: 0, secure: false });
  cleanUps.push(() => {
    network.stop();
    port.destroy();
  });
  const logged = (text: string): Promise<void> =>
    until(
      () => lines.some((line) => line.includes(text)),
      10_000,
      () => `"${text}" in ${lines.join("\n")}`,
    );
  return { network, number, logged, lines };
}

describe("a member", () => {
  test("two releases away is turned away, and both logs say why", async () => {
    const older = await member(1n, "3.4.23", { 2: "127.0.0.1:1" });
    const newer = await member(2n, "3.6.14", { 1: `127.0.0.1:${older.number}` });
    newer.network.start();
    await older.logged("request version incompatibility");
    await newer.logged("request sent was ignored by remote peer due to server version incompatibility");
    expect(newer.lines.join()).toContain("this member runs 3.4.23, not 3.6.14");
    expect(newer.lines.join()).not.toContain("established TCP streaming connection");
  });

  test("one release away is welcome", async () => {
    const older = await member(1n, "3.5.0", { 2: "127.0.0.1:1" });
    const newer = await member(2n, "3.6.14", { 1: `127.0.0.1:${older.number}` });
    newer.network.start();
    await newer.logged("established TCP streaming connection with remote peer");
  });

  test("that greets in another form is told so", async () => {
    const { number, logged } = await member(1n, "3.6.14", {});
    const socket = connect(number, "127.0.0.1");
    cleanUps.push(() => socket.destroy());
    const answer = new Promise<string>((resolve) => {
      let text = "";
      socket.on("data", (piece) => {
        text += piece;
      });
      socket.on("close", () => resolve(text));
    });
    socket.write(Buffer.concat([Buffer.from("FAULTLINE-PEER 2\r\n"), Buffer.alloc(64)]));
    await logged("this member greets its peers in another form");
    expect(await answer).toContain("run the same release of this program on all members");
  });

  test("of etcd itself that is dialled is no sign of life, and is named once", async () => {
    const foreign: Server = createServer((_request, response) => response.end());
    await new Promise<void>((resolve) => foreign.listen(0, "127.0.0.1", resolve));
    cleanUps.push(() => foreign.close());
    const { port } = foreign.address() as AddressInfo;
    const { network, logged, lines } = await member(1n, "3.6.14", { 2: `127.0.0.1:${port}` });
    network.start();
    await logged("what listens there is no member of this kind");
    expect(lines.join()).not.toContain("established TCP streaming connection");
    expect(network.connected).toBe(0);
  });

  test("of etcd itself that dials gets the answer its own log explains", async () => {
    const asked: (string | undefined)[] = [];
    const server = peerHttp({
      clusterVersion: () => "3.6.0",
      clusterIdHex: "7",
      members: () => [],
      founders: [],
      onForeignPeer: ({ headers }) => asked.push(headers["x-server-from"]?.toString()),
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanUps.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}/raft/stream/message/8e9e05c52164694d`, {
      headers: { "x-server-from": "91bc3c398fb3c146" },
    });
    expect([answer.status, await answer.text(), answer.headers.get("x-min-cluster-version")]).toEqual([
      412,
      "incompatible version\n",
      "3.0.0",
    ]);
    expect(asked).toEqual(["91bc3c398fb3c146"]);
  });
});
