/*
 * One gRPC call over one HTTP/2 stream: a request and its answer, or messages both ways until one side ends. An error
 * before the first answer is trailers alone; what comes after the end of a call is read and thrown away.
 */
import { rpcCodeNumbers } from "../../../core/index.ts";
import type { CallTarget } from "../calls.ts";
import { type CallStatus, type OpenStream, statusOf } from "../seam.ts";
import { framed, MessageReader, prefixOf } from "./messages.ts";
import { answerHead, type CallHead, refusalHead, trailersOf } from "./metadata.ts";
import type { Stream } from "./stream.ts";

export interface IncomingCall {
  readonly target: Pick<CallTarget, "unary" | "open">;
  readonly path: string;
  readonly head: CallHead;
  readonly stream: Stream;
  readonly messageBytesMax: number;
}

/** Up to here a message is copied behind its prefix: one frame costs less than two. */
const copiedBytesMax = 4_096;

/** Up to here an answer is kept for a client that takes none of those before: it is worth less than a refusal costs. */
const keptBytesMax = 65_536;

/** Node's timers go no further; a call with more time than that has no bound. */
const timerMsMax = 2 ** 31 - 1;

/** Ends a call nothing was sent of. */
export function refuse(stream: Stream, status: CallStatus | undefined): void {
  stream.respond(refusalHead(status), true);
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
    if (bytes.length > keptBytesMax && stream.holdsTooMuch) {
      fail(notKept);
      return;
    }
    ended = true;
    clearTimeout(timer);
    stream.answer(answerHead, framed(bytes), trailersOf(undefined));
  };
  const reader = new MessageReader({ bytesMax: messageBytesMax, encoding: head.encoding }, (message) => {
    // A second message of a unary call is nobody's.
    if (ended || giveUp !== undefined) return;
    giveUp = noReply;
    giveUp = target.unary(path, message, head.options, { answer, fail });
  });
  stream.handler = {
    data(piece) {
      if (ended) return;
      const problem = reader.add(piece) ?? unfinishedProblem(stream, reader);
      if (problem !== undefined) fail(problem, true);
    },
    end() {
      if (giveUp === undefined) fail(cutOff);
    },
    gone() {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      giveUp?.();
    },
    drained() {},
  };
}

const noReply = (): void => {};

/** Messages until the end of one side; `singleRequest`: the client has one and is then done. */
export function serveStream(
  { target, path, head, stream, messageBytesMax }: IncomingCall,
  singleRequest: boolean,
): void {
  // Answers written while the connection is full wait here for its next drain.
  let waiting: (() => void)[] = [];
  let ended = false;
  let open: OpenStream | undefined;
  const end = (by: CallStatus | undefined): void => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    if (stream.headersSent) stream.end(trailersOf(by));
    else refuse(stream, by);
  };
  const timer = startTimer(head.timeoutMs, () => {
    end(deadlineExceeded);
    open?.gone();
  });
  open = target.open(path, head.options, {
    send(bytes, taken) {
      if (ended || stream.isOver) return;
      if (!stream.headersSent) stream.respond(answerHead, false);
      const isTaken =
        bytes.length > copiedBytesMax ? stream.write(prefixOf(bytes), bytes) : stream.write(framed(bytes));
      if (isTaken) taken();
      else waiting.push(taken);
    },
    end,
  });
  const to = open;
  const reader = new MessageReader({ bytesMax: messageBytesMax, encoding: head.encoding }, (message) => {
    to?.message(message);
    if (singleRequest) to?.halfClosed();
  });
  stream.handler = {
    data(piece) {
      if (ended) return;
      const problem = reader.add(piece) ?? unfinishedProblem(stream, reader);
      if (problem === undefined) return;
      end(problem);
      to?.gone();
    },
    end() {
      if (ended) return;
      if (!reader.isBetweenMessages) {
        end(cutOff);
        to?.gone();
      } else if (!singleRequest) to?.halfClosed();
    },
    gone() {
      ended = true;
      clearTimeout(timer);
      to?.gone();
    },
    drained() {
      const taken = waiting;
      waiting = [];
      for (const each of taken) each();
    },
  };
}

/** Notes what is there of a message; a status when its client keeps too many waiting. */
function unfinishedProblem(stream: Stream, reader: MessageReader): CallStatus | undefined {
  if (stream.isOver) return undefined;
  stream.holdRequest(reader.heldBytes);
  return reader.heldBytes > 0 && stream.holdsTooMuch ? statusOf("tooManyRequests") : undefined;
}

function startTimer(timeoutMs: number | undefined, late: () => void): NodeJS.Timeout | undefined {
  return timeoutMs === undefined || timeoutMs > timerMsMax ? undefined : setTimeout(late, timeoutMs);
}

const deadlineExceeded: CallStatus = { code: rpcCodeNumbers.DEADLINE_EXCEEDED, text: "context deadline exceeded" };
/** What was asked for may have been done. */
const notKept: CallStatus = {
  code: rpcCodeNumbers.RESOURCE_EXHAUSTED,
  text: "grpc: the answer is not kept: its client takes none of those before",
};
const cutOff: CallStatus = {
  code: rpcCodeNumbers.INTERNAL,
  text: "grpc: the call ended in the middle of a message, or before its request",
};
