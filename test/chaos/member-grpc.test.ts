/*
 * gRPC at its edges: what no service answers, what is too large, what is compressed; locks of a client that speaks gRPC.
 */
import { connect, type IncomingHttpHeaders } from "node:http2";
import { Client, compressionAlgorithms, credentials, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noLease } from "../../core/index.ts";
import { unaryCalls } from "../../core/wire/calls.ts";
import { type RealCluster, startCluster } from "../kit/real-members.ts";

describe("gRPC", () => {
  let cluster: RealCluster;
  let client: Client;
  let gzipped: Client;

  beforeAll(async () => {
    cluster = await startCluster(1);
    await cluster.ready();
    const endpoint = `127.0.0.1:${cluster.clientPorts[0]}`;
    const limits = { "grpc.max_send_message_length": -1, "grpc.use_local_subchannel_pool": 1 };
    client = new Client(endpoint, credentials.createInsecure(), limits);
    gzipped = new Client(endpoint, credentials.createInsecure(), {
      ...limits,
      "grpc.default_compression_algorithm": compressionAlgorithms.gzip,
    });
  });
  afterAll(async () => {
    client.close();
    gzipped.close();
    await cluster.close();
  });

  const asIs = (bytes: Buffer): Buffer => bytes;
  const call = (by: Client, path: string, bytes: Uint8Array): Promise<Buffer | [number, string]> =>
    new Promise((resolve) => {
      by.makeUnaryRequest(path, asIs, asIs, Buffer.from(bytes), (error: ServiceError | null, answer?: Buffer) =>
        resolve(error === null ? (answer ?? Buffer.alloc(0)) : [error.code, error.details]),
      );
    });
  const put = (bytes: number): Uint8Array =>
    unaryCalls.put.encodeRequest({
      ...{ type: "put", key: new Uint8Array([1]), value: new Uint8Array(bytes), lease: noLease },
      ...{ prevKv: false, ignoreValue: false, ignoreLease: false },
    });

  test("unknown services and methods are named", async () => {
    const none = new Uint8Array(0);
    expect(await call(client, "/etcdserverpb.KV/Nothing", none)).toEqual([
      12,
      "unknown method Nothing for service etcdserverpb.KV",
    ]);
    expect(await call(client, "/other.Service/Range", none)).toEqual([12, "unknown service other.Service"]);
  });

  test("a message over the limit and a request over the limit are refused in different words", async () => {
    const message = put(2_097_152);
    expect(await call(client, "/etcdserverpb.KV/Put", message)).toEqual([
      8,
      `grpc: received message larger than max (${message.length} vs. 2097152)`,
    ]);
    expect(await call(client, "/etcdserverpb.KV/Put", put(1_800_000))).toEqual([3, "etcdserver: request is too large"]);
    expect(await call(client, "/etcdserverpb.KV/Put", put(1_500_000))).toBeInstanceOf(Buffer);
  });

  test("a compressed request is taken", async () => {
    expect(await call(gzipped, "/etcdserverpb.KV/Put", put(10_000))).toBeInstanceOf(Buffer);
  });

  test("bytes that are no message are refused, and the connection goes on", async () => {
    const [code, text] = (await call(client, "/etcdserverpb.KV/Put", new Uint8Array([0x0a, 0xff]))) as [number, string];
    expect([code, text]).toEqual([13, expect.stringMatching(/^grpc: error unmarshalling request: /)]);
    expect(await call(client, "/etcdserverpb.KV/Put", put(1))).toBeInstanceOf(Buffer);
  });

  test("a call ends with its deadline, and what it asked for is given up", async () => {
    const lock = (timeoutMs: number | undefined): Promise<[number, string] | undefined> =>
      new Promise((resolve) => {
        const deadline = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
        // LockRequest: field 1, the name.
        const name = Buffer.from([0x0a, 1, 0x6c]);
        client.makeUnaryRequest("/v3lockpb.Lock/Lock", asIs, asIs, name, deadline, (error: ServiceError | null) =>
          resolve(error === null ? undefined : [error.code, error.details]),
        );
      });
    expect(await lock(undefined)).toBeUndefined();
    expect((await lock(100))?.[0]).toBe(4);
  });

  test("health is served beside etcd's own services", async () => {
    const path = "/grpc.health.v1.Health/Check";
    expect(await call(client, path, new Uint8Array(0))).toEqual(Buffer.from([0x08, 0x01]));
    expect(await call(client, path, new Uint8Array([0x0a, 1, 0x78]))).toEqual([5, "unknown service"]);
  });

  const status = "/etcdserverpb.Maintenance/Status";
  /** One call by hand: request headers beside the usual ones, and the bytes of its body. */
  async function raw(headers: { [name: string]: string }, body: Buffer): Promise<IncomingHttpHeaders[]> {
    const session = connect(`http://127.0.0.1:${cluster.clientPorts[0]}`);
    try {
      return await new Promise((resolve, reject) => {
        const answers: IncomingHttpHeaders[] = [];
        const stream = session.request({
          ...{ ":method": "POST", ":path": status, te: "trailers" },
          ...{ "content-type": "application/grpc", ...headers },
        });
        stream.on("response", (answer) => answers.push(answer));
        stream.on("trailers", (answer) => answers.push(answer));
        stream.on("error", reject);
        stream.on("close", () => resolve(answers));
        stream.resume();
        stream.end(body);
      });
    } finally {
      session.close();
    }
  }
  const emptyMessage = Buffer.alloc(5);

  test("an answer is headers, a message and trailers; a refusal is headers alone", async () => {
    const answered = await raw({}, emptyMessage);
    expect(answered).toEqual([
      expect.objectContaining({ ":status": 200, "content-type": "application/grpc" }),
      expect.objectContaining({ "grpc-status": "0" }),
    ]);
    const refused = await raw({ ":path": "/other.Service/Range" }, emptyMessage);
    expect(refused).toEqual([
      expect.objectContaining({ ":status": 200, "grpc-status": "12", "grpc-message": "unknown service other.Service" }),
    ]);
  });

  test("a refusal's text comes percent-encoded", async () => {
    const [refused] = await raw({ ":path": "/other.Sérvice%/Range" }, emptyMessage);
    expect(refused?.["grpc-message"]).toMatch(/^unknown service other.S(%[0-9A-F]{2})+rvice%25$/);
  });

  test("what is no gRPC call, names an unknown compression or a time that is none, is refused", async () => {
    expect(await raw({ "content-type": "text/plain" }, emptyMessage)).toEqual([
      expect.objectContaining({ ":status": 415 }),
    ]);
    expect(await raw({ "grpc-encoding": "snappy" }, emptyMessage)).toEqual([
      expect.objectContaining({
        "grpc-status": "12",
        "grpc-message": 'grpc: Decompressor is not installed for grpc-encoding "snappy"',
      }),
    ]);
    expect(await raw({ "grpc-timeout": "soon" }, emptyMessage)).toEqual([
      expect.objectContaining({ "grpc-status": "13", "grpc-message": 'malformed grpc-timeout: "soon"' }),
    ]);
  });

  test("a call that ends before its request is whole is refused", async () => {
    const watch = "/etcdserverpb.Watch/Watch";
    for (const [path, body] of [
      [status, Buffer.alloc(0)],
      [status, Buffer.from([0, 0, 0, 0, 4, 1])],
      [watch, Buffer.from([0, 0, 0, 0, 4, 1])],
    ] as const) {
      expect(await raw({ ":path": path }, body)).toEqual([
        expect.objectContaining({
          "grpc-status": "13",
          "grpc-message": expect.stringMatching(/^grpc: the call ended in/),
        }),
      ]);
    }
  });
});
