/*
 * Where the rooms of a member lay what shall leave: it gathers the outputs of one step and fills in the header that
 * every answer carries.
 */
import type { RefusalName } from "../errors.ts";
import {
  type ClusterId,
  type MemberId,
  type RequestId,
  type Revision,
  revisionOf,
  type StreamId,
  type Term,
} from "../ids.ts";
import type { PeerMessage } from "../input.ts";
import type { MemberEvent, Output } from "../output.ts";
import type { Answer, Header, StreamReply, TxnResponse } from "../request.ts";
import type { WatchReplyBody } from "../watch/replies.ts";

type LogLine = Extract<MemberEvent, { type: "log" }>;
type LogLevel = LogLine["level"];
type LogFields = LogLine["fields"];

/** Outputs in the order in which the world shall carry them out. */
export class Outbox {
  readonly #clusterId: ClusterId;
  readonly #memberId: MemberId;
  readonly #term: () => Term;
  readonly #answerBytesMax: number;
  #outputs: Output[] = [];
  /** Keys and values in the answers among them. */
  #answerBytes = 0;

  constructor(options: { clusterId: ClusterId; memberId: MemberId; term: () => Term; answerBytesMax: number }) {
    this.#answerBytesMax = options.answerBytesMax;
    this.#clusterId = options.clusterId;
    this.#memberId = options.memberId;
    this.#term = options.term;
  }

  /** Everything since the last take. */
  take(): readonly Output[] {
    const outputs = this.#outputs;
    if (outputs.length === 0) return nothing;
    this.#outputs = [];
    this.#answerBytes = 0;
    return outputs;
  }

  /** As much is answered as one step should answer. */
  get isFull(): boolean {
    return this.#answerBytes >= this.#answerBytesMax;
  }

  push(output: Output): void {
    this.#outputs.push(output);
  }

  header(revision: Revision): Header {
    return { clusterId: this.#clusterId, memberId: this.#memberId, revision, raftTerm: this.#term() };
  }

  /** An accepted answer; revision 0 for the answers that carry none. */
  answer(requestId: RequestId, revision: Revision, answer: Answer): void {
    if (answer.type === "range" || answer.type === "txn") this.#answerBytes += bytesOf(answer);
    this.#outputs.push({ type: "reply", requestId, reply: { ok: true, header: this.header(revision), answer } });
  }

  refuse(requestId: RequestId, refusal: RefusalName): void {
    this.#outputs.push({ type: "reply", requestId, reply: { ok: false, refusal } });
  }

  streamReply(streamId: StreamId, reply: StreamReply): void {
    this.#outputs.push({ type: "streamReply", streamId, reply });
  }

  /** Field by field: copies of objects by spreading cost more here than all else about a reply. */
  watchReply(streamId: StreamId, body: WatchReplyBody): void {
    this.streamReply(streamId, {
      type: "watch",
      header: this.header(revisionOf(body.headerRevision)),
      watchId: body.watchId,
      created: body.created,
      canceled: body.canceled,
      compactRevision: body.compactRevision,
      cancelReason: body.cancelReason,
      fragment: body.fragment,
      events: body.events,
    });
  }

  endStream(streamId: StreamId, refusal: RefusalName | undefined): void {
    this.#outputs.push({ type: "streamEnded", streamId, refusal });
  }

  send(message: PeerMessage): void {
    this.#outputs.push({ type: "sendMessage", message });
  }

  event(event: MemberEvent): void {
    this.#outputs.push({ type: "event", event });
  }

  log(level: LogLevel, text: string, fields: LogFields = {}): void {
    this.event({ type: "log", level, text, fields });
  }
}

export const noRevision: Revision = revisionOf(0);
const nothing: readonly Output[] = [];

/** Keys and values of what was read. */
function bytesOf(answer: TxnResponse["answer"]): number {
  let bytes = 0;
  if (answer.type === "range") for (const { key, value } of answer.keyValues) bytes += key.length + value.length;
  else if (answer.type === "txn") for (const inner of answer.responses) bytes += bytesOf(inner.answer);
  return bytes;
}
