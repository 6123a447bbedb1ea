import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EtcdClient, type WatchStream } from "../../chaos/client/client.ts";
import { plainRange } from "../../chaos/client/plain-range.ts";
import { Cluster } from "../../chaos/cluster.ts";
import { seededRandom } from "../../chaos/member/random.ts";
import { bytesOfText, leaseIdOf, noLease, textOfBytes, type WatchReply } from "../../core/index.ts";
import { watchFrom } from "../kit/requests.ts";
import { stockEtcd, whyNoStockEtcd } from "./stock-etcd.ts";

test("a call to a port where nobody listens never left", async () => {
  const client = new EtcdClient({ endpoint: "127.0.0.1:1" });
  expect(await client.call({ type: "status" }, { timeoutMs: 3_000 }).result).toEqual({ type: "connectionRefused" });
  client.close();
});

describe.skipIf(whyNoStockEtcd !== undefined)(`against a stock etcd ${whyNoStockEtcd ?? ""}`, () => {
  let cluster: Cluster;
  let client: EtcdClient;
  let logs: string;
  beforeAll(async () => {
    logs = mkdtempSync(join(tmpdir(), "faultline-client-"));
    cluster = await Cluster.open({
      planned: [{ name: "n1", config: {}, clockOffsetMs: 0, clockDriftPpm: 0 }],
      target: stockEtcd,
      random: seededRandom("client-test"),
      logFileOf: (member) => join(logs, `${member}.log`),
      onEnd: () => undefined,
      signal: new AbortController().signal,
    });
    client = cluster.clients[0] as EtcdClient;
  });
  afterAll(async () => {
    await cluster?.close();
    rmSync(logs, { recursive: true });
  });

  const put = (key: string, value: string, lease = noLease) =>
    client.call({
      type: "put",
      key: bytesOfText(key),
      value: bytesOfText(value),
      lease,
      prevKv: false,
      ignoreValue: false,
      ignoreLease: false,
    }).result;
  const get = (key: string) =>
    client.call({
      ...plainRange,
      key: bytesOfText(key),
    }).result;

  test("what was put is read back, with revision and header", async () => {
    const written = await put("round/trip", "\x00\xff value");
    expect(written.type).toBe("reply");
    const read = await get("round/trip");
    if (read.type !== "reply" || read.reply.answer.type !== "range") throw new Error("no range answer");
    const [pair] = read.reply.answer.keyValues;
    expect(textOfBytes(pair?.value ?? new Uint8Array())).toBe("\x00\xff value");
    expect(pair?.version).toBe(1);
    expect(read.reply.header.memberId).not.toBe(0n);
    expect(read.reply.header.revision).toBe(pair?.modRevision);
  });

  test("a refusal comes with the server's own code and complete text", async () => {
    expect(await put("", "x")).toEqual({
      type: "status",
      code: "INVALID_ARGUMENT",
      text: "etcdserver: key is not provided",
    });
  });

  test("a keep-alive answers the time to live, 0 for a lease nobody granted", async () => {
    const granted = await client.call({ type: "leaseGrant", leaseId: leaseIdOf(77n), ttlSeconds: 60 }).result;
    expect(granted.type).toBe("reply");
    const alive = await client.keepAlive(leaseIdOf(77n)).result;
    expect(alive.type === "reply" && alive.reply.ttlSeconds).toBe(60);
    const unknown = await client.keepAlive(leaseIdOf(78n)).result;
    expect(unknown.type === "reply" && unknown.reply.ttlSeconds).toBe(0);
  });

  test("asks for signs of life no more often than a server takes, whatever it was told", async () => {
    const eager = new EtcdClient({
      endpoint: cluster.processes?.addresses[0]?.clientUrl.replace("http://", "") ?? "",
      keepaliveMs: 50,
      keepaliveTimeoutMs: 5_000,
    });
    let ended: string | undefined;
    const created = new Promise<void>((resolve) => {
      const stream = eager.watch({
        reply: () => resolve(),
        ended: (reason) => {
          ended = reason;
        },
      });
      stream.request(watchFrom("eager"));
    });
    await created;
    // Twenty times as often as a stock etcd forgives.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(ended).toBeUndefined();
    eager.close();
  });

  test("a watch hands over one reply at a time, the next only after the last was taken", async () => {
    const replies: WatchReply[] = [];
    let wake: () => void = () => undefined;
    const next = () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      });
    let came = next();
    const stream: WatchStream = client.watch({
      reply: (reply) => {
        replies.push(reply);
        wake();
      },
      ended: (reason) => replies.push({ reason } as unknown as WatchReply),
    });
    stream.request(watchFrom("watched"));
    await came;
    expect(replies[0]?.created).toBe(true);
    came = next();
    await put("watched", "1");
    await put("watched", "2");
    expect(replies).toHaveLength(1);
    stream.taken();
    await came;
    expect(replies).toHaveLength(2);
    while (replies.flatMap(({ events }) => events).length < 2) {
      came = next();
      stream.taken();
      await came;
    }
    expect(replies.flatMap(({ events }) => events).map(({ keyValue }) => textOfBytes(keyValue.value))).toEqual([
      "1",
      "2",
    ]);
    stream.close();
  });

  test("a stream that its member ends reports that once", async () => {
    const other = new EtcdClient({ endpoint: cluster.processes?.addresses[0]?.clientUrl.replace("http://", "") ?? "" });
    const reasons: string[] = [];
    let created: () => void = () => undefined;
    const ready = new Promise<void>((resolve) => {
      created = resolve;
    });
    const ended = new Promise<void>((resolve) => {
      const stream = other.watch({
        reply: () => created(),
        ended: (reason) => {
          reasons.push(reason);
          resolve();
        },
      });
      stream.request(watchFrom("k"));
    });
    await ready;
    await cluster.processes?.kill("n1");
    await ended;
    expect(reasons).toHaveLength(1);
    expect((await other.call({ type: "status" }, { timeoutMs: 3_000 }).result).type).toMatch(/^connection/);
    other.close();
  });
});
