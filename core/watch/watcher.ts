/*
 * One watch: what it wants, how far it has been served, and which events a change becomes for it. Not here: when it is
 * served, and what its stream can take (hub.ts, replies.ts). Source: etcd v3 API, Watch.
 */
import { textOfBytes } from "../bytes.ts";
import { type Revision, revisionOf, type WatchId } from "../ids.ts";
import type { Change, HistorySource } from "../mvcc/change.ts";
import type { WatchCreateRequest, WatchEvent } from "../request.ts";

/** Keys as texts, one character a byte, which compare as the bytes do. */
export interface WatchedRange {
  readonly from: string;
  /** Exclusive; undefined: every key ≥ from. Of a single key it is not looked at. */
  readonly to: string | undefined;
  readonly singleKey: boolean;
}

/**
 * `synced`: every change from `next` on will be sent when it happens. `behind`: changes from `next` on are read from the
 * store, in rounds. `gone`: cancelled because its history was compacted; only its id is still known.
 */
export type WatcherState = "synced" | "behind" | "gone";

export class Watcher<Stream> {
  readonly stream: Stream;
  readonly watchId: WatchId;
  /** Rises with every watch created on this member: the order in which watches are served. */
  readonly serial: number;
  readonly range: WatchedRange;
  /** As asked for; 0: from the next change on. */
  readonly startRevision: number;
  readonly wantsPuts: boolean;
  readonly wantsDeletes: boolean;
  readonly wantsPrevious: boolean;
  readonly wantsProgress: boolean;
  state: WatcherState = "synced";
  /**
   * Nothing below this revision is ever sent again. Of a synced watch it is exact only when it lies in the future:
   * revisions without an event for it do not move it.
   */
  next: Revision;
  /** It has so many keys that it cannot have a part of history of its own. */
  isWide = false;
  /** It found nothing in the last part of history that it was given. */
  isSeeking = false;
  /** Something was sent since the last progress interval. */
  busy = false;
  /** Events of the revision being handed out. */
  gathered: WatchEvent[] | undefined = undefined;

  constructor(
    stream: Stream,
    watch: {
      readonly watchId: WatchId;
      readonly serial: number;
      readonly next: Revision;
      readonly range: WatchedRange;
    },
    request: WatchCreateRequest,
  ) {
    this.stream = stream;
    this.watchId = watch.watchId;
    this.serial = watch.serial;
    this.next = watch.next;
    this.range = watch.range;
    this.startRevision = request.startRevision;
    this.wantsPuts = !request.noPut;
    this.wantsDeletes = !request.noDelete;
    this.wantsPrevious = request.prevKv;
    this.wantsProgress = request.progressNotify;
  }

  wants(change: Change): boolean {
    return change.type === "put" ? this.wantsPuts : this.wantsDeletes;
  }
}

/**
 * An empty key stands for the key of one zero byte; a range end of one zero byte for "no end".
 *
 * @returns undefined when the range is empty: it ends at or before its key
 */
export function rangeOf(request: WatchCreateRequest): WatchedRange | undefined {
  const from = request.key.length === 0 ? "\0" : textOfBytes(request.key);
  const { rangeEnd } = request;
  if (rangeEnd === undefined || rangeEnd.length === 0) return { from, to: from, singleKey: true };
  const to = textOfBytes(rangeEnd);
  if (to === "\0") return { from, to: undefined, singleKey: false };
  return to <= from ? undefined : { from, to, singleKey: false };
}

/** 0: the same keys. The order means nothing else. */
export function compareRanges(a: WatchedRange, b: WatchedRange): number {
  if (a.from !== b.from) return a.from < b.from ? -1 : 1;
  if (a.singleKey !== b.singleKey) return a.singleKey ? -1 : 1;
  if (a.to === b.to) return 0;
  return b.to === undefined || (a.to !== undefined && a.to < b.to) ? -1 : 1;
}

export function covers(range: WatchedRange, key: string): boolean {
  if (range.singleKey) return key === range.from;
  return key >= range.from && (range.to === undefined || key < range.to);
}

/** One change as an event. Events are never changed, so watches share them; lists of events are never shared. */
export const plainEvent = (change: Change): WatchEvent => ({
  type: change.type,
  keyValue: change.keyValue,
  prevKv: undefined,
});

/** {@link plainEvent} with the key as it stood one revision before, when that can still be read. */
export const eventWithPrevious = (change: Change, source: HistorySource): WatchEvent => ({
  type: change.type,
  keyValue: change.keyValue,
  prevKv: source.valueAt(change.keyValue.key, revisionOf(change.keyValue.modRevision - 1)),
});
