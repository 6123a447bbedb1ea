/*
 * One gRPC call over one HTTP/2 stream: a request and its answer, or messages both ways until one side ends. An error
 * before the first answer is trailers alone; what comes after the end of a call is read and thrown away.
 */
import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { rpcCodeNumbers } from "../../../core/index.ts";
import type { CallTarget } from "../calls.ts";
import type { CallStatus, OpenStream } from "../seam.ts";
import { framed, MessageReader } from "./messages.ts";
import { type CallHead, trailersOf } from "./metadata.ts";

export interface IncomingCall {
  readonly target: Pick<CallTarget, "unary" | "open">;
  readonly path: string;
  readonly head: CallHead;
  readonly stream: ServerHttp2Stream;
  readonly messageBytesMax: number;
}

const answerHeaders: OutgoingHttpHeaders = { ":status": 200, "content-type": "application/grpc" };
const withTrailers = { waitForTrailers: true } as const;
/** Node's timers go no further; a call with more time than that has no bound. */
const timerMsMax = 2 ** 31 - 1;

/** Ends a call nothing was sent of. */
export function refuse(stream: ServerHttp2Stream, status: CallStatus | undefined): void {
  if (stream.destroyed || stream.headersSent) return;
  stream.respond({ ...answerHeaders, ...trailersOf(status) }, { endStream: true });
  endReading(stream);
}

/** A client that goes on sending after the end is told that nobody listens. */
function endReading(stream: ServerHttp2Stream): void {
  if (stream.readableEnded) return;
  // Most clients are done, and node is about to say so.
  setImmediate(() => {
    if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
  });
}

/** One request, one answer. The request is taken as soon as it is complete. */
export function serveUnary({ target, path, head, stream, messageBytesMax }: IncomingCall): void {
  let giveUp: (() => void) | undefined;
  let ended = false;
  const timer = startTimer(head.timeoutMs, () => fail(deadlineExceeded, true));
  const fail = (status: CallStatus, isOurs = false): void => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    refuse(stream, status);
    if (isOurs) giveUp?.();
  };
  const answer = (bytes: Uint8Array): void => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    if (stream.destroyed) return;
    stream.respond(answerHeaders, withTrailers);
    stream.end(framed(bytes));
  };
  const reader = new MessageReader({ bytesMax: messageBytesMax, encoding: head.encoding }, (message) => {
    // A second message of a unary call is nobody's.
    if (ended || giveUp !== undefined) return;
    giveUp = noReply;
    giveUp = target.unary(path, message, head.options, { answer, fail });
  });
  stream.on("wantTrailers", sendOk);
  stream.on("data", (piece: Buffer) => {
    const problem = ended ? undefined : reader.add(piece);
    if (problem !== undefined) fail(problem, true);
  });
  stream.on("end", () => {
    if (giveUp === undefined) fail(cutOff);
  });
  stream.on("close", () => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    giveUp?.();
  });
}

const noReply = (): void => {};

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(trailersOf(undefined));
  endReading(this);
}

/** Messages until the end of one side; `singleRequest`: the client has one and is then done. */
export function serveStream(
  { target, path, head, stream, messageBytesMax }: IncomingCall,
  singleRequest: boolean,
): void {
  // Answers written while the connection is full wait here for its next drain.
  let waiting: (() => void)[] = [];
  let ended = false;
  let open: OpenStream | undefined;
  let status: CallStatus | undefined;
  const end = (by: CallStatus | undefined): void => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    status = by;
    if (stream.destroyed) return;
    if (stream.headersSent) stream.end();
    else refuse(stream, by);
  };
  const timer = startTimer(head.timeoutMs, () => {
    end(deadlineExceeded);
    open?.gone();
  });
  stream.on("drain", () => {
    const taken = waiting;
    waiting = [];
    for (const each of taken) each();
  });
  stream.on("wantTrailers", () => {
    stream.sendTrailers(trailersOf(status));
    endReading(stream);
  });
  stream.on("close", () => {
    ended = true;
    clearTimeout(timer);
    open?.gone();
  });
  open = target.open(path, head.options, {
    send(bytes, taken) {
      if (ended || stream.destroyed) return;
      if (!stream.headersSent) stream.respond(answerHeaders, withTrailers);
      if (stream.write(framed(bytes))) taken();
      else waiting.push(taken);
    },
    end,
  });
  const to = open;
  const reader = new MessageReader({ bytesMax: messageBytesMax, encoding: head.encoding }, (message) => {
    to?.message(message);
    if (singleRequest) to?.halfClosed();
  });
  stream.on("data", (piece: Buffer) => {
    const problem = ended ? undefined : reader.add(piece);
    if (problem === undefined) return;
    end(problem);
    to?.gone();
  });
  stream.on("end", () => {
    if (ended) return;
    if (!reader.isBetweenMessages) {
      end(cutOff);
      to?.gone();
    } else if (!singleRequest) to?.halfClosed();
  });
}

function startTimer(timeoutMs: number | undefined, late: () => void): NodeJS.Timeout | undefined {
  return timeoutMs === undefined || timeoutMs > timerMsMax ? undefined : setTimeout(late, timeoutMs);
}

const deadlineExceeded: CallStatus = { code: rpcCodeNumbers.DEADLINE_EXCEEDED, text: "context deadline exceeded" };
const cutOff: CallStatus = {
  code: rpcCodeNumbers.INTERNAL,
  text: "grpc: the call ended in the middle of a message, or before its request",
};
