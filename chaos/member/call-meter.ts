/*
 * Counts calls on their way in and out, per method and status, for metrics. Plain numbers while calls run; the text
 * form is made when it is asked for.
 */
import { rpcCodeNumbers } from "../../core/index.ts";
import type { CallTarget } from "./calls.ts";
import type { CallOptions, CallStatus, OpenStream, StreamAnswers, UnaryAnswer } from "./seam.ts";
import { type Method, services } from "./services.ts";

export type CallKind = "unary" | "server_stream" | "client_stream" | "bidi_stream";
const kindNames = {
  unary: "unary",
  server_streaming: "server_stream",
  client_streaming: "client_stream",
  bidi_streaming: "bidi_stream",
} as const satisfies { readonly [Kind in Method["kind"]]: CallKind };

export interface CallCounts {
  readonly kind: CallKind;
  started: number;
  received: number;
  sent: number;
  /** By gRPC code. */
  readonly handled: Map<number, number>;
}

/** One call that ended. */
export interface HandledCall {
  readonly path: string;
  readonly kind: CallKind;
  /** gRPC's number; 0 is OK. */
  readonly code: number;
  /** Of the status; empty when it is OK. */
  readonly text: string;
  readonly seconds: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
}

export class CallMeter implements CallTarget {
  readonly #target: CallTarget;
  readonly #counts: ReadonlyMap<string, CallCounts>;
  /** Calls begun, by their form and what the client said its API version is. */
  readonly requests = { unary: new Map<string, number>(), stream: new Map<string, number>() };
  /** Streams that ended because something could not be read, or written. */
  readonly streamFailures = { watch: { receive: 0, send: 0 }, "lease-keepalive": { receive: 0, send: 0 } };
  bytesReceived = 0;
  bytesSent = 0;

  readonly #onHandled: (call: HandledCall) => void;

  constructor(target: CallTarget, onHandled: (call: HandledCall) => void = () => {}) {
    this.#target = target;
    this.#onHandled = onHandled;
    this.#counts = new Map(
      [...services.values()]
        .flat()
        .map(({ path, kind }) => [
          path,
          { kind: kindNames[kind], started: 0, received: 0, sent: 0, handled: new Map() },
        ]),
    );
  }

  /** By path. */
  get counts(): ReadonlyMap<string, CallCounts> {
    return this.#counts;
  }

  unary(path: string, bytes: Uint8Array, options: CallOptions, to: UnaryAnswer): () => void {
    if (!this.#noteRequest("unary", options)) {
      to.fail(invalidVersion);
      return () => {};
    }
    const counts = this.#counts.get(path);
    if (counts === undefined) return this.#target.unary(path, bytes, options, to);
    counts.started++;
    counts.received++;
    this.bytesReceived += bytes.length;
    let open = true;
    const startedMs = performance.now();
    const end = (code: number, text: string, bytesSent: number): void => {
      open = false;
      handled(counts, code);
      const seconds = (performance.now() - startedMs) / 1_000;
      this.#onHandled({ path, kind: counts.kind, code, text, seconds, bytesReceived: bytes.length, bytesSent });
    };
    const giveUp = this.#target.unary(path, bytes, options, {
      answer: (answer) => {
        counts.sent++;
        this.bytesSent += answer.length;
        end(ok, "", answer.length);
        to.answer(answer);
      },
      fail: (status) => {
        end(status.code, status.text, 0);
        to.fail(status);
      },
    });
    return () => {
      if (open) end(cancelled, canceledText, 0);
      giveUp();
    };
  }

  open(path: string, options: CallOptions, to: StreamAnswers): OpenStream | undefined {
    if (!this.#noteRequest("stream", options)) {
      to.end(invalidVersion);
      return undefined;
    }
    const counts = this.#counts.get(path);
    if (counts === undefined) return this.#target.open(path, options, to);
    counts.started++;
    let open = true;
    const startedMs = performance.now();
    const bytesOf = { received: 0, sent: 0 };
    const end = (code: number, text: string): void => {
      if (!open) return;
      open = false;
      handled(counts, code);
      if (code === rpcCodeNumbers.INTERNAL) this.#noteBrokenStream(path);
      const seconds = (performance.now() - startedMs) / 1_000;
      const { received: bytesReceived, sent: bytesSent } = bytesOf;
      this.#onHandled({ path, kind: counts.kind, code, text, seconds, bytesReceived, bytesSent });
    };
    const stream = this.#target.open(path, options, {
      send: (bytes, taken) => {
        counts.sent++;
        this.bytesSent += bytes.length;
        bytesOf.sent += bytes.length;
        to.send(bytes, taken);
      },
      end(status) {
        end(status?.code ?? ok, status?.text ?? "");
        to.end(status);
      },
    });
    if (stream === undefined) return undefined;
    return {
      message: (bytes) => {
        counts.received++;
        this.bytesReceived += bytes.length;
        bytesOf.received += bytes.length;
        stream.message(bytes);
      },
      halfClosed: () => stream.halfClosed(),
      gone() {
        end(cancelled, canceledText);
        stream.gone();
      },
    };
  }

  /** Its client sent what is no message. */
  #noteBrokenStream(path: string): void {
    if (path === "/etcdserverpb.Watch/Watch") this.streamFailures.watch.receive += 1;
    else if (path === "/etcdserverpb.Lease/LeaseKeepAlive") this.streamFailures["lease-keepalive"].receive += 1;
  }

  /** @returns false: the version is no text */
  #noteRequest(form: "unary" | "stream", { clientApiVersion = "unknown" }: CallOptions): boolean {
    const requests = this.requests[form];
    const known = requests.get(clientApiVersion);
    if (known !== undefined) requests.set(clientApiVersion, known + 1);
    else if (!isText(clientApiVersion)) return false;
    else if (requests.size < versionsMax) requests.set(clientApiVersion, 1);
    return true;
  }
}

/** Different versions that are counted; clients make them up. */
const versionsMax = 64;

const invalidVersion: CallStatus = {
  code: rpcCodeNumbers.INVALID_ARGUMENT,
  text: "etcdserver: invalid client api version",
};

/** Headers come as one letter a byte; those bytes must be UTF-8. */
function isText(header: string): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(header, "latin1"));
    return true;
  } catch {
    return false;
  }
}

const ok = 0;
const cancelled = 1;
const canceledText = "context canceled";

function handled(counts: CallCounts, code: number): void {
  counts.handled.set(code, (counts.handled.get(code) ?? 0) + 1);
}
