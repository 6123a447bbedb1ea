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
import { type HistoryBounds, type HistoryPart, HistoryParts } from "./history-part.ts";
import { insertBySerial, positionBySerial, RangeIndex, removeBySerial } from "./range-index.ts";
import { type Outflow, type ReplyBounds, WatchReplies, type WatchReplyBody } from "./replies.ts";
import { compareRanges, eventWithPrevious, plainEvent, rangeOf, Watcher } from "./watcher.ts";

export type WatchRequest = Exclude<StreamRequest, { readonly type: "leaseKeepAlive" }>;
type WatchConfig = HistoryBounds &
  ReplyBounds &
  Pick<
    MemberConfig,
    | "watchesPerStreamMax"
    | "watchesMax"
    | "watchersPerCatchUpMax"
    | "watchBytesPerCatchUpMax"
    | "watchVainReadsPerCatchUpMax"
    | "watchCatchUpMs"
    | "watchProgressMs"
  >;

interface WatchStream extends Outflow {
  readonly watchers: Map<WatchId, Watcher<WatchStream>>;
  nextWatchId: bigint;
  /** Watches that are synced or behind. */
  live: number;
  behind: number;
  /** A progress request that waits until all watches are synced. */
  progressAsked: boolean;
  /** Infinite until the first tick. */
  progressDueMs: number;
}

/** Those that need the same part of history stand together, and among them those of the same keys. */
const byNeed = (a: Watcher<WatchStream>, b: Watcher<WatchStream>): number =>
  a.next - b.next || compareRanges(a.range, b.range) || a.serial - b.serial;

const noWatchId: WatchId = watchIdOf(-1n);

export class WatchHub {
  readonly #source: HistorySource;
  readonly #config: WatchConfig;
  readonly #replies: WatchReplies;
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
  /** Serial of the last watch served in a round: the next round goes on behind it. */
  #lastServed = 0;
  #catchUpDueMs = 0;
  /** Sent to watches that are behind since the last look at the clock. */
  #caughtUpBytes = 0;
  /** Read for them since then and not wanted: changes; and bytes, where nothing was wanted. */
  #readInVain = 0;
  #bytesInVain = 0;
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
    this.#replies = new WatchReplies(options);
    this.#revision = options.source.currentRevision;
  }

  /** What stands, and what was sent in this life. */
  get counts(): WatchCounts {
    let watches = 0;
    for (const { live } of this.#streamsInOrder) watches += live;
    return { streams: this.#streams.size, watches, behind: this.#behind.length, events: this.#replies.eventsSent };
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
    this.#replies.closed(stream);
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
      if (this.#replies.hasRoom(watcher.stream)) {
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
      this.#readInVain = 0;
      this.#bytesInVain = 0;
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
    this.#replies.taken(stream, replies);
    if (stream.behind > 0 && this.#replies.isHalfFree(stream)) {
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
    this.#replies.answer(stream, { headerRevision: this.#revision, watchId, created: true });
    if (next > this.#revision) this.#synced.add(watcher);
    else this.#joinBehind(watcher);
  }

  #refuse(stream: WatchStream, refusal: RefusalName): void {
    this.#sendRefusal(stream, refusals[refusal].text);
  }

  #sendRefusal(stream: WatchStream, cancelReason: string): void {
    const headerRevision = this.#revision;
    this.#replies.answer(stream, {
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
    this.#replies.answer(stream, { headerRevision: this.#revision, watchId, canceled: true });
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

  /** @returns the bytes of keys and values that were sent */
  #sendEvents(watcher: Watcher<WatchStream>, events: readonly WatchEvent[]): number {
    watcher.busy = true;
    const { stream, watchId } = watcher;
    return this.#replies.events(stream, { headerRevision: this.#revision, watchId, events });
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
    watcher.isSeeking = false;
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
      if (this.#replies.hasRoom(watcher.stream)) round.push(watcher);
    }
    this.#lastServed = round[round.length - 1]?.serial ?? 0;
    return round.sort(byNeed);
  }

  /**
   * One reply at most for each; who found nothing looks on, until enough was read in vain.
   *
   * @returns how far it got before enough was sent for now
   */
  #catchUp(round: readonly Watcher<WatchStream>[], from: number): number {
    let seekers: Watcher<WatchStream>[] = [];
    const reached = this.#lookOnce(round, from, seekers);
    while (seekers.length > 0 && !this.#hasSentEnough && !this.#hasSoughtEnough) {
      const turn = seekers;
      seekers = [];
      this.#lookOnce(turn, 0, seekers);
    }
    return reached;
  }

  /**
   * @param seekers takes those that found nothing and are still behind
   * @returns how far it got before enough was sent for now
   */
  #lookOnce(round: readonly Watcher<WatchStream>[], from: number, seekers: Watcher<WatchStream>[]): number {
    const parts = new HistoryParts<WatchStream>(this.#source, this.#config);
    for (let position = from; position < round.length; position++) {
      if (this.#hasSentEnough) return position;
      const watcher = round[position] as Watcher<WatchStream>;
      // Something else may have served it since the round began.
      if (watcher.state !== "behind" || !this.#replies.hasRoom(watcher.stream)) continue;
      // What is read in vain costs only those their turn that read in vain.
      if (watcher.isSeeking && this.#hasSoughtEnough) continue;
      if (watcher.next < this.#source.compactRevision) {
        this.#cancelCompacted(watcher);
        continue;
      }
      if (watcher.next <= this.#source.currentRevision) this.#look(watcher, parts);
      if (watcher.next > this.#source.currentRevision) this.#becomeSynced(watcher);
      else if (watcher.isSeeking) seekers.push(watcher);
    }
    return round.length;
  }

  #look(watcher: Watcher<WatchStream>, parts: HistoryParts<WatchStream>): void {
    const { part, isFresh } = parts.next(watcher);
    const events = part.eventsFor(watcher);
    watcher.next = part.next;
    watcher.isSeeking = events.length === 0;
    if (isFresh) this.#noteVain(part, events.length);
    if (events.length > 0) this.#caughtUpBytes += this.#sendEvents(watcher, events);
  }

  #noteVain(part: HistoryPart, wanted: number): void {
    this.#readInVain += part.size - wanted;
    if (wanted === 0) this.#bytesInVain += part.bytes;
  }

  /** Since the last look at the clock. */
  get #hasSentEnough(): boolean {
    return this.#caughtUpBytes >= this.#config.watchBytesPerCatchUpMax;
  }

  get #hasSoughtEnough(): boolean {
    const { watchBytesPerCatchUpMax, watchVainReadsPerCatchUpMax } = this.#config;
    return this.#bytesInVain >= watchBytesPerCatchUpMax || this.#readInVain >= watchVainReadsPerCatchUpMax;
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
    this.#replies.answer(stream, { headerRevision: 0, watchId, canceled: true, compactRevision });
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
    else if (stream.behind === 0 && this.#replies.hasRoom(stream)) {
      stream.progressAsked = false;
      this.#replies.answer(stream, { headerRevision: this.#revision, watchId: noWatchId });
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
      if (watcher.startRevision > this.#revision || !this.#replies.hasRoom(stream)) continue;
      this.#replies.answer(stream, { headerRevision: this.#revision, watchId: watcher.watchId });
    }
  }

  /** The interval and up to a tenth more, fixed for each stream, so that streams do not all report at once. */
  #progressInterval(stream: WatchStream): number {
    const interval = this.#config.watchProgressMs;
    return interval + ((Math.imul(stream.id, 0x9e3779b1) >>> 0) % (Math.floor(interval / 10) + 1));
  }
}

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
