/*
 * What watches are sent, and how much of it a stream, and all streams together, may hold before somebody takes it.
 * Answers to requests always leave; events and notices wait for room, which the hub asks for. Replies leave in the order
 * in which they are made. Source: etcd v3 API, Watch.
 */
import type { MemberConfig } from "../config.ts";
import type { Revision, StreamId, WatchId } from "../ids.ts";
import type { WatchEvent, WatchReply } from "../request.ts";

/** A reply before the member puts its header on; the header then carries that revision. */
export type WatchReplyBody = Omit<WatchReply, "header"> & { readonly headerRevision: number };

export type ReplyBounds = Pick<MemberConfig, "watchRepliesMax" | "watchStreamBytesMax" | "watchBytesMax">;

/** What a stream was sent and has not taken. */
export interface Outflow {
  readonly id: StreamId;
  /** Replies emitted and not yet taken. Only answers to requests may push it beyond watchRepliesMax. */
  untaken: number;
  /** Keys and values in each of them that holds events, oldest first, and in all; answers to requests count 0. */
  readonly untakenBytes: number[];
  heldBytes: number;
}

export class WatchReplies {
  readonly #bounds: ReplyBounds;
  readonly #emit: (streamId: StreamId, reply: WatchReplyBody) => void;
  /** Keys and values that streams hold untaken. */
  #heldBytes = 0;
  /** In this life. */
  eventsSent = 0;

  constructor(options: {
    readonly config: ReplyBounds;
    readonly emit: (streamId: StreamId, reply: WatchReplyBody) => void;
  }) {
    this.#bounds = options.config;
    this.#emit = options.emit;
  }

  /** A stream that holds no events may always be sent some: whoever reads gets on, whoever else does not. */
  hasRoom(stream: Outflow): boolean {
    const { watchRepliesMax, watchStreamBytesMax, watchBytesMax } = this.#bounds;
    if (stream.untaken >= watchRepliesMax) return false;
    return stream.heldBytes === 0 || (stream.heldBytes < watchStreamBytesMax && this.#heldBytes < watchBytesMax);
  }

  /** Whether half of the stream's own room is free. */
  isHalfFree(stream: Outflow): boolean {
    const { watchRepliesMax, watchStreamBytesMax } = this.#bounds;
    return stream.untaken * 2 <= watchRepliesMax && stream.heldBytes * 2 <= watchStreamBytesMax;
  }

  /** So many more were taken: what the oldest held is held no more. */
  taken(stream: Outflow, replies: number): void {
    stream.untaken = Math.max(0, stream.untaken - replies);
    let bytes = 0;
    for (const each of stream.untakenBytes.splice(0, replies)) bytes += each;
    stream.heldBytes -= bytes;
    this.#heldBytes -= bytes;
  }

  /** Nobody takes anything of that stream any more. */
  closed(stream: Outflow): void {
    this.#heldBytes -= stream.heldBytes;
  }

  /** @param said what the answer says beyond nothing */
  answer(
    stream: Outflow,
    said: Partial<WatchReplyBody> & { readonly headerRevision: number; readonly watchId: WatchId },
  ): void {
    this.#send(stream, { ...plainReply, ...said }, 0);
  }

  /** @returns the bytes of keys and values that were sent */
  events(
    stream: Outflow,
    sent: { readonly headerRevision: Revision; readonly watchId: WatchId; readonly events: readonly WatchEvent[] },
  ): number {
    const { headerRevision, watchId, events } = sent;
    this.eventsSent += events.length;
    const reply: WatchReplyBody = {
      type: "watch",
      headerRevision,
      watchId,
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: "",
      fragment: false,
      events,
    };
    const bytes = sizeOf(events);
    this.#send(stream, reply, bytes);
    return bytes;
  }

  #send(stream: Outflow, reply: WatchReplyBody, bytes: number): void {
    stream.untaken += 1;
    stream.untakenBytes.push(bytes);
    stream.heldBytes += bytes;
    this.#heldBytes += bytes;
    this.#emit(stream.id, reply);
  }
}

/** A reply that says nothing yet. */
const plainReply = {
  type: "watch",
  created: false,
  canceled: false,
  compactRevision: 0,
  cancelReason: "",
  fragment: false,
  events: [],
} as const;

/** Keys and values of the events; never 0. */
function sizeOf(events: readonly WatchEvent[]): number {
  let bytes = 1;
  for (const { keyValue, prevKv } of events) {
    bytes += keyValue.key.length + keyValue.value.length;
    if (prevKv !== undefined) bytes += prevKv.key.length + prevKv.value.length;
  }
  return bytes;
}
