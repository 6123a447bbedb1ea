/*
 * A client of one member over gRPC, for our members and any other etcd: unary calls, watch streams, keep-alives. It
 * speaks core's requests and answers; the protocol's bytes are core/wire's. It never retries: who calls decides, and a
 * history must show every try. One channel per endpoint, shared by all who call it.
 */
import {
  type CallOptions,
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
  status as statusNumbers,
} from "@grpc/grpc-js";
import type { Answer, Header, KeepAliveReply, LeaseId, Request, StreamRequest, WatchReply } from "../../core/index.ts";
import { streamCalls, unaryCalls } from "../../core/wire/calls.ts";

/** What came of a call: the shapes sessions take, without their time and call id. */
export type CallResult =
  | { readonly type: "reply"; readonly reply: { readonly ok: true; readonly header: Header; readonly answer: Answer } }
  /** The server's own status: gRPC code by name, complete message. */
  | { readonly type: "status"; readonly code: string; readonly text: string }
  /** The request never left. `reason`: why no connection came about, where it is more than a closed port. */
  | { readonly type: "connectionRefused"; readonly reason?: string }
  /** It may have left; nobody knows what came of it. */
  | { readonly type: "connectionLost" };
type CallFailure = Exclude<CallResult, { readonly type: "reply" }>;
export type KeepAliveResult = { readonly type: "reply"; readonly reply: KeepAliveReply } | CallFailure;
export type BytesResult = { readonly type: "bytes"; readonly bytes: Uint8Array } | CallFailure;

/** A result that comes later, and a way to give up on it; after `cancel` the result is of no interest. */
export interface Pending<Result> {
  readonly result: Promise<Result>;
  cancel(): void;
}

export interface CallSettings {
  /** Absent: wait for ever. */
  readonly timeoutMs?: number;
  /** Fail at once when the member knows no leader. */
  readonly requireLeader?: boolean;
  /** Who asks, as Authenticate said. */
  readonly token?: string;
}

export interface WatchHandlers {
  /** Called for one reply at a time: the next comes only after `taken`. */
  readonly reply: (reply: WatchReply) => void;
  /** Once, whatever ended the stream; not after `close`. */
  readonly ended: (reason: string) => void;
}
export interface WatchStream {
  request(request: Exclude<StreamRequest, { type: "leaseKeepAlive" }>): void;
  /** The last reply was taken; hand over the next. */
  taken(): void;
  close(): void;
}

export interface ClientOptions {
  /** host:port, or unix:path. */
  readonly endpoint: string;
  /** Absent: plain TCP. */
  readonly credentials?: ChannelCredentials;
  /** Absent: an idle connection is asked for no sign of life. Less than ten seconds count as ten. */
  readonly keepaliveMs?: number;
  readonly keepaliveTimeoutMs?: number;
  /** Absent: an answer may have any size. */
  readonly answerBytesMax?: number;
}

/** A channel that dials again quickly: drills want to know when a member is back, not to spare it. */
const channelOptions = {
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.min_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 250,
  "grpc.enable_retries": 0,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
};

/** Servers hang up on who asks more often; Go's clients have the same floor. */
const keepaliveLeastMs = 10_000;

const identity = (bytes: Buffer): Buffer => bytes;

export class EtcdClient {
  readonly #client: Client;

  constructor(options: ClientOptions) {
    this.#client = new Client(options.endpoint, options.credentials ?? credentials.createInsecure(), {
      ...channelOptions,
      ...(options.keepaliveMs === undefined
        ? {}
        : { "grpc.keepalive_time_ms": Math.max(options.keepaliveMs, keepaliveLeastMs) }),
      ...(options.keepaliveTimeoutMs === undefined ? {} : { "grpc.keepalive_timeout_ms": options.keepaliveTimeoutMs }),
      ...(options.answerBytesMax === undefined ? {} : { "grpc.max_receive_message_length": options.answerBytesMax }),
    });
  }

  /** One unary call. The result never rejects. */
  call(request: Request, settings: CallSettings = {}): Pending<CallResult> {
    const wire = unaryCalls[request.type];
    const { result, cancel } = this.callBytes(wire.path, wire.encodeRequest(request), settings);
    return {
      result: result.then((answered) =>
        answered.type === "bytes"
          ? { type: "reply", reply: { ok: true, ...wire.decodeAnswer(answered.bytes) } }
          : answered,
      ),
      cancel,
    };
  }

  /** One unary call as the bytes of its messages, for what core's answers leave out. The result never rejects. */
  callBytes(path: string, request: Uint8Array, settings: CallSettings = {}): Pending<BytesResult> {
    let pending: ClientUnaryCall | undefined;
    const result = new Promise<BytesResult>((resolve) => {
      pending = this.#client.makeUnaryRequest(
        path,
        identity,
        identity,
        Buffer.from(request),
        metadataOf(settings),
        callOptionsOf(settings),
        (error, bytes) => {
          if (error !== null) resolve(failureOf(error));
          else resolve(bytes === undefined ? { type: "connectionLost" } : { type: "bytes", bytes });
        },
      );
    });
    return { result, cancel: () => pending?.cancel() };
  }

  /** Opens a keep-alive stream, sends one request, takes its first reply, closes the stream. The result never rejects. */
  keepAlive(leaseId: LeaseId, settings: CallSettings = {}): Pending<KeepAliveResult> {
    const wire = streamCalls.leaseKeepAlive;
    const stream = this.open(wire.path, settings);
    const result = new Promise<KeepAliveResult>((resolve) => {
      stream.on("data", (bytes: Buffer) => {
        const reply = wire.decodeReply(bytes);
        if (reply.type === "leaseKeepAlive") resolve({ type: "reply", reply });
        stream.end();
        stream.cancel();
      });
      stream.on("error", (error: ServiceError) => resolve(failureOf(error)));
      stream.on("end", () => resolve({ type: "connectionLost" }));
    });
    stream.write(Buffer.from(wire.encodeRequest({ type: "leaseKeepAlive", leaseId })));
    return { result, cancel: () => stream.cancel() };
  }

  /** Opens a watch stream with nothing on it yet. */
  watch(handlers: WatchHandlers, settings: CallSettings = {}): WatchStream {
    const wire = streamCalls.watch;
    const stream = this.open(wire.path, settings);
    let open = true;
    const end = (reason: string) => {
      if (!open) return;
      open = false;
      handlers.ended(reason);
    };
    stream.on("data", (bytes: Buffer) => {
      if (!open) return;
      stream.pause();
      const reply = wire.decodeReply(bytes);
      if (reply.type === "watch") handlers.reply(reply);
    });
    stream.on("error", (error: ServiceError) => end(`${statusNumbers[error.code]}: ${error.details}`));
    stream.on("end", () => end("ended by the member"));
    return {
      request: (request) => void stream.write(Buffer.from(wire.encodeRequest(request))),
      taken: () => void stream.resume(),
      close: () => {
        open = false;
        stream.end();
        stream.cancel();
      },
    };
  }

  /** A stream in both directions, as the bytes of its messages. */
  open(path: string, settings: CallSettings = {}): ClientDuplexStream<Buffer, Buffer> {
    return this.#client.makeBidiStreamRequest(path, identity, identity, metadataOf(settings), callOptionsOf(settings));
  }

  /** The answers to one request, as the bytes of their messages. */
  serverStream(path: string, request: Uint8Array, settings: CallSettings = {}): ClientReadableStream<Buffer> {
    return this.#client.makeServerStreamRequest(
      path,
      identity,
      identity,
      Buffer.from(request),
      metadataOf(settings),
      callOptionsOf(settings),
    );
  }

  /** Whether a connection stands, or could be made within the time. */
  isReachable(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) =>
      this.#client.waitForReady(Date.now() + timeoutMs, (error) => resolve(error === undefined)),
    );
  }

  close(): void {
    this.#client.close();
  }
}

function metadataOf(settings: CallSettings): Metadata {
  const metadata = new Metadata();
  if (settings.requireLeader === true) metadata.set("hasleader", "true");
  if (settings.token !== undefined) metadata.set("token", settings.token);
  return metadata;
}

function callOptionsOf(settings: CallSettings): CallOptions {
  return settings.timeoutMs === undefined ? {} : { deadline: Date.now() + settings.timeoutMs };
}

/**
 * UNAVAILABLE comes from the server or from the channel, and only the text tells. The channel fails a call that never
 * got a connection with a text of its own; every text of a server's refusal begins with its package's name.
 */
function failureOf(error: ServiceError): CallFailure {
  const text = error.details;
  if (error.code === statusNumbers.UNAVAILABLE && !/^(etcdserver|raft|lease|mvcc|auth)\b/.test(text)) {
    const reason = /^No connection established\. Last error: (.*)\. Resolution note:/s.exec(text)?.[1];
    if (!/^(No connection established|Name resolution failed)/.test(text)) return { type: "connectionLost" };
    const isClosed = reason === undefined || reason.includes("ECONNREFUSED");
    return { type: "connectionRefused", ...(isClosed ? {} : { reason }) };
  }
  return { type: "status", code: statusNumbers[error.code] ?? String(error.code), text };
}
