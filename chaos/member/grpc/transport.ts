/*
 * gRPC below the seam: bytes in, bytes out. This file has the connections, call.ts a call, connection.ts HTTP/2.
 */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { rpcCodeNumbers } from "../../../core/index.ts";
import { type CallTarget, Switchboard } from "../calls.ts";
import { commonNameOf } from "../certificate-rules.ts";
import { http2Preface, type Protocol } from "../port.ts";
import { type CallStatus, statusOf } from "../seam.ts";
import { services } from "../services.ts";
import { refuse, serveStream, serveUnary } from "./call.ts";
import { Connection } from "./connection.ts";
import { healthPrograms } from "./health-service.ts";
import { Holding } from "./holding.ts";
import type { HeaderMap } from "./hpack.ts";
import { type CallHead, headOf, unsupportedHead } from "./metadata.ts";
import type { Stream } from "./stream.ts";

export interface GrpcLimits {
  readonly requestBytesMax: number;
  readonly concurrentCallsMax: number;
  /** 0: no pings. */
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  /** Least time between pings of a client that has calls open. */
  readonly keepaliveLeastMs: number;
  /** The common name of a client's certificate is its user, where it brings no token. */
  readonly certificateUsers: boolean;
}

/** etcd's allowance over the largest request: the rest of a message around it. */
export const grpcOverheadBytes = 512 * 1024;

/** What a client may send ahead of what was read, on one call and on all calls of a connection. */
const windowBytes = { stream: 1024 * 1024, connection: 4 * 1024 * 1024 } as const;
/** Header blocks of one call, as etcd's server bounds them. */
const headerBytesMax = 16 * 1024;

type CallKind = "unary" | "singleRequest" | "stream";

export class GrpcTransport implements Protocol {
  readonly preface = http2Preface;
  readonly #target: CallTarget;
  readonly #limits: GrpcLimits;
  readonly #connections = new Set<Connection>();
  readonly #kinds = callKinds();
  readonly #holding = new Holding();
  #onEmpty: (() => void) | undefined;

  /** @param refusal why no call of the health service is answered now */
  constructor(target: CallTarget, limits: GrpcLimits, refusal: () => CallStatus | undefined = () => undefined) {
    this.#target = new Switchboard(target, healthPrograms(refusal));
    this.#limits = limits;
  }

  accept(socket: Socket): void {
    const names = this.#limits.certificateUsers && socket instanceof TLSSocket;
    const user = names ? commonNameOf(socket.getPeerCertificate()) : "";
    this.#begin(socket, user === "" ? undefined : user);
  }

  /** Takes no more calls, lets those under way finish for so long, then ends everything. */
  async stop(graceMs: number): Promise<void> {
    const allClosed = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    for (const connection of this.#connections) connection.close();
    if (this.#connections.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([allClosed, late]);
    clearTimeout(timer);
    for (const connection of this.#connections) connection.destroy();
  }

  /** @param user whom the client's certificate names */
  #begin(socket: Socket, user: string | undefined): void {
    let stopPings = (): void => {};
    // Clients say the same of themselves in call after call.
    let known: { readonly headers: HeaderMap; readonly head: CallHead | CallStatus } | undefined;
    const connection = new Connection(socket, {
      streamsMax: this.#limits.concurrentCallsMax,
      windowBytes,
      headerListBytesMax: headerBytesMax,
      pingLeastMs: this.#limits.keepaliveLeastMs,
      holding: this.#holding,
      onStream: (stream, headers) => {
        if (known?.headers !== headers) known = { headers, head: headOf(headers, user) };
        this.#serve(stream, headers, known.head);
      },
      onClose: () => {
        stopPings();
        this.#connections.delete(connection);
        if (this.#connections.size === 0) this.#onEmpty?.();
      },
    });
    this.#connections.add(connection);
    stopPings = this.#keepAlive(connection);
  }

  /** A connection whose other end does not answer any more is ended. */
  #keepAlive(connection: Connection): () => void {
    const { keepaliveIntervalMs, keepaliveTimeoutMs } = this.#limits;
    if (keepaliveIntervalMs <= 0) return () => {};
    let timer: NodeJS.Timeout | undefined;
    const rest = (): void => {
      timer = setTimeout(ping, Math.min(keepaliveIntervalMs, 2 ** 31 - 1)).unref();
    };
    const ping = (): void => {
      timer = setTimeout(() => connection.destroy(), keepaliveTimeoutMs).unref();
      connection.ping(() => {
        clearTimeout(timer);
        rest();
      });
    };
    rest();
    return () => clearTimeout(timer);
  }

  #serve(stream: Stream, headers: HeaderMap, head: CallHead | CallStatus): void {
    if (headers["content-type"]?.startsWith("application/grpc") !== true) {
      stream.respond(unsupportedHead, true);
      return;
    }
    const path = headers[":path"] ?? "";
    const kind = this.#kinds.get(path);
    if (kind === undefined) {
      refuse(stream, unknownPath(path));
      return;
    }
    if ("code" in head) {
      refuse(stream, head);
      return;
    }
    if (stream.holdsTooMuch) {
      refuse(stream, statusOf("tooManyRequests"));
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
