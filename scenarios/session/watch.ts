/*
 * One planned watcher as a pure state machine: opens a stream with one watch, takes replies at its own pace, and after
 * the end of a stream resumes on the next member from the revision after the last it saw.
 *
 * Driving it: as ClientSession. A world carries each `open` as one stream of its own with one watchCreate on it.
 */
import {
  type Credential,
  type StreamRequest,
  type WatchCreateRequest,
  type WatchReply,
  watchIdOf,
} from "../../core/index.ts";
import { closedByClient, type WatchOpenEvent } from "../history.ts";
import type { PlannedWatch } from "../plan.ts";
import { Alarm } from "./alarm.ts";
import { certificateOf } from "./call.ts";
import { keyRangeOf, watchReplyEventOf } from "./convert.ts";
import type { Recorder } from "./recorder.ts";

export type WatchInput =
  | { readonly type: "wake"; readonly nowMs: number }
  | { readonly type: "reply"; readonly nowMs: number; readonly watch: number; readonly reply: WatchReply }
  /** The stream is over, or could not be opened: member gone, connection lost or refused, ended by the member. */
  | { readonly type: "ended"; readonly nowMs: number; readonly watch: number; readonly reason: string }
  /** Faults are over: a slow watcher takes everything at once from now on. */
  | { readonly type: "hurry"; readonly nowMs: number }
  /** The run is over: close. */
  | { readonly type: "close"; readonly nowMs: number };

export type WatchOutput =
  /** Open a watch stream to that member (a position) and send this request on it. */
  | {
      readonly type: "open";
      readonly watch: number;
      readonly member: number;
      readonly request: WatchCreateRequest;
      readonly credential?: Credential;
    }
  /** One more request on that stream. */
  | {
      readonly type: "request";
      readonly watch: number;
      readonly member: number;
      readonly request: Extract<StreamRequest, { type: "watchProgress" | "watchCancel" }>;
    }
  /** So many more replies were taken off that stream (flow control: until then they fill its window). */
  | { readonly type: "drained"; readonly watch: number; readonly member: number; readonly replies: number }
  /** The client ends the stream. */
  | { readonly type: "close"; readonly watch: number; readonly member: number }
  | { readonly type: "wakeAt"; readonly atMs: number };

/** Pause between the end of a stream and the next try. */
const reopenAfterMs = 100;

interface OpenWatch {
  readonly watch: number;
  readonly member: number;
  /** Replies that came and were not taken yet, oldest first. */
  readonly waiting: WatchReply[];
  /** When it is cancelled. */
  cancelAtMs: number;
}

export class WatchSession {
  readonly #planned: PlannedWatch;
  readonly #members: readonly string[];
  readonly #recorder: Recorder;
  readonly #alarm = new Alarm();
  #slowByMs: number;
  /** Until all is to be brought. */
  #cancels = true;
  #member: number;
  #open: OpenWatch | undefined;
  /** When a stream is opened next, while none is open; undefined once closed for good. */
  #openAtMs: number | undefined;
  /** Revision the next stream starts at; undefined: from now. Everything before it was seen, or is compacted. */
  #nextRevision: number | undefined;
  #previousWatch: number | undefined;
  /** When a slow watcher takes the oldest waiting reply. */
  #takeAtMs = 0;
  #askAtMs: number;

  constructor(options: {
    readonly watch: PlannedWatch;
    readonly members: readonly string[];
    readonly recorder: Recorder;
  }) {
    const { watch } = options;
    this.#planned = watch;
    this.#members = options.members;
    this.#recorder = options.recorder;
    this.#slowByMs = watch.slowByMs;
    this.#member = watch.home;
    this.#openAtMs = watch.atMs;
    this.#nextRevision = watch.startRevision;
    this.#askAtMs = watch.progressRequestMs > 0 ? watch.atMs + watch.progressRequestMs : Number.POSITIVE_INFINITY;
  }

  step(input: WatchInput): readonly WatchOutput[] {
    const outputs: WatchOutput[] = [];
    const { nowMs } = input;
    switch (input.type) {
      case "wake":
        this.#alarm.woke(nowMs);
        break;
      case "reply":
        if (this.#open?.watch === input.watch) this.#handleReply(this.#open, input.reply, nowMs);
        break;
      case "ended":
        if (this.#open?.watch === input.watch) this.#handleEnd(outputs, this.#open, input.reason, nowMs);
        break;
      case "hurry":
        this.#slowByMs = 0;
        this.#takeAtMs = nowMs;
        this.#cancels = false;
        if (this.#open !== undefined) this.#open.cancelAtMs = Number.POSITIVE_INFINITY;
        break;
      case "close":
        this.#close(outputs, nowMs);
        break;
    }
    this.#takeDue(outputs, nowMs);
    this.#maybeAsk(outputs, nowMs);
    this.#maybeCancel(outputs, nowMs);
    this.#maybeOpen(outputs, nowMs);
    const wakeAtMs = this.#nextTimeMs();
    if (Number.isFinite(wakeAtMs) && this.#alarm.wants(wakeAtMs)) outputs.push({ type: "wakeAt", atMs: wakeAtMs });
    return outputs;
  }

  // ---- opening -------------------------------------------------------------------------------------------------

  #maybeOpen(outputs: WatchOutput[], nowMs: number): void {
    if (this.#open !== undefined || this.#openAtMs === undefined || nowMs < this.#openAtMs) return;
    const watch = this.#recorder.freshWatch();
    const member = this.#member;
    const lastsMs = this.#cancels ? this.#planned.cancelAfterMs : undefined;
    const cancelAtMs = nowMs + (lastsMs ?? Number.POSITIVE_INFINITY);
    this.#open = { watch, member, waiting: [], cancelAtMs };
    this.#openAtMs = undefined;
    this.#recorder.record(this.#openEvent(watch, nowMs));
    const credential = certificateOf(this.#planned.user);
    outputs.push({
      type: "open",
      watch,
      member,
      request: this.#createRequest(),
      ...(credential === undefined ? undefined : { credential }),
    });
    if (this.#planned.asksAtOnce === true) this.#ask(outputs, { watch, member }, nowMs);
    this.#previousWatch = watch;
  }

  #openEvent(watch: number, atMs: number): WatchOpenEvent {
    const { client, key, rangeEnd, prevKv, noPut, noDelete, progressNotify } = this.#planned;
    const member = this.#members[this.#member] ?? "";
    return {
      type: "watchOpen",
      watch,
      client,
      atMs,
      member,
      key,
      ...(rangeEnd === undefined ? undefined : { rangeEnd }),
      ...(this.#nextRevision === undefined ? undefined : { startRevision: this.#nextRevision }),
      prevKv,
      noPut,
      noDelete,
      progressNotify,
      ...(this.#previousWatch === undefined ? undefined : { resumes: this.#previousWatch }),
    };
  }

  #createRequest(): WatchCreateRequest {
    const { prevKv, noPut, noDelete, progressNotify } = this.#planned;
    return {
      type: "watchCreate",
      ...keyRangeOf(this.#planned),
      startRevision: this.#nextRevision ?? 0,
      progressNotify,
      noPut,
      noDelete,
      prevKv,
      watchId: watchIdOf(0n),
      fragment: false,
    };
  }

  // ---- replies -------------------------------------------------------------------------------------------------

  #handleReply(open: OpenWatch, reply: WatchReply, nowMs: number): void {
    if (open.waiting.length === 0) this.#takeAtMs = nowMs + this.#slowByMs;
    open.waiting.push(reply);
  }

  /** Takes what is due; a slow watcher takes one reply every slowByMs. */
  #takeDue(outputs: WatchOutput[], nowMs: number): void {
    while (this.#open !== undefined && this.#open.waiting.length > 0 && nowMs >= this.#takeAtMs) {
      const { watch, member, waiting } = this.#open;
      const reply = waiting.shift();
      if (reply === undefined) return;
      this.#takeAtMs = nowMs + this.#slowByMs;
      outputs.push({ type: "drained", watch, member, replies: 1 });
      this.#recorder.record(watchReplyEventOf(reply, { watch, atMs: nowMs }, this.#recorder.keyValues));
      this.#learn(reply);
      if (!reply.canceled) continue;
      outputs.push({ type: "close", watch, member });
      this.#end(reply.compactRevision > 0 ? "compacted" : `canceled: ${reply.cancelReason}`, nowMs);
    }
  }

  #learn(reply: WatchReply): void {
    if (reply.canceled) {
      if (reply.compactRevision > 0) this.#nextRevision = reply.compactRevision;
      return;
    }
    const last = reply.events[reply.events.length - 1];
    if (last !== undefined) this.#nextRevision = last.keyValue.modRevision + 1;
    // A created reply of a watch from now, and a progress notice: everything up to this revision was seen.
    else if (this.#nextRevision === undefined || !reply.created) {
      this.#nextRevision = Math.max(this.#nextRevision ?? 0, reply.header.revision + 1);
    }
  }

  #maybeAsk(outputs: WatchOutput[], nowMs: number): void {
    if (nowMs < this.#askAtMs) return;
    this.#askAtMs = nowMs + this.#planned.progressRequestMs;
    if (this.#open === undefined) return;
    this.#ask(outputs, this.#open, nowMs);
  }

  #ask(outputs: WatchOutput[], { watch, member }: Pick<OpenWatch, "watch" | "member">, atMs: number): void {
    this.#recorder.record({ type: "watchAsk", watch, atMs });
    outputs.push({ type: "request", watch, member, request: { type: "watchProgress" } });
  }

  /** The member's own number for the only watch of a stream is 0. */
  #maybeCancel(outputs: WatchOutput[], nowMs: number): void {
    if (this.#open === undefined || nowMs < this.#open.cancelAtMs) return;
    const { watch, member } = this.#open;
    this.#open.cancelAtMs = Number.POSITIVE_INFINITY;
    outputs.push({ type: "request", watch, member, request: { type: "watchCancel", watchId: watchIdOf(0n) } });
  }

  // ---- ending --------------------------------------------------------------------------------------------------

  /** What came before the end was received: it is taken before the watcher moves on. */
  #handleEnd(outputs: WatchOutput[], open: OpenWatch, reason: string, nowMs: number): void {
    this.#takeAll(outputs, nowMs);
    if (this.#open !== open) return;
    this.#end(reason, nowMs);
  }

  #takeAll(outputs: WatchOutput[], nowMs: number): void {
    const slowByMs = this.#slowByMs;
    this.#slowByMs = 0;
    this.#takeAtMs = nowMs;
    this.#takeDue(outputs, nowMs);
    this.#slowByMs = slowByMs;
  }

  #end(reason: string, nowMs: number): void {
    if (this.#open === undefined) return;
    this.#recorder.record({ type: "watchEnd", watch: this.#open.watch, atMs: nowMs, reason });
    this.#open = undefined;
    this.#openAtMs = nowMs + reopenAfterMs;
    if (reason !== "compacted") this.#member = (this.#member + 1) % this.#members.length;
  }

  #close(outputs: WatchOutput[], nowMs: number): void {
    this.#takeAll(outputs, nowMs);
    if (this.#open !== undefined) {
      outputs.push({ type: "close", watch: this.#open.watch, member: this.#open.member });
      this.#end(closedByClient, nowMs);
    }
    this.#openAtMs = undefined;
    this.#askAtMs = Number.POSITIVE_INFINITY;
  }

  #nextTimeMs(): number {
    if (this.#open === undefined) return this.#openAtMs ?? Number.POSITIVE_INFINITY;
    const ownMs = Math.min(this.#askAtMs, this.#open.cancelAtMs);
    return this.#open.waiting.length > 0 ? Math.min(this.#takeAtMs, ownMs) : ownMs;
  }
}
