/*
 * The thin seam between the member and whatever carries its clients' calls: (path, request bytes, stream) → reply bytes.
 * Above it are inputs and outputs of the member, below it a transport that knows nothing of etcd: gRPC today. It gives
 * every call and stream a number of its own life and never uses one twice.
 */
import {
  type Answer,
  type Credential,
  type Header,
  type Input,
  type MemberId,
  type RefusalName,
  type Reply,
  type RequestId,
  refusals,
  requestIdOf,
  rpcCodeNumbers,
  type StreamId,
  type StreamReply,
  streamIdOf,
} from "../../core/index.ts";
import { callsByPath, type StreamCall, type UnaryCall } from "../../core/wire/calls.ts";
import type { ServerFacts } from "../../core/wire/maintenance.ts";
import { Fragments } from "./fragments.ts";
import { SharedReplies } from "./shared-replies.ts";

/** A gRPC status that is not OK. */
export interface CallStatus {
  readonly code: number;
  readonly text: string;
}

/** What a transport gives for one unary call; exactly one of the two is called, unless the client is gone. */
export interface UnaryAnswer {
  answer(bytes: Uint8Array): void;
  fail(status: CallStatus): void;
}

/** What a transport gives for one stream. */
export interface StreamAnswers {
  /** `taken` is called once the bytes have left this process's buffers. */
  send(bytes: Uint8Array, taken: () => void): void;
  /** Without a status: OK. Nothing is sent afterwards. */
  end(status: CallStatus | undefined): void;
}

/** What a transport tells of one stream. */
export interface OpenStream {
  message(bytes: Uint8Array): void;
  /** The client will send no more, but still listens. */
  halfClosed(): void;
  /** The client is gone. */
  gone(): void;
}

export interface CallOptions {
  /** Metadata `hasleader`. */
  readonly requireLeader: boolean;
  /** What the client showed of itself; absent: nothing. */
  readonly credential?: Credential;
  /** Metadata `client-api-version`; absent: not said. */
  readonly clientApiVersion?: string;
}

/** What an HTTP header says of the caller: a bare token, or one after `Bearer`. */
export const credentialOf = (token: string): Credential => ({ type: "token", token: token.replace(/^Bearer /, "") });

export type ClientInput = Extract<
  Input,
  {
    readonly type: "clientRequest" | "clientGone" | "streamOpened" | "streamRequest" | "streamDrained" | "streamClosed";
  }
>;
type WithoutTime<Type> = Type extends unknown ? Omit<Type, "nowMs"> : never;

export interface SeamOptions {
  /** Steps the member. May answer before it returns. */
  readonly submit: (input: WithoutTime<ClientInput>) => void;
  readonly facts: ServerFacts;
  /** Size at which a watch reply leaves in pieces, where its watch allows it; absent: never. */
  readonly fragmentBytesMax?: number;
  /** Makes the token of a user when the member keeps none itself; undefined: this one cannot sign. */
  readonly signToken?: (user: string, authRevision: number) => Promise<string | undefined>;
  /** The id of a member that is about to be added at these URLs. */
  readonly chooseMemberId: (peerUrls: readonly string[]) => MemberId;
}

type TokenAnswer = Extract<Answer, { readonly type: "authenticate" }>;

interface WaitingCall {
  readonly call: UnaryCall;
  readonly to: UnaryAnswer;
}

interface Stream {
  readonly call: StreamCall;
  readonly to: StreamAnswers;
  readonly fragments: Fragments;
  /** Keep-alives asked for and not answered; a half-closed stream ends when it is 0. */
  unanswered: number;
  halfClosed: boolean;
}

export const statusOf = (refusal: RefusalName): CallStatus => ({
  code: rpcCodeNumbers[refusals[refusal].code],
  text: refusals[refusal].text,
});

export class Seam {
  readonly #options: SeamOptions;
  readonly #waiting = new Map<RequestId, WaitingCall>();
  readonly #streams = new Map<StreamId, Stream>();
  readonly #sharedReplies = new SharedReplies();
  #lastRequest = 0;
  #lastStream = 0;
  #stopped = false;
  /** Streams of which replies left since the member was told last. */
  #drained = new Map<StreamId, number>();
  #idle: (() => void) | undefined;

  constructor(options: SeamOptions) {
    this.#options = options;
  }

  /** Calls under way. */
  get waitingCalls(): number {
    return this.#waiting.size;
  }
  get openStreams(): number {
    return this.#streams.size;
  }

  // ---- from the transport ----------------------------------------------------------------------------------------

  /**
   * Takes one unary call.
   *
   * @returns to be called when the client gives up before the answer
   */
  unary(path: string, bytes: Uint8Array, options: CallOptions, to: UnaryAnswer): () => void {
    const call = callsByPath.get(path);
    if (call === undefined || call.kind !== "unary") {
      to.fail(unknownMethod(path));
      return nothing;
    }
    if (this.#stopped) {
      to.fail(statusOf("stopped"));
      return nothing;
    }
    let request: ReturnType<UnaryCall["decodeRequest"]>;
    try {
      request = call.decodeRequest(bytes);
    } catch (error) {
      to.fail(malformed("grpc: error unmarshalling request", error));
      return nothing;
    }
    if (request.type === "memberAdd") {
      request = { ...request, memberId: this.#options.chooseMemberId(request.peerUrls) };
    } else if (request.type === "memberReconfigure") {
      const add = request.add.map((one) => ({ ...one, memberId: this.#options.chooseMemberId(one.peerUrls) }));
      request = { ...request, add };
    }
    this.#lastRequest += 1;
    const requestId = requestIdOf(this.#lastRequest);
    this.#waiting.set(requestId, { call, to });
    this.#options.submit({ type: "clientRequest", requestId, request, ...options });
    return () => {
      if (!this.#waiting.delete(requestId)) return;
      this.#options.submit({ type: "clientGone", requestId });
      this.#noteIdle();
    };
  }

  /** Takes one stream; undefined when it was refused. */
  open(path: string, options: CallOptions, to: StreamAnswers): OpenStream | undefined {
    const call = callsByPath.get(path);
    if (call === undefined || call.kind !== "stream") {
      to.end(unknownMethod(path));
      return undefined;
    }
    if (this.#stopped) {
      to.end(statusOf("stopped"));
      return undefined;
    }
    this.#lastStream += 1;
    const streamId = streamIdOf(this.#lastStream);
    const fragments = new Fragments(this.#options.fragmentBytesMax ?? Number.MAX_SAFE_INTEGER);
    this.#streams.set(streamId, { call, to, fragments, unanswered: 0, halfClosed: false });
    this.#options.submit({
      type: "streamOpened",
      streamId,
      kind: call.stream,
      ...options,
    });
    return {
      message: (bytes) => this.#message(streamId, bytes),
      halfClosed: () => this.#halfClose(streamId),
      gone: () => this.#close(streamId),
    };
  }

  #message(streamId: StreamId, bytes: Uint8Array): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    let request: ReturnType<StreamCall["decodeRequest"]>;
    try {
      request = stream.call.decodeRequest(bytes);
    } catch (error) {
      this.#close(streamId);
      stream.to.end(malformed("grpc: failed to unmarshal the received message", error));
      return;
    }
    if (request === undefined) return;
    if (request.type === "leaseKeepAlive") stream.unanswered += 1;
    else stream.fragments.requested(request);
    this.#options.submit({ type: "streamRequest", streamId, request });
  }

  /** A watch goes on after its client's last word; a keep-alive stream ends with its last answer. */
  #halfClose(streamId: StreamId): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    stream.halfClosed = true;
    this.#endWhenAnswered(streamId, stream);
  }

  #endWhenAnswered(streamId: StreamId, stream: Stream): void {
    if (stream.call.stream !== "leaseKeepAlive" || !stream.halfClosed || stream.unanswered > 0) return;
    this.#close(streamId);
    stream.to.end(undefined);
  }

  #close(streamId: StreamId): void {
    if (!this.#streams.delete(streamId)) return;
    this.#options.submit({ type: "streamClosed", streamId });
  }

  // ---- from the member -------------------------------------------------------------------------------------------

  reply(requestId: RequestId, reply: Reply): void {
    const waiting = this.#waiting.get(requestId);
    // A client that is gone gets no answer.
    if (waiting === undefined) return;
    this.#waiting.delete(requestId);
    const { signToken } = this.#options;
    if (reply.ok && reply.answer.type === "authenticate" && signToken !== undefined) {
      const { user, authRevision } = reply.answer;
      const { header, answer } = reply;
      void signToken(user, authRevision).then((token) => this.#answerSigned(waiting, header, answer, token));
    } else if (reply.ok) waiting.to.answer(waiting.call.encodeAnswer(reply.header, reply.answer, this.#options.facts));
    else waiting.to.fail(statusOf(reply.refusal));
    this.#noteIdle();
  }

  #answerSigned({ call, to }: WaitingCall, header: Header, answer: TokenAnswer, token: string | undefined): void {
    if (token === undefined) to.fail(statusOf("authVerifyOnly"));
    else to.answer(call.encodeAnswer(header, { ...answer, token }, this.#options.facts));
  }

  streamReply(streamId: StreamId, reply: StreamReply): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    if (reply.type === "watch") {
      const pieces = stream.fragments.split(reply);
      const last = pieces.length - 1;
      for (let position = 0; position <= last; position++) {
        const bytes = this.#sharedReplies.bytesOf(pieces[position] ?? reply, stream.call.encodeReply);
        // The member counts replies, not pieces.
        stream.to.send(bytes, position === last ? () => this.#noteDrained(streamId) : nothing);
      }
      return;
    }
    stream.to.send(stream.call.encodeReply(reply), () => this.#noteDrained(streamId));
    stream.unanswered -= 1;
    // Not now: the member is in the middle of its outputs.
    if (stream.halfClosed) setImmediate(() => this.#endWhenAnswered(streamId, stream));
  }

  streamEnded(streamId: StreamId, refusal: RefusalName | undefined): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    this.#streams.delete(streamId);
    stream.to.end(refusal === undefined ? undefined : statusOf(refusal));
  }

  /** Many replies leave in one turn; the member is told once. */
  #noteDrained(streamId: StreamId): void {
    if (!this.#streams.has(streamId)) return;
    if (this.#drained.size === 0) setImmediate(() => this.#tellDrained());
    this.#drained.set(streamId, (this.#drained.get(streamId) ?? 0) + 1);
  }

  #tellDrained(): void {
    const drained = this.#drained;
    this.#drained = new Map();
    for (const [streamId, replies] of drained) {
      if (this.#streams.has(streamId)) this.#options.submit({ type: "streamDrained", streamId, replies });
    }
  }

  // ---- the end ---------------------------------------------------------------------------------------------------

  /** Refuses what is new, ends every stream, and resolves when the calls under way are answered. */
  async drain(): Promise<void> {
    this.#stopped = true;
    for (const [streamId, stream] of [...this.#streams]) {
      this.#close(streamId);
      stream.to.end(statusOf("stopped"));
    }
    if (this.#waiting.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  /** Answers everything that still waits: the member stops. */
  abandon(): void {
    this.#stopped = true;
    for (const { to } of this.#waiting.values()) to.fail(statusOf("stopped"));
    this.#waiting.clear();
    for (const { to } of this.#streams.values()) to.end(statusOf("stopped"));
    this.#streams.clear();
    this.#noteIdle();
  }

  #noteIdle(): void {
    if (this.#waiting.size === 0) this.#idle?.();
  }
}

const nothing = (): void => {};

function unknownMethod(path: string): CallStatus {
  const [, service = "", method = ""] = path.split("/");
  return { code: rpcCodeNumbers.UNIMPLEMENTED, text: `unknown method ${method} for service ${service}` };
}

/** Calls and streams say it in different words, as etcd's library does; what follows is the decoder's own. */
const malformed = (what: string, error: unknown): CallStatus => ({
  code: rpcCodeNumbers.INTERNAL,
  text: `${what}: ${error instanceof Error ? error.message : String(error)}`,
});
