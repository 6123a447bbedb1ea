/*
 * Floods: more of everything than a client has any business asking for, against one member. What is allowed is served,
 * what is too much is refused in words, memory stays within what the bounds say, and somebody else's calls are answered
 * all the while. Nothing is timed; that no work grows with what merely lies there is counted in test/lease/flood.
 */
import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { holdingBounds } from "../../chaos/member/grpc/holding.ts";
import { defaultMemberConfig, leaseIdOf } from "../../core/index.ts";
import { streamCalls } from "../../core/wire/calls.ts";
import * as ask from "../kit/flood-calls.ts";
import { FloodClient } from "../kit/flood-client.ts";
import { type RealCluster, startCluster } from "../kit/real-members.ts";

const mib = 1024 * 1024;
const patience = { timeout: 120_000 };

let cluster: RealCluster;
let port: number;
let pid: number;
/** Asks for little and reads what it is told. */
let neighbour: FloodClient;
let clients: FloodClient[];

async function begin(extraArgs: readonly string[] = []): Promise<void> {
  cluster = await startCluster(1, extraArgs);
  await cluster.ready();
  port = cluster.clientPorts[0] ?? 0;
  pid = cluster.members[0]?.pid ?? 0;
  clients = [];
  neighbour = new FloodClient(port);
}
async function end(): Promise<void> {
  neighbour.vanish();
  for (const client of clients) client.vanish();
  await cluster.close();
}
function flood(options: ConstructorParameters<typeof FloodClient>[1] = {}): FloodClient {
  const client = new FloodClient(port, options);
  clients.push(client);
  return client;
}
/** The neighbour's calls are answered, and say what was written. */
async function served(): Promise<void> {
  await ask.put(neighbour, "neighbour", "1");
  expect(await ask.keysOf(neighbour, "neighbour", "neighbours")).toEqual(["neighbour"]);
}
async function eventually(condition: () => Promise<boolean>, what: string): Promise<void> {
  const lastMs = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > lastMs) throw new Error(`not within a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("many of what is allowed", () => {
  beforeAll(() => begin(), patience.timeout);
  afterAll(end);

  test(
    "a hundred thousand leases: the short ones end but for those kept alive, the others stay",
    patience,
    async () => {
      const [all, short, kept] = [100_000, 3_000, 300];
      const client = flood();
      const refused: string[] = [];
      let [asked, answered] = [0, 0];
      client.onMessage = () => {};
      client.onEnd = (streamId, { status, text }) => {
        answered += 1;
        if (status !== 0) refused.push(text);
        client.forget(streamId);
      };
      // The short ones come last, and have ids from 1.
      const grant = async (until: number): Promise<void> => {
        while (answered < until) {
          for (; asked < until && asked - answered < 2_000; asked++) {
            const place = asked - (all - short);
            client.call(ask.grantPath, place < 0 ? ask.grantBytes(0n, 3_600) : ask.grantBytes(BigInt(place + 1), 3));
          }
          const before = answered;
          await client.until(() => answered > before);
        }
      };
      await grant(all - short);
      expect(await ask.countLeases(neighbour)).toBe(all - short);
      await grant(all);
      expect(refused).toEqual([]);
      const keeper = flood();
      const stream = keeper.open(ask.keepAlivePath);
      const { encodeRequest, decodeReply } = streamCalls.leaseKeepAlive;
      let renewals = 0;
      keeper.onMessage = (_stream, message) => {
        const reply = decodeReply(message);
        if (reply.type === "leaseKeepAlive" && reply.ttlSeconds > 0) renewals += 1;
      };
      const keep = async (): Promise<void> => {
        const before = renewals;
        for (let id = 1; id <= kept; id++)
          keeper.send(stream, encodeRequest({ type: "leaseKeepAlive", leaseId: leaseIdOf(BigInt(id)) }));
        await keeper.until(() => renewals >= before + kept);
      };
      await keep();
      await ask.put(neighbour, "lease/kept", "1", 1n);
      await ask.put(neighbour, "lease/gone", "1", BigInt(short));
      await eventually(async () => {
        await keep();
        await served();
        return (await ask.metric(port, "etcd_debugging_lease_revoked_total")) >= short - kept;
      }, "the leases end");
      expect(await ask.countLeases(neighbour)).toBe(all - short + kept);
      expect(await ask.keysOf(neighbour, "lease/", "lease0")).toEqual(["lease/kept"]);
    },
  );

  test(
    "eight thousand connections that do nothing take a file each, and nothing when they are gone",
    patience,
    async () => {
      const before = ask.openFiles(pid);
      const sockets: Socket[] = [];
      while (sockets.length < 8_000) {
        const batch = Array.from({ length: 250 }, () => connect({ port, host: "127.0.0.1" }));
        sockets.push(...batch);
        // Preface and settings of HTTP/2; the answer says that the member has them.
        const greeting = Buffer.concat([
          Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
          Buffer.from("000000040000000000", "hex"),
        ]);
        await Promise.all(
          batch.map((socket) => {
            socket.on("error", () => {});
            socket.write(greeting);
            return new Promise((resolve) => socket.once("data", resolve));
          }),
        );
      }
      expect(ask.openFiles(pid)).toBeGreaterThanOrEqual(8_000);
      for (let round = 0; round < 20; round++) await served();
      for (const [position, socket] of sockets.entries()) {
        if (position % 2 === 0) socket.end();
        else socket.resetAndDestroy();
      }
      await eventually(async () => ask.openFiles(pid) <= before + 10, "the connections are gone");
      for (const socket of sockets) socket.destroy();
      await served();
    },
  );

  test("twenty thousand watches on one stream hear of one write each, and end one by one", patience, async () => {
    const count = 20_000;
    const client = flood();
    const stream = client.open(ask.watchPath);
    const created: number[] = [];
    const cancelled: number[] = [];
    const heard = new Set<number>();
    client.onMessage = (_stream, message) => {
      const reply = ask.glance(message);
      if (reply.created) created.push(reply.watchId);
      else if (reply.canceled) cancelled.push(reply.watchId);
      else if (reply.events === 1) heard.add(reply.watchId);
    };
    for (let place = 0; place < count; place++) client.send(stream, ask.watchBytes("watched"));
    await client.until(() => created.length === count);
    expect(created.every((watchId, place) => watchId === place)).toBe(true);
    expect(await ask.metric(port, "etcd_debugging_mvcc_watcher_total")).toBe(count);
    await ask.put(neighbour, "watched", "1");
    await client.until(() => heard.size === count);
    for (const watchId of created) client.send(stream, ask.cancelBytes(watchId));
    await client.until(() => cancelled.length === count);
    expect(cancelled).toEqual(created);
    expect(await ask.metric(port, "etcd_debugging_mvcc_watcher_total")).toBe(0);
    await served();
  });

  test("clients that vanish with streams open leave none behind, however they went", patience, async () => {
    const streams = (): Promise<number> => ask.metric(port, "etcd_debugging_mvcc_watch_stream_total");
    expect(await streams()).toBe(1);
    for (const go of [
      (client: FloodClient) => client.vanish(),
      (client: FloodClient) => client.socket.end(),
      // In the middle of a frame.
      (client: FloodClient) => client.socket.end(Buffer.from([0, 0, 99, 0, 0])),
    ]) {
      const client = flood();
      for (let place = 0; place < 500; place++) client.send(client.open(ask.watchPath), ask.watchBytes(`v${place}`));
      // Half-open ones too: no message ever comes.
      for (let place = 0; place < 500; place++) client.open(place % 2 === 0 ? ask.watchPath : ask.rangePath);
      await client.ping();
      expect(await streams()).toBe(751);
      go(client);
      await eventually(async () => (await streams()) === 1, "the streams are gone");
    }
    await served();
  });
});

/*
 * Bounds of memory: what a member has when it is empty, what the bound of the flood lets clients make it keep, and as much
 * again as the largest of the bounds for what the runtime has not given back. Without its bound each of these floods
 * keeps more than twice as much.
 */
describe("memory", () => {
  const slack = 256 * mib;
  let emptyBytes: number;
  beforeEach(async () => {
    await begin();
    emptyBytes = ask.residentBytes(pid);
  }, patience.timeout);
  afterEach(end);
  const expectGrowthBelow = (bytes: number): void => {
    expect(ask.residentBytes(pid) - emptyBytes).toBeLessThan(bytes + slack);
  };
  const refusals = [
    [2, "etcdserver: too many requests"],
    [8, "grpc: the answer is not kept: its client takes none of those before"],
    // On a machine so slow that it takes seven seconds to answer.
    [14, "etcdserver: request timed out"],
  ].map((each) => JSON.stringify(each));
  const value = (number: number): Buffer => Buffer.alloc(1_000_000, number);

  test("watches that nobody reads share the bytes of an event that is the same for all", patience, async () => {
    const client = flood({ streamWindowBytes: 100 });
    for (let place = 0; place < 1_500; place++) client.send(client.open(ask.watchPath), ask.watchBytes("k"));
    await client.ping();
    for (let number = 0; number < 20; number++) await ask.put(neighbour, "k", value(number));
    expectGrowthBelow(16 * mib);
    await served();
  });

  test("watches that nobody reads hold no more than all watches may, and one event each", patience, async () => {
    const count = 300;
    const client = flood({ streamWindowBytes: 100 });
    // Under ids of their own, so that no two replies are the same.
    for (let place = 0; place < count; place++)
      client.send(client.open(ask.watchPath), ask.watchBytes("k", BigInt(place + 1)));
    await client.ping();
    for (let number = 0; number < 20; number++) await ask.put(neighbour, "k", value(number));
    expectGrowthBelow(defaultMemberConfig.watchBytesMax + count * mib);
    await served();
  });

  test(
    "watches of a long past that nobody reads: no turn is spent on all of them, and each holds one part",
    patience,
    async () => {
      const count = 200;
      for (let number = 0; number < 20; number++) await ask.put(neighbour, "k", value(number));
      const client = flood({ streamWindowBytes: 100 });
      for (let place = 0; place < count; place++) client.send(client.open(ask.watchPath), ask.watchBytes("k", 0n, 1));
      // Each put waits for one turn; seven seconds of them would be a refusal.
      for (let round = 0; round < 50; round++) await served();
      expectGrowthBelow(count * (defaultMemberConfig.watchBytesPerReplyMax + mib));
      // Whoever reads gets all of it.
      const reader = flood();
      let events = 0;
      reader.onMessage = (_stream, message) => {
        events += ask.glance(message).events;
      };
      reader.send(reader.open(ask.watchPath), ask.watchBytes("k", 0n, 1));
      await reader.until(() => events === 20);
    },
  );

  test("answers that nobody takes: beyond the bound there are no more, and others are answered", patience, async () => {
    await ask.put(neighbour, "k", value(1));
    const client = flood({ streamWindowBytes: 0 });
    const refused: unknown[] = [];
    client.onEnd = (_stream, { status, text }) => refused.push([status, text]);
    for (let place = 0; place < 1_200; place++) {
      client.call(ask.rangePath, ask.rangeBytes("k"));
      // The member answers a serializable read in the turn in which it comes.
      if (place % 4 === 3) await client.ping();
    }
    expect(refused.length).toBeGreaterThan(1_200 - 300);
    expect(refused.filter((each) => !refusals.includes(JSON.stringify(each)))).toEqual([]);
    expectGrowthBelow(holdingBounds.bytesMax);
    await served();
    // Nothing stays counted when it is gone.
    client.vanish();
    const other = flood({ streamWindowBytes: 0 });
    await eventually(async () => {
      const stream = other.call(ask.rangePath, ask.rangeBytes("k"));
      await other.ping();
      return other.answerOf(stream).status === undefined;
    }, "somebody else may leave an answer");
  });

  test(
    "a burst of large reads: no more of their answers is kept than the bound, and calls between them are answered",
    patience,
    async () => {
      await ask.put(neighbour, "k", value(1));
      const client = flood({ streamWindowBytes: 0 });
      const refused: unknown[] = [];
      client.onEnd = (_stream, { status, text }) => refused.push([status, text]);
      for (let place = 0; place < 700; place++) client.call(ask.rangePath, ask.rangeBytes("k"));
      await eventually(async () => {
        await served();
        return refused.length >= 700 - 300;
      }, "answers beyond the bound are refused");
      expect(refused.filter((each) => !refusals.includes(JSON.stringify(each)))).toEqual([]);
      expectGrowthBelow(holdingBounds.bytesMax);
      // Whoever reads gets all of them, while the other one keeps what it was given.
      const reader = flood();
      let messages = 0;
      reader.onMessage = (_stream, message) => {
        messages += Number(message.length > 1_000_000);
      };
      for (let place = 0; place < 100; place++) reader.call(ask.rangePath, ask.rangeBytes("k"));
      await reader.until(() => messages === 100);
    },
  );

  test("requests that never end: beyond the bound they are refused, and others are answered", patience, async () => {
    const client = flood();
    const refused: unknown[] = [];
    client.onEnd = (_stream, { status, text }) => refused.push([status, text]);
    const most = Buffer.alloc(16_000);
    for (let place = 0; place < 600; place++) {
      const stream = client.open(ask.rangePath);
      const head = Buffer.from([0, 0, 0, 0, 0]);
      head.writeUInt32BE(1_000_000, 1);
      client.frame(0, 0, stream, head);
      for (let frame = 0; frame < 62; frame++) client.frame(0, 0, stream, most);
      await client.sent();
    }
    expect(refused.length).toBeGreaterThan(600 - 300);
    expect(refused[0]).toEqual([2, "etcdserver: too many requests"]);
    expectGrowthBelow(holdingBounds.bytesMax);
    await served();
  });

  test("calls that never begin: there is a bound, and they may be tried again elsewhere", patience, async () => {
    const client = flood();
    const resets: (number | undefined)[] = [];
    client.onEnd = (_stream, { reset }) => resets.push(reset);
    for (let place = 0; place < holdingBounds.callsMax + 1_000; place++) {
      client.forget(client.open(ask.rangePath) - 20_000);
      if (place % 5_000 === 0) await client.sent();
    }
    await client.until(() => resets.length === 1_000);
    // REFUSED_STREAM: nobody has looked at it.
    expect(new Set(resets)).toEqual(new Set([7]));
    expectGrowthBelow(holdingBounds.callsMax * 2_048);
    client.vanish();
    await eventually(
      () =>
        served().then(
          () => true,
          () => false,
        ),
      "others are answered again",
    );
  });
});
