/*
 * All watches of one member. A synced watch is sent the events of each revision as it is applied. A watch that starts in
 * the past, or whose stream takes nothing more, is behind: it reads history from the store in rounds until it has caught
 * up. No watch holds events back in memory, so a client that does not read costs nothing but its place in the list.
 *
 *     create ──start > current──▶ synced ◀──────── caught up ───────┐
 *        │                          │ stream full, store replaced   │
 *        └──start ≤ current────────▶└──────────▶ behind ────────────┘
 *                                                  └── history compacted ──▶ gone (id known, cancelled)
 *
 * A watch is served from one place at a time: only when it is synced by `notify`, only when it is behind by a round. So
 * no revision is sent twice, out of order, or in two parts. Source: etcd v3 API, Watch.
 */
import { assert, unreachable } from "../assert.ts";
import { textOfBytes } from "../bytes.ts";
import type { MemberConfig } from "../config.ts";
import type { WatchCounts } from "../counts.ts";
import { type RefusalName, refusals } from "../errors.ts";
import { type Revision, revisionOf, type StreamId, type WatchId, watchIdOf } from "../ids.ts";
import type { Change, HistorySource } from "../mvcc/change.ts";
import type { StreamRequest, WatchCreateRequest, WatchEvent } from "../request.ts";
import { insertBySerial, positionBySerial, RangeIndex, removeBySerial } from "./range-index.ts";
import { covers, eventWithPrevious, plainEvent, rangeOf, Watcher, type WatchReplyBody } from "./watcher.ts";

export type { WatchReplyBody } from "./watcher.ts";

export type WatchRequest = Exclude<StreamRequest, { readonly type: "leaseKeepAlive" }>;
type WatchConfig = Pick<
  MemberConfig,
  | "watchesPerStreamMax"
  | "watchesMax"
  | "watchRepliesMax"
  | "watchStreamBytesMax"
  | "watchBytesMax"
  | "watchRevisionsPerReplyMax"
  | "watchBytesPerReplyMax"
  | "watchersPerCatchUpMax"
  | "watchBytesPerCatchUpMax"
  | "watchCatchUpMs"
  | "watchProgressMs"
>;

interface WatchStream {
  readonly id: StreamId;
  readonly watchers: Map<WatchId, Watcher<WatchStream>>;
  nextWatchId: bigint;
  /** Replies emitted and not yet taken. Only answers to requests may push it beyond watchRepliesMax. */
  untaken: number;
  /** Keys and values in each of them that holds events, oldest first, and in all; answers to requests count 0. */
  readonly untakenBytes: number[];
  heldBytes: number;
  /** Watches that are synced or behind. */
  live: number;
  behind: number;
  /** A progress request that waits until all watches are synced. */
  progressAsked: boolean;
  /** Infinite until the first tick. */
  progressDueMs: number;
}

/** A part of history, read once for all watches that are about equally far behind. */
interface HistoryPart {
  readonly from: Revision;
  readonly next: Revision;
  readonly changes: readonly Change[];
  /** Key of each change, as text. */
  readonly keys: readonly string[];
  /** Each change as an event, without and with what was before, once a watch wanted it: one object for all watches. */
  readonly plain: (WatchEvent | undefined)[];
  readonly withPrevious: (WatchEvent | undefined)[];
}

/** Those that need the same part of history stand together. */
const byNeed = (a: Watcher<WatchStream>, b: Watcher<WatchStream>): number => a.next - b.next || a.serial - b.serial;

const noWatchId: WatchId = watchIdOf(-1n);

export class WatchHub {
  readonly #source: HistorySource;
  readonly #config: WatchConfig;
  readonly #emit: (streamId: StreamId, reply: WatchReplyBody) => void;
  readonly #streams = new Map<StreamId, WatchStream>();
  /** The same streams, by id. */
  readonly #streamsInOrder: WatchStream[] = [];
  readonly #synced = new RangeIndex<Watcher<WatchStream>>();
  /** By serial. */
  readonly #behind: Watcher<WatchStream>[] = [];
  /** The last revision handed out: synced watches have everything up to it. */
  #revision: Revision;
  #lastSerial = 0;
  /** Of all streams, those a compaction cancelled included: their ids are remembered. */
  #watchCount = 0;
  #eventsSent = 0;
  /** Keys and values that streams hold untaken. */
  #heldBytes = 0;
  /** Serial of the last watch served in a round: the next round goes on behind it. */
  #lastServed = 0;
  #catchUpDueMs = 0;
  /** Sent to watches that are behind since the last look at the clock. */
  #caughtUpBytes = 0;
  /** The round under way, and how far it got. */
  #round: readonly Watcher<WatchStream>[] = [];
  #roundAt = 0;
  /** Not later than the first progress notice that is due; streams opened since the last tick have no time yet. */
  #progressDueMs = Number.POSITIVE_INFINITY;
  #opened: WatchStream[] = [];
  // Scratch lists of notify, empty between calls.
  readonly #found: (readonly Watcher<WatchStream>[])[] = [];
  readonly #touched: Watcher<WatchStream>[] = [];

  constructor(options: {
    readonly source: HistorySource;
    readonly config: WatchConfig;
    readonly emit: (streamId: StreamId, reply: WatchReplyBody) => void;
  }) {
    this.#source = options.source;
    this.#config = options.config;
    this.#emit = options.emit;
    this.#revision = options.source.currentRevision;
  }

  /** What stands, and what was sent in this life. */
  get counts(): WatchCounts {
    let watches = 0;
    for (const { live } of this.#streamsInOrder) watches += live;
    return { streams: this.#streams.size, watches, behind: this.#behind.length, events: this.#eventsSent };
  }

  open(streamId: StreamId): void {
    assert(!this.#streams.has(streamId), "a stream is opened once", streamId);
    const stream: WatchStream = {
      id: streamId,
      watchers: new Map(),
      nextWatchId: 0n,
      untaken: 0,
      untakenBytes: [],
      heldBytes: 0,
      live: 0,
      behind: 0,
      progressAsked: false,
      progressDueMs: Number.POSITIVE_INFINITY,
    };
    this.#streams.set(streamId, stream);
    this.#streamsInOrder.splice(positionById(this.#streamsInOrder, streamId), 0, stream);
    this.#opened.push(stream);
  }

  /** Ends all its watches without a reply. */
  close(streamId: StreamId): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    this.#streams.delete(streamId);
    this.#streamsInOrder.splice(positionById(this.#streamsInOrder, streamId), 1);
    for (const watcher of stream.watchers.values()) this.#detach(watcher);
    this.#watchCount -= stream.watchers.size;
    this.#heldBytes -= stream.heldBytes;
  }

  /** Requests on unknown streams are ignored. */
  request(streamId: StreamId, request: WatchRequest): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    switch (request.type) {
      case "watchCreate":
        this.#create(stream, request);
        return;
      case "watchCancel":
        this.#cancel(stream, request.watchId);
        return;
      case "watchProgress":
        stream.progressAsked = true;
        this.#maybeReportProgress(stream);
        return;
      default:
        unreachable(request);
    }
  }

  /** Answers a create request with no watch, for a reason that is not the hub's own. */
  refuse(streamId: StreamId, cancelReason: string): void {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) this.#sendRefusal(stream, cancelReason);
  }

  /** Hands out the changes of one revision, which is the store's current one. Call once for each applied write. */
  notify(changes: readonly Change[], revision: Revision): void {
    if (changes.length === 0) return;
    assert(revision > this.#revision, "revisions are handed out in order", revision, this.#revision);
    this.#revision = revision;
    if (this.#synced.isEmpty) return;
    for (const change of changes) this.#gather(change, revision);
    const touched = this.#touched;
    if (!ascends(touched)) touched.sort((a, b) => a.serial - b.serial);
    for (const watcher of touched) {
      const events = watcher.gathered as WatchEvent[];
      watcher.gathered = undefined;
      if (this.#hasRoom(watcher.stream)) {
        watcher.next = revisionOf(revision + 1);
        this.#sendEvents(watcher, events);
      } else this.#fallBehind(watcher, revision);
    }
    touched.length = 0;
  }

  /** Serves the watches that are behind, and sends progress notices; each at its interval. */
  tick(nowMs: number): void {
    if (this.#behind.length > 0 && nowMs >= this.#catchUpDueMs) {
      this.#catchUpDueMs = nowMs + this.#config.watchCatchUpMs;
      this.#caughtUpBytes = 0;
      if (this.#roundAt >= this.#round.length) {
        this.#round = this.#nextRound();
        this.#roundAt = 0;
      }
      this.#roundAt = this.#catchUp(this.#round, this.#roundAt);
    }
    for (const stream of this.#opened) this.#planProgress(stream, nowMs);
    this.#opened = [];
    if (nowMs < this.#progressDueMs) return;
    this.#progressDueMs = Number.POSITIVE_INFINITY;
    for (const stream of this.#streamsInOrder) {
      if (nowMs >= stream.progressDueMs) {
        this.#planProgress(stream, nowMs);
        this.#notifyProgress(stream);
      } else this.#progressDueMs = Math.min(this.#progressDueMs, stream.progressDueMs);
    }
  }

  /** So many more replies of that stream were taken. Its watches go on at once when half of its room is free. */
  drained(streamId: StreamId, replies: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    stream.untaken = Math.max(0, stream.untaken - replies);
    this.#release(stream, replies);
    const { watchRepliesMax, watchStreamBytesMax } = this.#config;
    if (stream.behind > 0 && stream.untaken * 2 <= watchRepliesMax && stream.heldBytes * 2 <= watchStreamBytesMax) {
      const round: Watcher<WatchStream>[] = [];
      for (const watcher of stream.watchers.values()) {
        if (watcher.state === "behind") round.push(watcher);
      }
      round.sort((a, b) => a.serial - b.serial);
      if (round.length > this.#config.watchersPerCatchUpMax) round.length = this.#config.watchersPerCatchUpMax;
      this.#catchUp(round.sort(byNeed), 0);
    }
    this.#maybeReportProgress(stream);
  }

  /** The store was replaced by a newer one: what lies between is read from it. */
  reset(): void {
    const missedFrom = revisionOf(this.#revision + 1);
    this.#revision = this.#source.currentRevision;
    for (const stream of this.#streamsInOrder) {
      for (const watcher of stream.watchers.values()) {
        if (watcher.state !== "synced") continue;
        const next = watcher.next > missedFrom ? watcher.next : missedFrom;
        if (next <= this.#revision) this.#fallBehind(watcher, next);
      }
    }
  }

  // ---- requests ----------------------------------------------------------------------------------------------

  #create(stream: WatchStream, request: WatchCreateRequest): void {
    const range = rangeOf(request);
    if (range === undefined) {
      this.#refuse(stream, "watchEmptyRange");
      return;
    }
    if (request.startRevision < 0) {
      this.#refuse(stream, "compacted");
      return;
    }
    if (request.watchId !== 0n && stream.watchers.has(request.watchId)) {
      this.#refuse(stream, "watchDuplicateId");
      return;
    }
    const { watchesPerStreamMax, watchesMax } = this.#config;
    if (stream.watchers.size >= watchesPerStreamMax || this.#watchCount >= watchesMax) {
      this.#refuse(stream, "tooManyRequests");
      return;
    }
    const watchId = request.watchId === 0n ? nextFreeId(stream) : request.watchId;
    const next = revisionOf(request.startRevision === 0 ? this.#revision + 1 : request.startRevision);
    this.#lastSerial += 1;
    const watcher = new Watcher(stream, { watchId, serial: this.#lastSerial, next, range }, request);
    stream.watchers.set(watchId, watcher);
    this.#watchCount += 1;
    stream.live += 1;
    this.#send(stream, { ...plainReply, headerRevision: this.#revision, watchId, created: true });
    if (next > this.#revision) this.#synced.add(watcher);
    else this.#joinBehind(watcher);
  }

  #refuse(stream: WatchStream, refusal: RefusalName): void {
    this.#sendRefusal(stream, refusals[refusal].text);
  }

  #sendRefusal(stream: WatchStream, cancelReason: string): void {
    const headerRevision = this.#revision;
    this.#send(stream, {
      ...plainReply,
      headerRevision,
      watchId: noWatchId,
      created: true,
      canceled: true,
      cancelReason,
    });
  }

  /** An id that was cancelled by a compaction is still known, and answered too. */
  #cancel(stream: WatchStream, watchId: WatchId): void {
    const watcher = stream.watchers.get(watchId);
    if (watcher === undefined) return;
    stream.watchers.delete(watchId);
    this.#watchCount -= 1;
    this.#detach(watcher);
    this.#send(stream, { ...plainReply, headerRevision: this.#revision, watchId, canceled: true });
    this.#maybeReportProgress(stream);
  }

  // ---- synced watches ----------------------------------------------------------------------------------------

  /** Adds the change to the gathered events of every synced watch that wants it. */
  #gather(change: Change, revision: Revision): void {
    const found = this.#found;
    this.#synced.find(textOfBytes(change.keyValue.key), found);
    let plain: WatchEvent | undefined;
    let withPrevious: WatchEvent | undefined;
    for (const watchers of found) {
      for (const watcher of watchers) {
        if (revision < watcher.next || !watcher.wants(change)) continue;
        let event: WatchEvent;
        if (watcher.wantsPrevious) {
          withPrevious ??= eventWithPrevious(change, this.#source);
          event = withPrevious;
        } else {
          plain ??= plainEvent(change);
          event = plain;
        }
        if (watcher.gathered === undefined) {
          watcher.gathered = [event];
          this.#touched.push(watcher);
        } else watcher.gathered.push(event);
      }
    }
    found.length = 0;
  }

  /** `next`: the first revision it was not sent. */
  #fallBehind(watcher: Watcher<WatchStream>, next: Revision): void {
    this.#synced.remove(watcher);
    watcher.next = next;
    this.#joinBehind(watcher);
  }

  // ---- watches that are behind -------------------------------------------------------------------------------

  #joinBehind(watcher: Watcher<WatchStream>): void {
    watcher.state = "behind";
    watcher.stream.behind += 1;
    insertBySerial(this.#behind, watcher);
  }

  /** The next watches in turn whose streams can take something. */
  #nextRound(): Watcher<WatchStream>[] {
    const behind = this.#behind;
    const round: Watcher<WatchStream>[] = [];
    const first = positionBySerial(behind, this.#lastServed + 1);
    for (let step = 0; step < behind.length && round.length < this.#config.watchersPerCatchUpMax; step++) {
      const watcher = behind[(first + step) % behind.length] as Watcher<WatchStream>;
      if (this.#hasRoom(watcher.stream)) round.push(watcher);
    }
    this.#lastServed = round[round.length - 1]?.serial ?? 0;
    return round.sort(byNeed);
  }

  /**
   * One reply at most for each; watches that need the same part of history share one look at the store.
   *
   * @returns how far it got before enough was sent for now
   */
  #catchUp(round: readonly Watcher<WatchStream>[], from: number): number {
    let part: HistoryPart | undefined;
    for (let position = from; position < round.length; position++) {
      if (this.#caughtUpBytes >= this.#config.watchBytesPerCatchUpMax) return position;
      const watcher = round[position] as Watcher<WatchStream>;
      // Something else may have served it since the round began.
      if (watcher.state !== "behind" || !this.#hasRoom(watcher.stream)) continue;
      if (watcher.next < this.#source.compactRevision) {
        this.#cancelCompacted(watcher);
        continue;
      }
      if (watcher.next <= this.#source.currentRevision) {
        if (part === undefined || watcher.next >= part.next || watcher.next < part.from)
          part = this.#readHistory(watcher.next);
        const events = eventsFor(watcher, part, this.#source);
        watcher.next = part.next;
        if (events.length > 0) this.#caughtUpBytes += this.#sendEvents(watcher, events);
      }
      if (watcher.next > this.#source.currentRevision) this.#becomeSynced(watcher);
    }
    return round.length;
  }

  #readHistory(from: Revision): HistoryPart {
    const { watchRevisionsPerReplyMax, watchBytesPerReplyMax, watchStreamBytesMax } = this.#config;
    const bytesMax = Math.min(watchBytesPerReplyMax, watchStreamBytesMax);
    const { changes, next } = this.#source.changesFrom(from, watchRevisionsPerReplyMax, bytesMax);
    assert(next > from, "a look at history gets on", from, next);
    const keys = changes.map((change) => textOfBytes(change.keyValue.key));
    return { from, next, changes, keys, plain: [], withPrevious: [] };
  }

  #becomeSynced(watcher: Watcher<WatchStream>): void {
    this.#leaveBehind(watcher);
    watcher.state = "synced";
    this.#synced.add(watcher);
    this.#maybeReportProgress(watcher.stream);
  }

  #cancelCompacted(watcher: Watcher<WatchStream>): void {
    const { stream, watchId } = watcher;
    this.#detach(watcher);
    const compactRevision = this.#source.compactRevision;
    this.#send(stream, { ...plainReply, headerRevision: 0, watchId, canceled: true, compactRevision });
    this.#maybeReportProgress(stream);
  }

  #leaveBehind(watcher: Watcher<WatchStream>): void {
    removeBySerial(this.#behind, watcher);
    watcher.stream.behind -= 1;
  }

  /** Ends it without a reply. */
  #detach(watcher: Watcher<WatchStream>): void {
    if (watcher.state === "gone") return;
    if (watcher.state === "synced") this.#synced.remove(watcher);
    else this.#leaveBehind(watcher);
    watcher.state = "gone";
    watcher.stream.live -= 1;
  }

  // ---- progress ----------------------------------------------------------------------------------------------

  /**
   * A progress request is answered when every watch of the stream is synced and the stream can take the answer, be it
   * later than asked: the answer then says more than the client wanted to know. etcd leaves it out and lets the client
   * ask again. A stream without watches is not answered.
   */
  #maybeReportProgress(stream: WatchStream): void {
    if (!stream.progressAsked) return;
    if (stream.live === 0) stream.progressAsked = false;
    else if (stream.behind === 0 && this.#hasRoom(stream)) {
      stream.progressAsked = false;
      this.#send(stream, { ...plainReply, headerRevision: this.#revision, watchId: noWatchId });
    }
  }

  #planProgress(stream: WatchStream, nowMs: number): void {
    stream.progressDueMs = nowMs + this.#progressInterval(stream);
    this.#progressDueMs = Math.min(this.#progressDueMs, stream.progressDueMs);
  }

  /** A notice for each watch that asked for them, is synced and has begun, and was sent nothing since the last time. */
  #notifyProgress(stream: WatchStream): void {
    for (const watcher of stream.watchers.values()) {
      const idle = !watcher.busy;
      watcher.busy = false;
      if (!idle || !watcher.wantsProgress || watcher.state !== "synced") continue;
      if (watcher.startRevision > this.#revision || !this.#hasRoom(stream)) continue;
      this.#send(stream, { ...plainReply, headerRevision: this.#revision, watchId: watcher.watchId });
    }
  }

  /** The interval and up to a tenth more, fixed for each stream, so that streams do not all report at once. */
  #progressInterval(stream: WatchStream): number {
    const interval = this.#config.watchProgressMs;
    return interval + ((Math.imul(stream.id, 0x9e3779b1) >>> 0) % (Math.floor(interval / 10) + 1));
  }

  // ---- replies -----------------------------------------------------------------------------------------------

  /** A stream that holds no events may always be sent some: whoever reads gets on, whoever else does not. */
  #hasRoom(stream: WatchStream): boolean {
    const { watchRepliesMax, watchStreamBytesMax, watchBytesMax } = this.#config;
    if (stream.untaken >= watchRepliesMax) return false;
    return stream.heldBytes === 0 || (stream.heldBytes < watchStreamBytesMax && this.#heldBytes < watchBytesMax);
  }

  /** What the oldest replies held is held no more. */
  #release(stream: WatchStream, replies: number): void {
    let bytes = 0;
    for (const each of stream.untakenBytes.splice(0, replies)) bytes += each;
    stream.heldBytes -= bytes;
    this.#heldBytes -= bytes;
  }

  /** @returns the bytes of keys and values that were sent */
  #sendEvents(watcher: Watcher<WatchStream>, events: readonly WatchEvent[]): number {
    watcher.busy = true;
    this.#eventsSent += events.length;
    const { stream, watchId } = watcher;
    const reply: WatchReplyBody = {
      type: "watch",
      headerRevision: this.#revision,
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

  #send(stream: WatchStream, reply: WatchReplyBody, bytes = 0): void {
    stream.untaken += 1;
    stream.untakenBytes.push(bytes);
    stream.heldBytes += bytes;
    this.#heldBytes += bytes;
    this.#emit(stream.id, reply);
  }
}

/** Keys and values of the events; never 0. */
function sizeOf(events: readonly WatchEvent[]): number {
  let bytes = 1;
  for (const { keyValue, prevKv } of events) {
    bytes += keyValue.key.length + keyValue.value.length;
    if (prevKv !== undefined) bytes += prevKv.key.length + prevKv.value.length;
  }
  return bytes;
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

/** Ids only grow within a stream: a freed one is not given out again, one that a client chose is passed over. */
function nextFreeId(stream: WatchStream): WatchId {
  while (stream.watchers.has(watchIdOf(stream.nextWatchId))) stream.nextWatchId += 1n;
  const watchId = watchIdOf(stream.nextWatchId);
  stream.nextWatchId += 1n;
  return watchId;
}

/** Position of the first stream whose id is at least that. */
function positionById(streams: readonly WatchStream[], streamId: StreamId): number {
  let position = streams.length;
  while (position > 0 && (streams[position - 1] as WatchStream).id >= streamId) position--;
  return position;
}

function ascends(watchers: readonly { readonly serial: number }[]): boolean {
  for (let position = 1; position < watchers.length; position++) {
    const [before, after] = [watchers[position - 1], watchers[position]];
    if (before !== undefined && after !== undefined && before.serial >= after.serial) return false;
  }
  return true;
}

function eventsFor(watcher: Watcher<WatchStream>, part: HistoryPart, source: HistorySource): WatchEvent[] {
  const events: WatchEvent[] = [];
  for (let position = 0; position < part.changes.length; position++) {
    const change = part.changes[position] as Change;
    if (change.keyValue.modRevision < watcher.next || !watcher.wants(change)) continue;
    if (!covers(watcher.range, part.keys[position] as string)) continue;
    const made = watcher.wantsPrevious ? part.withPrevious : part.plain;
    const event = made[position] ?? (watcher.wantsPrevious ? eventWithPrevious(change, source) : plainEvent(change));
    made[position] = event;
    events.push(event);
  }
  return events;
}
