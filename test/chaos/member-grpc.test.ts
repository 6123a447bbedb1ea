/*
 * gRPC at its edges: what no service answers, what is too large, what is compressed; locks of a client that speaks gRPC.
 */
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
});
