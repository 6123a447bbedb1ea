/*
 * The end of every run, as a pure state machine: a linearizable read of every key through each member, then the hash
 * of each member at one revision. Driven exactly as a ClientSession: same inputs, same outputs, one more to say that
 * it is over. Refusals and lost connections are tried again until a bound.
 */
import type { ClientInput, ClientOutput } from "./client.ts";
import type { Recorder } from "./recorder.ts";

export type FinalOutput =
  | ClientOutput
  /** `missing` names each step that could not be done within the bound, empty when all is well. */
  | { readonly type: "finished"; readonly missing: readonly string[] };

export class FinalSession {
  constructor(options: { readonly members: readonly string[]; readonly recorder: Recorder }) {
    void options;
  }

  step(input: ClientInput): readonly FinalOutput[] {
    void input;
    return [];
  }
}
