/*
 * One call's way out and back: how an operation is sent, and what an answer, a refusal or a broken connection says of
 * its effect. The rule that matters: only what surely had no effect is "failed"; every doubt is "unknown".
 */
import {
  type Credential,
  type KeepAliveReply,
  type LeaseId,
  leaseIdOf,
  type Refusal,
  type Reply,
  type Request,
  refusals,
} from "../../core/index.ts";
import type { Operation, OperationAnswer, ReturnEvent } from "../history.ts";
import { answerOf, refusalOfStatus, requestOf } from "./convert.ts";
import type { HistoryKeyValues } from "./history-key-values.ts";

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
  | {
      readonly type: "call";
      readonly callId: number;
      readonly member: number;
      readonly request: Request;
      readonly credential?: Credential;
    }
  /** Open a keep-alive stream, send this one request, hand back its first reply, close the stream. */
  | {
      readonly type: "keepAlive";
      readonly callId: number;
      readonly member: number;
      readonly leaseId: LeaseId;
      readonly credential?: Credential;
    }
  /** The client gave up on that call: tell the member, drop a late answer. */
  | { readonly type: "abandon"; readonly callId: number; readonly member: number }
  | { readonly type: "wakeAt"; readonly atMs: number };

/** What can come back for a call. */
export type CallResult = Extract<ClientInput, { callId: number }>;

export type Outcome =
  | { readonly kind: "ok"; readonly revision: number; readonly raftTerm: number; readonly answer: OperationAnswer }
  /** `moveOn`: this member could not serve; another might. */
  | { readonly kind: "failed" | "unknown"; readonly error: string; readonly moveOn: boolean };

export function callOutputOf(call: {
  readonly callId: number;
  readonly member: number;
  readonly operation: Operation;
  /** What the client shows of itself; undefined: nothing. */
  readonly credential?: Credential | undefined;
}): ClientOutput {
  const { callId, member, operation, credential } = call;
  const shown = credential === undefined ? {} : { credential };
  return operation.op === "leaseKeepAlive"
    ? { type: "keepAlive", callId, member, leaseId: leaseIdOf(BigInt(operation.lease)), ...shown }
    : { type: "call", callId, member, request: requestOf(operation), ...shown };
}

/** The certificate of that user; undefined for nobody in particular. */
export const certificateOf = (user: string | undefined): Credential | undefined =>
  user === undefined ? undefined : { type: "certificate", user };

export function outcomeOf(operation: Operation, result: CallResult, keyValues: HistoryKeyValues): Outcome {
  switch (result.type) {
    case "reply":
      return outcomeOfReply(operation, result.reply, keyValues);
    case "status": {
      const refusal = refusalOfStatus(result.code, result.text);
      if (refusal !== undefined) return outcomeOfRefusal(refusal);
      return { kind: "unknown", error: `${result.code}: ${result.text}`, moveOn: true };
    }
    case "connectionRefused":
      return { kind: "failed", error: "connection refused", moveOn: true };
    case "connectionLost":
      return { kind: "unknown", error: "connection lost", moveOn: true };
  }
}

function outcomeOfReply(operation: Operation, reply: Reply | KeepAliveReply, keyValues: HistoryKeyValues): Outcome {
  if (!("ok" in reply)) {
    const { header, ttlSeconds } = reply;
    if (operation.op !== "leaseKeepAlive") return misfit;
    const answer: OperationAnswer = { op: "leaseKeepAlive", ttlSeconds };
    return { kind: "ok", revision: header.revision, raftTerm: header.raftTerm, answer };
  }
  if (!reply.ok) return outcomeOfRefusal(refusals[reply.refusal]);
  if (operation.op === "leaseKeepAlive") return misfit;
  const answer = answerOf(operation, reply.answer, keyValues);
  if (answer === undefined) return misfit;
  return { kind: "ok", revision: reply.header.revision, raftTerm: reply.header.raftTerm, answer };
}

/** A refusal that speaks of the member rather than of the request: another member may serve it. */
function outcomeOfRefusal(refusal: Refusal): Outcome {
  const { code, text, definite } = refusal;
  const ofMember =
    refusal === refusals.notLeader ||
    refusal === refusals.proposalDropped ||
    refusal === refusals.notSupportedForLearner;
  const moveOn = !definite || code === "UNAVAILABLE" || ofMember;
  return { kind: definite ? "failed" : "unknown", error: text, moveOn };
}

const misfit: Outcome = { kind: "unknown", error: "an answer of another kind than the call", moveOn: true };

export function returnEventOf(
  outcome: Outcome,
  call: { readonly id: number; readonly client: number; readonly atMs: number },
): ReturnEvent {
  const { id, client, atMs } = call;
  if (outcome.kind !== "ok") {
    return { type: "return", id, client, atMs, outcome: outcome.kind, error: outcome.error };
  }
  const { revision, raftTerm, answer } = outcome;
  return { type: "return", id, client, atMs, outcome: "ok", revision, raftTerm, answer };
}
