/*
 * A stretch of history, read once from the store for all watches that are about equally far behind. Each takes out of it
 * what it wants, as events that are shared too. A watch of few keys that is far behind has a stretch of its own: there is
 * no need to read what others wrote meanwhile. Not here: whose turn it is, and when (hub.ts).
 */
import { assert } from "../assert.ts";
import { textOfBytes } from "../bytes.ts";
import type { MemberConfig } from "../config.ts";
import type { Revision } from "../ids.ts";
import type { Change, History, HistorySource } from "../mvcc/change.ts";
import type { WatchEvent } from "../request.ts";
import { covers, eventWithPrevious, plainEvent, type Watcher } from "./watcher.ts";

/** How long a stretch may be: what one reply may bring. */
export type HistoryBounds = Pick<
  MemberConfig,
  "watchRevisionsPerReplyMax" | "watchBytesPerReplyMax" | "watchStreamBytesMax"
>;

const bytesMaxOf = ({ watchBytesPerReplyMax, watchStreamBytesMax }: HistoryBounds): number =>
  Math.min(watchBytesPerReplyMax, watchStreamBytesMax);

/** @param from neither compacted nor in the future */
export function partFrom(source: HistorySource, from: Revision, bounds: HistoryBounds): HistoryPart {
  const read = source.changesFrom(from, bounds.watchRevisionsPerReplyMax, bytesMaxOf(bounds));
  return new HistoryPart(source, from, read);
}

/** What changed of that watch's keys alone; undefined when it has too many for that. */
export function partOf<Stream>(
  source: HistorySource,
  { range, next }: Watcher<Stream>,
  bounds: HistoryBounds,
): HistoryPart | undefined {
  const { from, to, singleKey } = range;
  const keys = singleKey ? { from, to: `${from}\0` } : { from, to };
  const read = source.changesOf(keys, next, bounds.watchRevisionsPerReplyMax, bytesMaxOf(bounds));
  return read === undefined ? undefined : new HistoryPart(source, next, read);
}

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
