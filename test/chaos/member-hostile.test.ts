/*
 * Clients that keep to no rule, against one member: frames and messages that are wrong, connections without end, other ends
 * that have fallen silent. Each hears what was wrong with it, by the code the rule has, and nobody else notices.
 */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ownHandles } from "../../chaos/member/handles.ts";
import { unaryCalls } from "../../core/wire/calls.ts";
import { builtProgram } from "../kit/build.ts";
import * as ask from "../kit/flood-calls.ts";
import { FloodClient } from "../kit/flood-client.ts";
import { type RealCluster, startCluster } from "../kit/real-members.ts";

const patience = { timeout: 120_000 };

describe("a member", () => {
  let cluster: RealCluster;
  let port: number;
  let neighbour: FloodClient;
  beforeAll(async () => {
    cluster = await startCluster(1, ["--grpc-keepalive-interval=1s", "--grpc-keepalive-timeout=1s"]);
    await cluster.ready();
    port = cluster.clientPorts[0] ?? 0;
    neighbour = new FloodClient(port);
  }, patience.timeout);
  afterAll(async () => {
    neighbour.vanish();
    await cluster.close();
  });
  const served = async (): Promise<void> => {
    await ask.put(neighbour, "neighbour", "1");
    expect(await ask.keysOf(neighbour, "neighbour", "neighbours")).toEqual(["neighbour"]);
  };
  const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

  test.each<[string, number, [type: number, flags: number, streamId: number, payload: Buffer], string]>([
    ["a frame longer than was agreed", 6, [0, 0, 1, Buffer.alloc(16_385)], "a frame is too long"],
    ["data of no stream", 1, [0, 0, 1, hex("00")], "data belongs to no stream"],
    ["settings of no size", 6, [4, 0, 0, hex("000400")], "settings are not of 6 bytes each"],
    ["a window beyond 31 bits", 3, [8, 0, 0, hex("7fffffff")], "a window is too large"],
    ["a header block that is no HPACK", 9, [1, 5, 1, hex("80")], expect.any(String)],
    ["a stream with an even number", 1, [1, 5, 2, hex("838684")], "a request has an odd number"],
  ])(
    "%s ends the connection by code %i, and no other",
    patience,
    async (_what, code, [type, flags, streamId, payload], text) => {
      const client = new FloodClient(port);
      client.frame(type, flags, streamId, payload);
      await client.closed();
      expect(client.goAway).toEqual({ code, text });
      await served();
    },
  );

  test.each<[string, string, Buffer, number, RegExp]>([
    ["no protobuf", ask.rangePath, hex("0a ff"), 13, /^grpc: error unmarshalling request: /],
    ["no protobuf, on a stream", ask.watchPath, hex("0a ff"), 13, /^grpc: failed to unmarshal the received message: /],
    ["no key", ask.rangePath, Buffer.alloc(0), 3, /^etcdserver: key is not provided$/],
    [
      "one byte too many",
      ask.rangePath,
      Buffer.alloc(2_097_153),
      8,
      /^grpc: received message larger than max \(2097153 vs\. 2097152\)$/,
    ],
    [
      "far too many, on a stream",
      ask.watchPath,
      Buffer.alloc(3_000_000),
      8,
      /^grpc: received message larger than max \(3000000 vs\. 2097152\)$/,
    ],
    [
      "a call nobody serves",
      "/etcdserverpb.KV/Nothing",
      Buffer.alloc(1),
      12,
      /^unknown method Nothing for service etcdserverpb.KV$/,
    ],
  ])(
    "a message with %s is refused in words, and the connection goes on",
    patience,
    async (_what, path, message, code, words) => {
      const client = new FloodClient(port);
      const { status, text } = await client.unary(path, message);
      expect([status, text]).toEqual([code, expect.stringMatching(words)]);
      await ask.put(client, "same connection", "1");
      client.vanish();
      await served();
    },
  );

  test("a request one byte larger than may be replicated is refused as etcd does", patience, async () => {
    const client = new FloodClient(port);
    const { path, encodeRequest } = unaryCalls.put;
    const request = { type: "put", key: new Uint8Array([1]), value: new Uint8Array(1_572_865), lease: 0n } as const;
    const { status, text } = await client.unary(
      path,
      encodeRequest({ ...request, lease: 0n as never, prevKv: false, ignoreValue: false, ignoreLease: false }),
    );
    expect([status, text]).toEqual([3, "etcdserver: request is too large"]);
    client.vanish();
  });

  test("a client that asks for signs of life all the time is sent away", patience, async () => {
    const client = new FloodClient(port);
    client.send(client.open(ask.watchPath), ask.watchBytes("k"));
    const pinging = async (): Promise<void> => {
      for (;;) await client.ping();
    };
    await expect(pinging()).rejects.toThrow("too_many_pings");
    expect(client.goAway).toEqual({ code: 11, text: "too_many_pings" });
    await served();
  });

  test("of clients that fell silent the connection is ended; one that answers keeps it", patience, async () => {
    const streams = (): Promise<number> => ask.metric(port, "etcd_debugging_mvcc_watch_stream_total");
    const before = await streams();
    const silent = Array.from({ length: 50 }, () => new FloodClient(port, { isSilent: true }));
    const answering = new FloodClient(port);
    for (const client of [...silent, answering]) client.send(client.open(ask.watchPath), ask.watchBytes("k"));
    await Promise.all(silent.map((client) => client.closed()));
    while ((await streams()) > before + 1) await new Promise((resolve) => setTimeout(resolve, 50));
    expect([answering.isClosed, answering.pings > 0]).toEqual([false, true]);
    answering.vanish();
    await served();
  });
});

describe("a member that may open few files", () => {
  const limit = 400;
  let cluster: RealCluster;
  beforeAll(async () => {
    // A shell lowers its own limit and then becomes the member.
    const script = `ulimit -n ${limit} && exec "${process.execPath}" "${builtProgram}" etcd "$@"`;
    cluster = await startCluster(1, [], { shell: script });
    await cluster.ready();
  }, patience.timeout);
  afterAll(() => cluster.close());

  test(
    "keeps those it needs: connections beyond are closed, and there is room again when others go",
    patience,
    async () => {
      const port = cluster.clientPorts[0] ?? 0;
      const member = cluster.members[0];
      const first = new FloodClient(port);
      await ask.put(first, "a", "1");
      const places = limit - ownHandles;
      const greeting = Buffer.concat([
        Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Buffer.from("000000040000000000", "hex"),
      ]);
      const sockets = Array.from({ length: places + 100 }, () => connect({ port, host: "127.0.0.1" }));
      const outcomes = await Promise.all(
        sockets.map((socket) => {
          socket.write(greeting);
          return new Promise<string>((resolve) => {
            socket.once("data", () => resolve("taken"));
            socket.once("error", () => resolve("closed"));
            socket.once("close", () => resolve("closed"));
          });
        }),
      );
      expect(outcomes.filter((outcome) => outcome === "taken")).toHaveLength(places - 1);
      expect(member?.log).toContain("too many connections of clients");
      // A new file of the log takes one more: the client that is there writes until there is one.
      for (let number = 0; number < 5; number++) await ask.put(first, "a", Buffer.alloc(1_000_000));
      for (const socket of sockets) socket.destroy();
      const isTaken = async (): Promise<boolean> => {
        const client = new FloodClient(port);
        const isServed = await client.ping().then(
          () => true,
          () => false,
        );
        client.vanish();
        return isServed;
      };
      while (!(await isTaken()));
      first.vanish();
    },
  );

  // With 48 not even its own code can be opened.
  test.each([ownHandles, 48])(
    "does not start when it may open %i files, less than it needs itself",
    patience,
    async (files) => {
      const script = `ulimit -n ${files} && exec "${process.execPath}" "${builtProgram}" etcd "$@"`;
      const other = await startCluster(1, [], { shell: script });
      try {
        expect(await other.members[0]?.ended(60_000)).toEqual({ exitCode: 1, signal: null });
        expect(other.members[0]?.log).toContain(
          `file descriptor limit of etcd process is too low; please set higher than ${ownHandles} (ulimit -n), not ${files}"`,
        );
        expect(other.members[0]?.log).not.toContain("    at ");
      } finally {
        await other.close();
      }
    },
  );
});
