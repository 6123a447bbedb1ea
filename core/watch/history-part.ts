/*
 * A stretch of history, read once from the store for all watches that are about equally far behind. Each takes out of
 * it what it wants, as events that are shared too. Watches of few keys that are far behind have stretches of their own:
 * there is no need to read what others wrote meanwhile. Not here: whose turn it is, and when (hub.ts).
 */
import { assert } from "../assert.ts";
import { textOfBytes } from "../bytes.ts";
import type { MemberConfig } from "../config.ts";
import type { Revision } from "../ids.ts";
import type { Change, History, HistorySource } from "../mvcc/change.ts";
import type { WatchEvent } from "../request.ts";
import { compareRanges, covers, eventWithPrevious, plainEvent, type WatchedRange, type Watcher } from "./watcher.ts";

/** How long a stretch may be: what one reply may bring. */
export type HistoryBounds = Pick<
  MemberConfig,
  "watchRevisionsPerReplyMax" | "watchBytesPerReplyMax" | "watchStreamBytesMax"
>;

export class HistoryPart {
  readonly #source: HistorySource;
  readonly #from: Revision;
  /** The first revision behind it; whole revisions only. */
  readonly next: Revision;
  readonly #changes: readonly Change[];
  /** Key of each change, as text. */
  readonly #keys: readonly string[];
  /** Each change as an event, without and with what was before, once a watch wanted it: one object for all watches. */
  readonly #plain: (WatchEvent | undefined)[] = [];
  readonly #withPrevious: (WatchEvent | undefined)[] = [];

  constructor(source: HistorySource, from: Revision, { changes, next }: History) {
    assert(next > from, "a look at history gets on", from, next);
    this.#source = source;
    this.#from = from;
    this.next = next;
    this.#changes = changes;
    this.#keys = changes.map((change) => textOfBytes(change.keyValue.key));
  }

  /** Changes that were read. */
  get size(): number {
    return this.#changes.length;
  }

  /** Keys and values that were read. */
  get bytes(): number {
    let bytes = 0;
    for (const { keyValue } of this.#changes) bytes += keyValue.key.length + keyValue.value.length;
    return bytes;
  }

  /** Whether a watch that needs history from there on can be served from this. */
  begins(from: Revision): boolean {
    return from >= this.#from && from < this.next;
  }

  /** What of it the watch has not been sent, and wants. */
  eventsFor<Stream>(watcher: Watcher<Stream>): WatchEvent[] {
    const events: WatchEvent[] = [];
    for (let position = 0; position < this.#changes.length; position++) {
      const change = this.#changes[position] as Change;
      if (change.keyValue.modRevision < watcher.next || !watcher.wants(change)) continue;
      if (!covers(watcher.range, this.#keys[position] as string)) continue;
      const made = watcher.wantsPrevious ? this.#withPrevious : this.#plain;
      const event =
        made[position] ?? (watcher.wantsPrevious ? eventWithPrevious(change, this.#source) : plainEvent(change));
      made[position] = event;
      events.push(event);
    }
    return events;
  }
}

/** The parts that were read for the watches of one round; those that need the same are given the same. */
export class HistoryParts<Stream> {
  readonly #source: HistorySource;
  readonly #bounds: HistoryBounds;
  /** The last one that holds everything, and the last one of few keys. */
  #whole: HistoryPart | undefined;
  #ofKeys: { readonly range: WatchedRange; readonly from: Revision; readonly part: HistoryPart } | undefined;

  constructor(source: HistorySource, bounds: HistoryBounds) {
    this.#source = source;
    this.#bounds = bounds;
  }

  /** What that watch needs next, which is neither compacted nor in the future; and whether it was read just now. */
  next(watcher: Watcher<Stream>): { readonly part: HistoryPart; readonly isFresh: boolean } {
    const { next: from, range } = watcher;
    const known = this.#ofKeys;
    if (known !== undefined && known.from === from && compareRanges(known.range, range) === 0)
      return { part: known.part, isFresh: false };
    const part = this.#readKeys(watcher);
    if (part !== undefined) {
      this.#ofKeys = { range, from, part };
      return { part, isFresh: true };
    }
    if (this.#whole?.begins(from) === true) return { part: this.#whole, isFresh: false };
    const { watchRevisionsPerReplyMax } = this.#bounds;
    const read = this.#source.changesFrom(from, watchRevisionsPerReplyMax, this.#bytesMax);
    this.#whole = new HistoryPart(this.#source, from, read);
    return { part: this.#whole, isFresh: true };
  }

  /** Worth it when reading for all would take more than one look; undefined also when there are too many keys. */
  #readKeys(watcher: Watcher<Stream>): HistoryPart | undefined {
    const { watchRevisionsPerReplyMax } = this.#bounds;
    const { next, range } = watcher;
    if (watcher.isWide || this.#source.currentRevision - next < watchRevisionsPerReplyMax) return undefined;
    const keys = range.singleKey ? { from: range.from, to: `${range.from}\0` } : range;
    const read = this.#source.changesOf(keys, next, watchRevisionsPerReplyMax, this.#bytesMax);
    if (read !== undefined) return new HistoryPart(this.#source, next, read);
    watcher.isWide = true;
    return undefined;
  }

  get #bytesMax(): number {
    const { watchBytesPerReplyMax, watchStreamBytesMax } = this.#bounds;
    return Math.min(watchBytesPerReplyMax, watchStreamBytesMax);
  }
}
