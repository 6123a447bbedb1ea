/*
 * gRPC below the seam, over node:http2: bytes in, bytes out. This file has the connections; call.ts has a call.
 * A general gRPC library spends more on a call than the member does, and node:http2 with frames of messages made by
 * hand half of that; HTTP/2 itself stays with node.
 */
import {
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { rpcCodeNumbers } from "../../../core/index.ts";
import { acceptHttp2 } from "../authority.ts";
import { type CallTarget, Switchboard } from "../calls.ts";
import { commonNameOf } from "../certificate-rules.ts";
import { http2Preface, type Protocol } from "../port.ts";
import type { CallStatus } from "../seam.ts";
import { services } from "../services.ts";
import { refuse, serveStream, serveUnary } from "./call.ts";
import { healthPrograms } from "./health-service.ts";
import { headOf } from "./metadata.ts";

export interface GrpcLimits {
  readonly requestBytesMax: number;
  readonly concurrentCallsMax: number;
  /** 0: no pings. */
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  /** The common name of a client's certificate is its user, where it brings no token. */
  readonly certificateUsers: boolean;
}

/** etcd's allowance over the largest request: the rest of a message around it. */
export const grpcOverheadBytes = 512 * 1024;

/** What a client may send ahead of what was read, on one call and on all calls of a connection. */
const windowBytes = { call: 1024 * 1024, connection: 4 * 1024 * 1024 } as const;
/** Header blocks of one call, as etcd's server bounds them. */
const headerBytesMax = 16 * 1024;

type CallKind = "unary" | "singleRequest" | "stream";

export class GrpcTransport implements Protocol {
  readonly preface = http2Preface;
  readonly #target: CallTarget;
  readonly #limits: GrpcLimits;
  readonly #options: ServerOptions;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #kinds = callKinds();

  constructor(target: CallTarget, limits: GrpcLimits) {
    this.#target = new Switchboard(target, healthPrograms);
    this.#limits = limits;
    this.#options = {
      // Bounded by the windows and the calls; node's own bound would end connections with large answers under way.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      settings: {
        maxConcurrentStreams: Math.min(limits.concurrentCallsMax, 2 ** 32 - 1),
        initialWindowSize: windowBytes.call,
        maxHeaderListSize: headerBytesMax,
        enablePush: false,
      },
    };
  }

  accept(socket: Socket): void {
    if (!(socket instanceof TLSSocket)) {
      acceptHttp2(socket, (connection) => this.#begin(connection, undefined));
      return;
    }
    const user = this.#limits.certificateUsers ? commonNameOf(socket.getPeerCertificate()) : "";
    this.#begin(socket, user === "" ? undefined : user);
  }

  /** Takes no more calls, lets those under way finish for so long, then ends everything. */
  async stop(graceMs: number): Promise<void> {
    const closed = [...this.#sessions].map(
      (session) =>
        new Promise<void>((resolve) => {
          session.once("close", resolve);
          session.close();
        }),
    );
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.all(closed), late]);
    clearTimeout(timer);
    for (const session of this.#sessions) session.destroy();
  }

  /** @param user whom the client's certificate names */
  #begin(connection: Duplex, user: string | undefined): void {
    const session = performServerHandshake(connection, this.#options);
    this.#sessions.add(session);
    session.setLocalWindowSize(windowBytes.connection);
    // A broken connection ends its calls; that is all there is to say about it.
    session.on("error", ignored);
    session.on("stream", (stream, headers) => this.#serve(stream, headers, user));
    const stopPings = this.#keepAlive(session);
    session.once("close", () => {
      stopPings();
      this.#sessions.delete(session);
    });
  }

  /** A connection whose other end does not answer any more is ended. */
  #keepAlive(session: ServerHttp2Session): () => void {
    const { keepaliveIntervalMs, keepaliveTimeoutMs } = this.#limits;
    if (keepaliveIntervalMs <= 0) return () => {};
    let timer: NodeJS.Timeout | undefined;
    const rest = (): void => {
      timer = setTimeout(ping, Math.min(keepaliveIntervalMs, 2 ** 31 - 1)).unref();
    };
    const ping = (): void => {
      timer = setTimeout(() => session.destroy(), keepaliveTimeoutMs).unref();
      const sent = session.ping((error) => {
        clearTimeout(timer);
        if (error === null) rest();
      });
      // Too many pings without an answer: the first one's time still runs.
      if (!sent) return;
    };
    rest();
    return () => clearTimeout(timer);
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, user: string | undefined): void {
    stream.on("error", ignored);
    const type = headers["content-type"];
    if (type === undefined || !type.startsWith("application/grpc")) {
      stream.respond({ ":status": 415 }, { endStream: true });
      return;
    }
    const path = headers[":path"] ?? "";
    const kind = this.#kinds.get(path);
    if (kind === undefined) {
      refuse(stream, unknownPath(path));
      return;
    }
    const head = headOf(headers, user);
    if ("code" in head) {
      refuse(stream, head);
      return;
    }
    const { requestBytesMax } = this.#limits;
    const call = { target: this.#target, path, head, stream, messageBytesMax: requestBytesMax + grpcOverheadBytes };
    if (kind === "unary") serveUnary(call);
    else serveStream(call, kind === "singleRequest");
  }
}

/** Of every method of etcd's API, those nobody serves too, so that a client hears "unknown method" from above. */
function callKinds(): ReadonlyMap<string, CallKind> {
  const kinds = new Map<string, CallKind>();
  for (const { path, kind } of [...services.values()].flat()) {
    kinds.set(path, kind === "unary" ? "unary" : kind === "server_streaming" ? "singleRequest" : "stream");
  }
  kinds.set("/grpc.health.v1.Health/Check", "unary");
  kinds.set("/grpc.health.v1.Health/Watch", "singleRequest");
  return kinds;
}

function unknownPath(path: string): CallStatus {
  const [, service = "", method = ""] = path.split("/");
  const text = services.has(service) ? `unknown method ${method} for service ${service}` : `unknown service ${service}`;
  return { code: rpcCodeNumbers.UNIMPLEMENTED, text };
}

/** The end of a stream or a connection says all there is. */
const ignored = (): void => {};
