/*
 * The connections below gRPC calls: how they are kept alive and how they end.
 */
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { CallTarget } from "../../chaos/member/calls.ts";
import { framed } from "../../chaos/member/grpc/messages.ts";
import { GrpcTransport } from "../../chaos/member/grpc/transport.ts";

let server: Server | undefined;
afterEach(() => server?.close());

const limits = {
  ...{ requestBytesMax: 1_000, concurrentCallsMax: 100, certificateUsers: false },
  ...{ keepaliveIntervalMs: 0, keepaliveTimeoutMs: 50, keepaliveLeastMs: 5_000 },
};

async function listen(transport: GrpcTransport): Promise<number> {
  server = createServer((socket) => transport.accept(socket));
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** Takes every call and never answers; `givenUp` counts calls whose clients left. */
function silentTarget() {
  const counts = { taken: 0, givenUp: 0 };
  const target: CallTarget = {
    unary() {
      counts.taken += 1;
      return () => {
        counts.givenUp += 1;
      };
    },
    open: () => undefined,
  };
  return { counts, target };
}

/** A client whose connection is known: the transport sees it with its first call. */
async function known(port: number): Promise<ClientHttp2Session> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  const stream = session.request({
    ...{ ":method": "POST", ":path": "/grpc.health.v1.Health/Check", "content-type": "application/grpc" },
  });
  stream.resume();
  stream.end(framed(new Uint8Array(0)));
  await new Promise((resolve) => stream.once("close", resolve));
  return session;
}

const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once("close", () => resolve()));

test("a connection that does not answer pings is ended", async () => {
  const transport = new GrpcTransport(silentTarget().target, { ...limits, keepaliveIntervalMs: 50 });
  const socket = connect(await listen(transport), "127.0.0.1");
  const gone = closed(socket);
  // Preface, settings and a request of method GET, scheme http, path /; then it takes what comes and says nothing.
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const request = Buffer.from([0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84]);
  socket.write(Buffer.concat([transport.preface, settings, request]));
  socket.resume();
  await gone;
  await transport.stop(0);
});

test("pings that are answered keep a connection", async () => {
  const transport = new GrpcTransport(silentTarget().target, { ...limits, keepaliveIntervalMs: 20 });
  const session = await known(await listen(transport));
  let pings = 0;
  await new Promise<void>((resolve) => {
    session.on("ping", () => {
      pings += 1;
      if (pings === 5) resolve();
    });
  });
  expect(session.destroyed).toBe(false);
  session.close();
  await transport.stop(0);
});

test("the end does not wait for connections without calls", async () => {
  const transport = new GrpcTransport(silentTarget().target, limits);
  const idle = await known(await listen(transport));
  const startedMs = performance.now();
  const gone = closed(idle.socket);
  await transport.stop(60_000);
  await gone;
  expect(performance.now() - startedMs).toBeLessThan(30_000);
});

test("the end does not wait for ever for calls under way", async () => {
  const { counts, target } = silentTarget();
  const transport = new GrpcTransport(target, limits);
  const session = connectHttp2(`http://127.0.0.1:${await listen(transport)}`);
  session.on("error", () => {});
  const stream = session.request({
    ...{ ":method": "POST", ":path": "/etcdserverpb.KV/Range", "content-type": "application/grpc" },
  });
  stream.on("error", () => {});
  stream.end(framed(new Uint8Array(3)));
  while (counts.taken === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const gone = closed(session.socket);
  await transport.stop(50);
  await gone;
  expect(counts).toEqual({ taken: 1, givenUp: 1 });
});
