/*
 * One planned client as a pure state machine: when it calls, which member, with what, and what an answer means. Worlds
 * carry its outputs over a simulated or a real network and feed back what came of them; they decide nothing.
 *
 * Driving it: `step({ type: "wake", nowMs })` once at the start, then carry out the outputs in order; on each `wakeAt`
 * arrange one wake at (or after) that time. An early, late, doubled or forgotten-about wake is harmless: the session
 * looks at nowMs only. Answers to calls the session has given up are ignored.
 */

import type { LeaseId } from "../../core/ids.ts";
import type { KeepAliveReply, Reply, Request } from "../../core/server/request.ts";
import type { PlannedClient } from "../plan.ts";
import type { Recorder } from "./recorder.ts";

export type ClientInput =
  /** The time of some `wakeAt` has come; the first one starts the session. */
  | { readonly type: "wake"; readonly nowMs: number }
  /** The member's answer, accepted or refused. */
  | { readonly type: "reply"; readonly nowMs: number; readonly callId: number; readonly reply: Reply | KeepAliveReply }
  /** An error status from a real server: gRPC code by name (`UNAVAILABLE`) and complete message. */
  | {
      readonly type: "status";
      readonly nowMs: number;
      readonly callId: number;
      readonly code: string;
      readonly text: string;
    }
  /** No connection could be made: the request never left. */
  | { readonly type: "connectionRefused"; readonly nowMs: number; readonly callId: number }
  /** The connection ended after the request may have left. */
  | { readonly type: "connectionLost"; readonly nowMs: number; readonly callId: number }
  /** No new calls from here on; the one in flight may still be answered or time out. */
  | { readonly type: "stop"; readonly nowMs: number };

export type ClientOutput =
  /** Send this unary call. `member` is a position in the plan's members. The call is in the history already. */
  | { readonly type: "call"; readonly callId: number; readonly member: number; readonly request: Request }
  /** Open a keep-alive stream, send this one request, hand back its first reply, close the stream. */
  | { readonly type: "keepAlive"; readonly callId: number; readonly member: number; readonly leaseId: LeaseId }
  /** The client gave up on that call: tell the member, drop a late answer. */
  | { readonly type: "abandon"; readonly callId: number; readonly member: number }
  | { readonly type: "wakeAt"; readonly atMs: number };

export class ClientSession {
  constructor(options: {
    readonly client: PlannedClient;
    /** Names in plan order. */
    readonly members: readonly string[];
    readonly recorder: Recorder;
  }) {
    void options;
  }

  /** True when nothing is in flight and nothing will be called any more. */
  get finished(): boolean {
    return false;
  }

  step(input: ClientInput): readonly ClientOutput[] {
    void input;
    return [];
  }
}
