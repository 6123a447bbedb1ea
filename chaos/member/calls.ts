/*
 * What a transport hands its clients' calls to: the seam over the member, programs beside it, or both behind one
 * switchboard. A call is a path and bytes; who answers it is nobody's business below.
 */
import { rpcCodeNumbers } from "../../core/index.ts";
import type { CallOptions, CallStatus, OpenStream, StreamAnswers, UnaryAnswer } from "./seam.ts";

export interface CallTarget {
  /** @returns to be called when the client gives up before the answer */
  unary(path: string, bytes: Uint8Array, options: CallOptions, to: UnaryAnswer): () => void;
  /** @returns undefined when the stream was refused */
  open(path: string, options: CallOptions, to: StreamAnswers): OpenStream | undefined;
}

/** One call that is no request of core's: a program over it, or a matter of this process alone. */
export type Program =
  | {
      readonly kind: "unary";
      run(bytes: Uint8Array, options: CallOptions, to: UnaryAnswer): () => void;
    }
  | {
      readonly kind: "stream";
      open(options: CallOptions, to: StreamAnswers): OpenStream | undefined;
    };

/** Programs by their path; every other call goes to the member. */
export class Switchboard implements CallTarget {
  readonly #member: CallTarget;
  readonly #programs: ReadonlyMap<string, Program>;

  constructor(member: CallTarget, programs: ReadonlyMap<string, Program>) {
    this.#member = member;
    this.#programs = programs;
  }

  unary(path: string, bytes: Uint8Array, options: CallOptions, to: UnaryAnswer): () => void {
    const program = this.#programs.get(path);
    return program?.kind === "unary" ? program.run(bytes, options, to) : this.#member.unary(path, bytes, options, to);
  }

  open(path: string, options: CallOptions, to: StreamAnswers): OpenStream | undefined {
    const program = this.#programs.get(path);
    return program?.kind === "stream" ? program.open(options, to) : this.#member.open(path, options, to);
  }
}

/** A status by the name of its code; codes outside core's table have their number only. */
export const unknownStatus = (text: string): CallStatus => ({ code: rpcCodeNumbers.UNKNOWN, text });
