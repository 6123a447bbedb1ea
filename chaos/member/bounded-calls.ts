/*
 * The bound of one message from a client, whatever carries it: a larger one is refused before anybody looks into it.
 */
import { rpcCodeNumbers } from "../../core/index.ts";
import type { CallTarget } from "./calls.ts";
import type { CallOptions, CallStatus, OpenStream, StreamAnswers, UnaryAnswer } from "./seam.ts";

/** Refuses messages that are too large, in etcd's words. */
export class BoundedCalls implements CallTarget {
  readonly #target: CallTarget;
  readonly #bytesMax: number;

  constructor(target: CallTarget, bytesMax: number) {
    this.#target = target;
    this.#bytesMax = bytesMax;
  }

  unary(path: string, bytes: Uint8Array, options: CallOptions, to: UnaryAnswer): () => void {
    if (bytes.length <= this.#bytesMax) return this.#target.unary(path, bytes, options, to);
    to.fail(this.#tooLarge(bytes));
    return () => {};
  }

  open(path: string, options: CallOptions, to: StreamAnswers): OpenStream | undefined {
    const stream = this.#target.open(path, options, to);
    if (stream === undefined) return undefined;
    return {
      message: (bytes) => {
        if (bytes.length <= this.#bytesMax) {
          stream.message(bytes);
          return;
        }
        stream.gone();
        to.end(this.#tooLarge(bytes));
      },
      halfClosed: () => stream.halfClosed(),
      gone: () => stream.gone(),
    };
  }

  #tooLarge(bytes: Uint8Array): CallStatus {
    const text = `grpc: received message larger than max (${bytes.length} vs. ${this.#bytesMax})`;
    return { code: rpcCodeNumbers.RESOURCE_EXHAUSTED, text };
  }
}
