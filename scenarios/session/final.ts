/*
 * The end of every run, as a pure state machine: a linearizable read of every key through each member, then the hash
 * of each member at one revision. Driven exactly as a ClientSession: same inputs, same outputs, one more to say that
 * it is over. Refusals and lost connections are tried again until a bound; where the revision to compare at was compacted
 * in the meantime, all begins anew.
 */
import { refusals } from "../../core/index.ts";
import type { OperationAnswer, RangeOperation } from "../history.ts";
import { Alarm } from "./alarm.ts";
import {
  type ClientInput,
  type ClientOutput,
  callOutputOf,
  certificateOf,
  type Outcome,
  outcomeOf,
  returnEventOf,
} from "./call.ts";
import type { UnaryOperation } from "./convert.ts";
import type { Recorder } from "./recorder.ts";

export type FinalOutput =
  | ClientOutput
  /** `missing` names each step that could not be done within the bound, empty when all is well. */
  | { readonly type: "finished"; readonly missing: readonly string[] };

/** One try, the pause before the next, and all tries of one step together. */
const tryMs = 5_000;
const pauseMs = 200;
const stepBoundMs = 15_000;
/** Leases of a run end within some of them. */
const roundsMax = 5;

const everyKey: RangeOperation = { op: "range", key: "\0", rangeEnd: "\0" };

interface Step {
  readonly kind: "read" | "hash";
  readonly member: number;
}
interface Try {
  readonly callId: number;
  readonly operation: UnaryOperation;
  readonly deadlineMs: number;
}

export class FinalSession {
  readonly #members: readonly string[];
  readonly #recorder: Recorder;
  readonly #user: string | undefined;
  readonly #alarm = new Alarm();
  readonly #steps: readonly Step[];
  readonly #isAsked: (member: number) => boolean;
  readonly #missing: string[] = [];
  #client: number;
  /** Array position of the current step. */
  #position = 0;
  #stepEndsMs: number | undefined;
  #notBeforeMs = 0;
  #try: Try | undefined;
  /** Highest revision a final read reported: the revision members are compared at. */
  #revision = 0;
  /** Times that the members are compared from the beginning. */
  #rounds = 1;
  #finished = false;

  /**
   * @param options.isAsked whether the member at that position is asked at all; absent: every one is. Looked at before
   *   each try: a change of members may come to its end meanwhile, and nothing is owed by who left or still learns
   * @param options.user who asks, by a certificate; undefined: nobody in particular
   */
  constructor(options: {
    readonly members: readonly string[];
    readonly recorder: Recorder;
    readonly isAsked?: (member: number) => boolean;
    readonly user?: string | undefined;
  }) {
    this.#user = options.user;
    this.#members = options.members;
    this.#recorder = options.recorder;
    this.#client = options.recorder.freshClient();
    this.#isAsked = options.isAsked ?? (() => true);
    const members = [...options.members.keys()];
    const reads = members.map((member): Step => ({ kind: "read", member }));
    const hashes = members.map((member): Step => ({ kind: "hash", member }));
    this.#steps = [...reads, ...hashes];
  }

  /** `stop` gives up on every step that is left. */
  step(input: ClientInput): readonly FinalOutput[] {
    const outputs: FinalOutput[] = [];
    if (this.#finished) return outputs;
    const { nowMs } = input;
    if (input.type === "wake") this.#alarm.woke(nowMs);
    else if (input.type !== "stop" && this.#try?.callId === input.callId) {
      this.#handleOutcome(this.#try, outcomeOf(this.#try.operation, input, this.#recorder.keyValues), nowMs);
    }
    if (this.#try !== undefined && nowMs >= this.#try.deadlineMs) this.#giveUp(outputs, this.#try, nowMs);
    if (input.type === "stop") while (this.#position < this.#steps.length) this.#skip("stopped");
    if (this.#try === undefined) this.#maybeTry(outputs, nowMs);
    if (this.#finished) return outputs;
    const wakeAtMs = this.#try?.deadlineMs ?? this.#notBeforeMs;
    if (this.#alarm.wants(wakeAtMs)) outputs.push({ type: "wakeAt", atMs: wakeAtMs });
    return outputs;
  }

  #maybeTry(outputs: FinalOutput[], nowMs: number): void {
    while (this.#isNobodyAsked()) this.#advance();
    const step = this.#steps[this.#position];
    if (step === undefined) {
      this.#finished = true;
      outputs.push({ type: "finished", missing: this.#missing });
      return;
    }
    if (nowMs < this.#notBeforeMs) return;
    this.#stepEndsMs ??= nowMs + stepBoundMs;
    const callId = this.#recorder.freshCall();
    const operation: UnaryOperation = step.kind === "read" ? everyKey : { op: "hashKv", revision: this.#revision };
    this.#try = { callId, operation, deadlineMs: nowMs + tryMs };
    const call = { id: callId, client: this.#client, atMs: nowMs, member: this.#nameOf(step), operation };
    if (step.kind === "read") this.#recorder.record({ type: "call", ...call });
    outputs.push(callOutputOf({ callId, member: step.member, operation, credential: certificateOf(this.#user) }));
  }

  #isNobodyAsked(): boolean {
    const step = this.#steps[this.#position];
    return step !== undefined && !this.#isAsked(step.member);
  }

  #giveUp(outputs: FinalOutput[], made: Try, nowMs: number): void {
    const member = this.#steps[this.#position]?.member ?? 0;
    outputs.push({ type: "abandon", callId: made.callId, member });
    this.#handleOutcome(made, { kind: "unknown", error: `no answer within ${tryMs} ms`, moveOn: true }, nowMs);
  }

  #handleOutcome(made: Try, outcome: Outcome, nowMs: number): void {
    const step = this.#steps[this.#position];
    this.#try = undefined;
    if (step === undefined) return;
    if (step.kind === "read") {
      this.#recorder.record(returnEventOf(outcome, { id: made.callId, client: this.#client, atMs: nowMs }));
      if (outcome.kind === "unknown") this.#client = this.#recorder.freshClient();
    }
    if (outcome.kind === "ok") {
      if (step.kind === "read") this.#revision = Math.max(this.#revision, outcome.revision);
      else this.#recordReplica(step, outcome.answer, nowMs);
      this.#advance();
    } else if (step.kind === "hash" && outcome.error === refusals.compacted.text && this.#rounds < roundsMax) {
      this.#startOver();
    } else if (nowMs >= (this.#stepEndsMs ?? nowMs)) this.#skip(outcome.error);
    else this.#notBeforeMs = nowMs + pauseMs;
  }

  #recordReplica(step: Step, answer: OperationAnswer, atMs: number): void {
    if (answer.op !== "hashKv") return;
    const { hash, compactRevision } = answer;
    const revision = this.#revision === 0 ? answer.hashRevision : this.#revision;
    this.#recorder.record({ type: "replica", atMs, member: this.#nameOf(step), revision, compactRevision, hash });
  }

  #skip(error: string): void {
    const step = this.#steps[this.#position];
    if (step !== undefined && this.#isAsked(step.member))
      this.#missing.push(`${step.kind} through ${this.#nameOf(step)}: ${error}`);
    this.#advance();
  }

  /** Leases that end still change keys, and automatic compaction follows: members are compared at a later revision. */
  #startOver(): void {
    this.#rounds += 1;
    this.#revision = 0;
    this.#position = -1;
    this.#advance();
  }

  #advance(): void {
    this.#position += 1;
    this.#stepEndsMs = undefined;
    this.#notBeforeMs = 0;
  }

  #nameOf(step: Step): string {
    return this.#members[step.member] ?? "";
  }
}
