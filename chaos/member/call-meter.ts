/*
 * Counts calls on their way in and out, per method and status, for metrics. Plain numbers while calls run; the text
 * form is made when it is asked for.
 */
import type { CallTarget } from "./calls.ts";
import type { CallOptions, OpenStream, StreamAnswers, UnaryAnswer } from "./seam.ts";
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

export class CallMeter implements CallTarget {
  readonly #target: CallTarget;
  readonly #counts: ReadonlyMap<string, CallCounts>;
  bytesReceived = 0;
  bytesSent = 0;

  constructor(target: CallTarget) {
    this.#target = target;
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
    const counts = this.#counts.get(path);
    if (counts === undefined) return this.#target.unary(path, bytes, options, to);
    counts.started++;
    counts.received++;
    this.bytesReceived += bytes.length;
    let open = true;
    const giveUp = this.#target.unary(path, bytes, options, {
      answer: (answer) => {
        open = false;
        counts.sent++;
        this.bytesSent += answer.length;
        handled(counts, ok);
        to.answer(answer);
      },
      fail: (status) => {
        open = false;
        handled(counts, status.code);
        to.fail(status);
      },
    });
    return () => {
      if (open) handled(counts, cancelled);
      open = false;
      giveUp();
    };
  }

  open(path: string, options: CallOptions, to: StreamAnswers): OpenStream | undefined {
    const counts = this.#counts.get(path);
    if (counts === undefined) return this.#target.open(path, options, to);
    counts.started++;
    let open = true;
    const end = (code: number): void => {
      if (open) handled(counts, code);
      open = false;
    };
    const stream = this.#target.open(path, options, {
      send: (bytes, taken) => {
        counts.sent++;
        this.bytesSent += bytes.length;
        to.send(bytes, taken);
      },
      end(status) {
        end(status?.code ?? ok);
        to.end(status);
      },
    });
    if (stream === undefined) return undefined;
    return {
      message: (bytes) => {
        counts.received++;
        this.bytesReceived += bytes.length;
        stream.message(bytes);
      },
      halfClosed: () => stream.halfClosed(),
      gone() {
        end(cancelled);
        stream.gone();
      },
    };
  }
}

const ok = 0;
const cancelled = 1;

function handled(counts: CallCounts, code: number): void {
  counts.handled.set(code, (counts.handled.get(code) ?? 0) + 1);
}
