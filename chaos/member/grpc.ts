/*
 * gRPC below the seam, by grpc-js: bytes in, bytes out. Every method of etcd's API is registered, those the seam does
 * not serve too, so that a client hears "unknown method" and not a broken connection.
 */
import { TLSSocket } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import type { Credential } from "../../core/index.ts";
import { file_grpc_health_v1_health } from "../../core/wire/gen/grpc/health/v1/health_pb.ts";
import { acceptHttp2 } from "./authority.ts";
import type { CallTarget } from "./calls.ts";
import { commonNameOf } from "./certificate-rules.ts";
import { http2Preface, type Protocol } from "./port.ts";
import type { CallOptions, CallStatus, OpenStream } from "./seam.ts";
import { type Method, services } from "./services.ts";

export interface GrpcLimits {
  readonly requestBytesMax: number;
  readonly concurrentCallsMax: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  /** The common name of a client's certificate is its user, where it brings no token. */
  readonly certificateUsers: boolean;
}

/** etcd's allowance over the largest request: the rest of a message around it. */
export const grpcOverheadBytes = 512 * 1024;
/** Messages up to so many times the limit are read, only to be refused in etcd's words; larger ones grpc-js ends. */
const refusedTimes = 8;

export class GrpcTransport implements Protocol {
  readonly preface = http2Preface;
  readonly #server: grpc.Server;
  readonly #injector: ReturnType<grpc.Server["createConnectionInjector"]>;

  constructor(target: CallTarget, limits: GrpcLimits) {
    this.#server = new grpc.Server({
      "grpc.max_receive_message_length": refusedTimes * (limits.requestBytesMax + grpcOverheadBytes),
      "grpc.max_send_message_length": -1,
      "grpc.max_concurrent_streams": Math.min(limits.concurrentCallsMax, 2 ** 31 - 1),
      ...(limits.keepaliveIntervalMs > 0 ? { "grpc.keepalive_time_ms": limits.keepaliveIntervalMs } : {}),
      "grpc.keepalive_timeout_ms": limits.keepaliveTimeoutMs,
    });
    const callers = new Callers(limits.certificateUsers);
    for (const methods of services.values()) this.#serve(target, methods, callers);
    for (const service of file_grpc_health_v1_health.services) {
      const methods = service.methods.map((method) => ({
        path: `/${service.typeName}/${method.name}`,
        name: method.name,
        kind: method.methodKind,
      }));
      this.#server.addService(definitionOf(methods), { Check: answerHealth, Watch: watchHealth });
    }
    refuseUnknown(this.#server);
    this.#injector = this.#server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  }

  accept(socket: Parameters<Protocol["accept"]>[0]): void {
    if (!(socket instanceof TLSSocket)) {
      acceptHttp2(socket, (connection) => this.#injector.injectConnection(connection));
      return;
    }
    // Asked for at every call, and slow to make.
    const shown = socket.getPeerCertificate(true);
    socket.getPeerCertificate = () => shown;
    this.#injector.injectConnection(socket);
  }

  /** Lets calls under way finish for so long, then ends everything. */
  async stop(graceMs: number): Promise<void> {
    this.#injector.drain(graceMs);
    this.#injector.destroy();
    this.#server.forceShutdown();
  }

  #serve(target: CallTarget, methods: readonly Method[], callers: Callers): void {
    const handlers: grpc.UntypedServiceImplementation = {};
    for (const { name, path, kind } of methods) {
      handlers[name] =
        kind === "unary" ? unaryHandler(target, path, callers) : streamHandler(target, path, kind, callers);
    }
    this.#server.addService(definitionOf(methods), handlers);
  }
}

/**
 * grpc-js answers a path it does not know in its own words and offers no other way to choose them: what it looks paths
 * up in is told to find a handler that refuses.
 */
function refuseUnknown(server: grpc.Server): void {
  const { handlers } = server as unknown as { readonly handlers: Map<string, unknown> };
  const known = handlers.get.bind(handlers);
  handlers.get = (path) => known(path) ?? refusingHandler(path);
}

function refusingHandler(path: string): unknown {
  const [, service = "", method = ""] = path.split("/");
  const details = services.has(service)
    ? `unknown method ${method} for service ${service}`
    : `unknown service ${service}`;
  const func: grpc.handleBidiStreamingCall<Buffer, Buffer> = (call) =>
    call.emit("error", { code: grpc.status.UNIMPLEMENTED, details });
  return { func, serialize: asIs, deserialize: asIs, type: "bidi", path };
}

const asIs = (bytes: Buffer): Buffer => bytes;

function definitionOf(methods: readonly Pick<Method, "path" | "name" | "kind">[]): grpc.ServiceDefinition {
  const definition: { [method: string]: grpc.MethodDefinition<Buffer, Buffer> } = {};
  for (const { path, name, kind } of methods) {
    definition[name] = {
      path,
      requestStream: kind === "client_streaming" || kind === "bidi_streaming",
      responseStream: kind === "server_streaming" || kind === "bidi_streaming",
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
  }
  return definition;
}

/** A call's metadata, and what its connection says of who calls. */
type AnyCall = Pick<grpc.ServerUnaryCall<Buffer, Buffer>, "metadata" | "getAuthContext">;

/** Who calls, and how. */
class Callers {
  readonly #certificateUsers: boolean;

  constructor(certificateUsers: boolean) {
    this.#certificateUsers = certificateUsers;
  }

  optionsOf(call: AnyCall): CallOptions {
    const { metadata } = call;
    const requireLeader = metadata.get("hasleader").includes("true");
    const credential = this.#credentialOf(call);
    const version = metadata.get("client-api-version")[0];
    return {
      requireLeader,
      ...(credential === undefined ? {} : { credential }),
      ...(version === undefined ? {} : { clientApiVersion: version.toString() }),
    };
  }

  /**
   * A token may stand under either name; the first one that is there counts. A certificate speaks for its owner only:
   * what a gateway passes on under its own certificate is somebody else's.
   */
  #credentialOf(call: AnyCall): Credential | undefined {
    const { metadata } = call;
    const token = metadata.get("token")[0] ?? metadata.get("authorization")[0];
    if (token !== undefined) return { type: "token", token: token.toString() };
    if (!this.#certificateUsers || metadata.get("grpcgateway-accept").length > 0) return undefined;
    const shown = call.getAuthContext().sslPeerCertificate;
    const user = shown === undefined ? "" : commonNameOf(shown);
    return user === "" ? undefined : { type: "certificate", user };
  }
}

const unaryHandler =
  (target: CallTarget, path: string, callers: Callers): grpc.handleUnaryCall<Buffer, Buffer> =>
  (call, callback) => {
    const giveUp = target.unary(path, plain(call.request), callers.optionsOf(call), {
      answer: (bytes) => callback(null, bufferOf(bytes)),
      fail: (status) => callback(statusObject(status)),
    });
    call.on("cancelled", giveUp);
  };

function streamHandler(
  target: CallTarget,
  path: string,
  kind: Exclude<Method["kind"], "unary">,
  callers: Callers,
): grpc.UntypedHandleCall {
  if (kind === "server_streaming") {
    const handler: grpc.handleServerStreamingCall<Buffer, Buffer> = (call) => {
      const stream = openStream(target, path, call, callers);
      if (stream === undefined) return;
      stream.message(plain(call.request));
      stream.halfClosed();
    };
    return handler;
  }
  const handler: grpc.handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    const stream = openStream(target, path, call, callers);
    if (stream === undefined) return;
    call.on("data", (bytes: Buffer) => stream.message(plain(bytes)));
    call.on("end", () => stream.halfClosed());
  };
  return handler;
}

function openStream(
  target: CallTarget,
  path: string,
  call: grpc.ServerDuplexStream<Buffer, Buffer> | grpc.ServerWritableStream<Buffer, Buffer>,
  callers: Callers,
): OpenStream | undefined {
  // Replies written while the socket is full wait here for its next drain.
  let waiting: (() => void)[] = [];
  call.on("drain", () => {
    const taken = waiting;
    waiting = [];
    for (const each of taken) each();
  });
  let ended = false;
  const stream = target.open(path, callers.optionsOf(call), {
    send(bytes, taken) {
      if (ended) return;
      if (call.write(bufferOf(bytes))) taken();
      else waiting.push(taken);
    },
    end(status) {
      ended = true;
      endStream(call, status);
    },
  });
  if (stream === undefined) return undefined;
  call.on("cancelled", () => stream.gone());
  call.on("error", () => stream.gone());
  call.on("close", () => stream.gone());
  return stream;
}

function endStream(
  call: grpc.ServerDuplexStream<Buffer, Buffer> | grpc.ServerWritableStream<Buffer, Buffer>,
  status: CallStatus | undefined,
): void {
  if (status === undefined) call.end();
  else call.emit("error", statusObject(status));
}

const statusObject = ({ code, text }: CallStatus): { code: number; details: string } => ({ code, details: text });

// The only service name known is the server as a whole.
const serving = Buffer.from([0x08, 0x01]);
const unknownService = { code: grpc.status.NOT_FOUND, details: "unknown service" };
const answerHealth: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => {
  if (call.request.length === 0) callback(null, serving);
  else callback(unknownService);
};
const watchHealth: grpc.handleServerStreamingCall<Buffer, Buffer> = (call) => {
  // 3: this service is not known (yet); the stream stays open either way.
  call.write(call.request.length === 0 ? serving : Buffer.from([0x08, 0x03]));
};

const plain = (bytes: Buffer): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
