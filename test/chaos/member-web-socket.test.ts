/*
 * A watch over a WebSocket: frames of any size and split, and an end from either side that leaves no stream behind.
 */
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RealCluster, startCluster, until } from "../kit/real-members.ts";
import { WebSocketClient } from "../kit/web-socket-client.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

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
    const client = new WebSocketClient(port, "/v3/watch", key);
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

  const key = (): string => randomBytes(16).toString("base64");
  const ended = (client: WebSocketClient): Promise<void> =>
    until(
      () => client.ended,
      10_000,
      () => "the connection to end",
    );

  test("takes its values from messages of either kind, cut between their parts", async () => {
    const client = new WebSocketClient(port, "/v3/watch", key());
    const middle = create.indexOf(":") + 1;
    client.socket.write(client.frame(2, create.subarray(0, middle)));
    client.socket.write(client.frame(1, Buffer.concat([create.subarray(middle), create])));
    await client.frames(2);
    for (const [, text] of client.answer.frames) expect(JSON.parse(text)).toMatchObject({ result: { created: true } });
    client.socket.destroy();
    while ((await openStreams()) !== 0);
  });

  test("ends after an error and says no more, on a message that is none; a connection that breaks leaves nothing", async () => {
    const client = new WebSocketClient(port, "/v3/watch", key());
    client.socket.write(client.frame(1, Buffer.from("{no json}")));
    await ended(client);
    expect(client.answer.frames).toHaveLength(1);
    expect(JSON.parse(client.answer.frames[0]?.[1] ?? "")).toMatchObject({ error: { code: 3 } });
    const broken = new WebSocketClient(port, "/v3/watch", key());
    broken.socket.write(broken.frame(1, create));
    await broken.frames(1);
    broken.socket.destroy();
    while ((await openStreams()) !== 0);
  });

  test("carries one call with one answer, too, and names a path that is none", async () => {
    const client = new WebSocketClient(port, "/v3/kv/range", key());
    client.socket.write(client.frame(1, Buffer.from('{"key":"YQ==","key":"YQ=="}')));
    await ended(client);
    expect(client.answer.frames.map(([, text]) => JSON.parse(text))).toEqual([
      { code: 3, message: 'proto: (line 1:15): duplicate field "key"' },
    ]);
    const nowhere = new WebSocketClient(port, "/v3/nowhere", key());
    await ended(nowhere);
    expect(nowhere.answer.frames.map(([, text]) => JSON.parse(text))).toEqual([{ code: 5, message: "Not Found" }]);
    const outside = new WebSocketClient(port, "/metrics", key());
    await ended(outside);
    expect(outside.answer.head).toMatch(/^HTTP\/1.1 404 /);
  });
});

test("a browser's token comes in a cookie or as the name of a protocol", async () => {
  const cluster = await startCluster(1, ["--bcrypt-cost=4"]);
  try {
    await cluster.ready();
    const port = cluster.clientPorts[0] ?? 0;
    const call = async (path: string, body: object): Promise<{ token?: string }> =>
      (
        await fetch(`http://127.0.0.1:${port}/v3/${path}`, { method: "POST", body: JSON.stringify(body) })
      ).json() as Promise<{ token?: string }>;
    await call("auth/user/add", { name: "root", password: "secret" });
    await call("auth/role/add", { name: "root" });
    await call("auth/user/grant", { user: "root", role: "root" });
    await call("auth/enable", {});
    const { token } = await call("auth/authenticate", { name: "root", password: "secret" });
    const answerWith = async (headers: string): Promise<{ readonly head: string; readonly code: number }> => {
      const client = new WebSocketClient(port, "/v3/kv/range", randomBytes(16).toString("base64"), headers);
      client.socket.write(client.frame(1, Buffer.from('{"key":"YQ=="}')));
      await client.frames(1);
      const { head, frames } = client.answer;
      return { head, code: JSON.parse(frames[0]?.[1] ?? "").code ?? 0 };
    };
    expect((await answerWith("")).code).toBe(3);
    const named = await answerWith(`Sec-WebSocket-Protocol: Bearer, ${token}\r\n`);
    expect([named.code, named.head]).toEqual([0, expect.stringContaining("Sec-WebSocket-Protocol: Bearer")]);
    expect((await answerWith(`Cookie: a=b; token=${token}\r\n`)).code).toBe(0);
    // The cookie counts before the protocol.
    expect((await answerWith(`Cookie: token=x\r\nSec-WebSocket-Protocol: Bearer, ${token}\r\n`)).code).toBe(16);
  } finally {
    await cluster.close();
  }
});
