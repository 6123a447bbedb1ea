/*
 * One planned client as a pure state machine: when it calls, which member, with what, and what an answer means. Worlds
 * carry its outputs over a simulated or a real network and feed back what came of them; they decide nothing.
 *
 * Driving it: `step({ type: "wake", nowMs })` once at the start, then carry out the outputs in order; on each `wakeAt`
 * arrange one wake at (or after) that time. An early, late, doubled or forgotten-about wake is harmless: the session
 * looks at nowMs only. Answers to calls the session has given up are ignored.
 */
import { refusals } from "../../core/index.ts";
import type { Operation } from "../history.ts";
import type { PlannedCall, PlannedClient } from "../plan.ts";
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
import { Knowledge } from "./knowledge.ts";
import type { Recorder } from "./recorder.ts";

export type { ClientInput, ClientOutput } from "./call.ts";

/** Pause after a call that found no working member, so that a client does not burn its calls in an instant. */
const pauseAfterFailureMs = 50;

interface CallInFlight {
  readonly callId: number;
  readonly operation: Operation;
  readonly deadlineMs: number;
}

export class ClientSession {
  readonly #calls: readonly PlannedCall[];
  readonly #members: readonly string[];
  readonly #timeoutMs: number;
  readonly #failover: boolean;
  readonly #user: string | undefined;
  readonly #recorder: Recorder;
  readonly #knowledge = new Knowledge();
  readonly #alarm = new Alarm();
  /** Number in the history; a fresh one after each unknown outcome. */
  #client: number;
  #member: number;
  /** Given out for a password, and shown until a member does not know it; undefined: a certificate is shown. */
  #token: { readonly login: number; readonly token: string } | undefined;
  /** Array position of the next planned call. */
  #next = 0;
  #inFlight: CallInFlight | undefined;
  #notBeforeMs = 0;
  #stopped = false;

  constructor(options: {
    readonly client: PlannedClient;
    /** Names in plan order. */
    readonly members: readonly string[];
    readonly recorder: Recorder;
  }) {
    const { client } = options;
    this.#calls = client.calls;
    this.#members = options.members;
    this.#timeoutMs = client.timeoutMs;
    this.#failover = client.failover;
    this.#user = client.user;
    this.#recorder = options.recorder;
    this.#client = client.client;
    this.#member = client.home;
  }

  /** True when nothing is in flight and nothing will be called any more. */
  get finished(): boolean {
    return this.#inFlight === undefined && (this.#stopped || this.#next >= this.#calls.length);
  }

  step(input: ClientInput): readonly ClientOutput[] {
    const outputs: ClientOutput[] = [];
    const { nowMs } = input;
    if (input.type === "wake") this.#alarm.woke(nowMs);
    else if (input.type === "stop") this.#stopped = true;
    else if (this.#inFlight?.callId === input.callId) {
      this.#finish(this.#inFlight, outcomeOf(this.#inFlight.operation, input, this.#recorder.keyValues), nowMs);
    }
    if (this.#inFlight !== undefined && nowMs >= this.#inFlight.deadlineMs)
      this.#giveUp(outputs, this.#inFlight, nowMs);
    if (this.#inFlight === undefined) this.#maybeCall(outputs, nowMs);
    const wakeAtMs = this.#nextTimeMs();
    if (wakeAtMs !== undefined && this.#alarm.wants(wakeAtMs)) outputs.push({ type: "wakeAt", atMs: wakeAtMs });
    return outputs;
  }

  #maybeCall(outputs: ClientOutput[], nowMs: number): void {
    const call = this.#calls[this.#next];
    if (call === undefined || this.#stopped || nowMs < Math.max(call.atMs, this.#notBeforeMs)) return;
    this.#next += 1;
    const operation = this.#knowledge.resolve(call.operation);
    this.#inFlight = { callId: call.id, operation, deadlineMs: nowMs + this.#timeoutMs };
    const member = this.#member;
    const name = this.#members[member] ?? "";
    const token = operation.op === "login" ? undefined : this.#token;
    this.#recorder.record({
      type: "call",
      id: call.id,
      client: this.#client,
      atMs: nowMs,
      member: name,
      operation,
      ...(this.#user === undefined ? undefined : { user: this.#user }),
      ...(token === undefined ? undefined : { login: token.login }),
    });
    const credential =
      token === undefined ? certificateOf(this.#user) : ({ type: "token", token: token.token } as const);
    outputs.push(callOutputOf({ callId: call.id, member, operation, credential }));
  }

  /** When something is due without any input: the deadline, or the next call. */
  #nextTimeMs(): number | undefined {
    if (this.#inFlight !== undefined) return this.#inFlight.deadlineMs;
    const call = this.#stopped ? undefined : this.#calls[this.#next];
    return call === undefined ? undefined : Math.max(call.atMs, this.#notBeforeMs);
  }

  #giveUp(outputs: ClientOutput[], call: CallInFlight, nowMs: number): void {
    outputs.push({ type: "abandon", callId: call.callId, member: this.#member });
    this.#finish(call, { kind: "unknown", error: `no answer within ${this.#timeoutMs} ms`, moveOn: true }, nowMs);
  }

  #finish(call: CallInFlight, outcome: Outcome, nowMs: number): void {
    this.#inFlight = undefined;
    this.#recorder.record(returnEventOf(outcome, { id: call.callId, client: this.#client, atMs: nowMs }));
    if (outcome.kind === "ok") {
      this.#knowledge.learn(call.operation, outcome.answer, outcome.revision);
      if (outcome.answer.op === "login") this.#token = { login: call.callId, token: outcome.answer.token };
      return;
    }
    if (outcome.error === refusals.invalidAuthToken.text) this.#token = undefined;
    if (outcome.kind === "unknown") this.#client = this.#recorder.freshClient();
    if (!outcome.moveOn) return;
    if (this.#failover) this.#member = (this.#member + 1) % this.#members.length;
    this.#notBeforeMs = nowMs + pauseAfterFailureMs;
  }
}
