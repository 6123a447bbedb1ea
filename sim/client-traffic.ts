/*
 * What travels between clients and members: calls and streams with their state on the way, and the messages each way.
 */
import type { Credential, KeepAliveReply, Reply, Request, StreamReply, StreamRequest } from "../core/index.ts";

/** A unary call from its sending to its answer. */
export interface Call {
  readonly session: number;
  readonly callId: number;
  readonly request: Request;
  readonly credential: Credential | undefined;
  /** Life of the member that has it, 0 before it arrives. */
  life: number;
  requestId: number;
}

/** A stream from its opening to its end; a keep-alive is a stream of one request. */
export interface Stream {
  readonly session: number;
  /** A watch's number, or the call id of a keep-alive. */
  readonly number: number;
  readonly kind: "watch" | "leaseKeepAlive";
  readonly credential: Credential | undefined;
  life: number;
  streamId: number;
  ended: boolean;
  /** Replies the client took that the member was not told of yet. */
  taken: number;
  /** Nothing may overtake what was sent before it in the same direction. */
  toMemberUs: number;
  toClientUs: number;
}

/** What reaches a member from a client. */
export type Arrival =
  | { readonly type: "call"; readonly call: Call }
  | { readonly type: "gone"; readonly call: Call }
  | { readonly type: "open" | "request"; readonly stream: Stream; readonly request: StreamRequest }
  | { readonly type: "drained"; readonly stream: Stream; readonly replies: number }
  | { readonly type: "close"; readonly stream: Stream };

/** What reaches a session, without the time it does. */
export type Arrived =
  | {
      readonly type: "reply";
      readonly callId: number;
      readonly reply: Reply | KeepAliveReply;
      readonly slot: number;
      readonly life: number;
    }
  | { readonly type: "connectionRefused" | "connectionLost"; readonly callId: number }
  | { readonly type: "watchReply"; readonly watch: number; readonly reply: Extract<StreamReply, { type: "watch" }> }
  | { readonly type: "ended"; readonly watch: number; readonly reason: string };

export const newStream = ({
  session,
  number,
  kind,
  credential,
}: Pick<Stream, "session" | "number" | "kind" | "credential">): Stream => ({
  session,
  number,
  kind,
  credential,
  life: 0,
  streamId: 0,
  ended: false,
  taken: 0,
  toMemberUs: 0,
  toClientUs: 0,
});
