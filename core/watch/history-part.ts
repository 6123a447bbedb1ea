/*
 * A stretch of history, read once from the store for all watches that are about equally far behind. Each takes out of it
 * what it wants, as events that are shared too. Not here: whose turn it is, and when (hub.ts).
 */
import { assert } from "../assert.ts";
import { textOfBytes } from "../bytes.ts";
import type { MemberConfig } from "../config.ts";
import type { Revision } from "../ids.ts";
import type { Change, HistorySource } from "../mvcc/change.ts";
import type { WatchEvent } from "../request.ts";
import { covers, eventWithPrevious, plainEvent, type Watcher } from "./watcher.ts";

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

  /** @param from neither compacted nor in the future */
  constructor(source: HistorySource, from: Revision, bounds: HistoryBounds) {
    const { watchRevisionsPerReplyMax, watchBytesPerReplyMax, watchStreamBytesMax } = bounds;
    const bytesMax = Math.min(watchBytesPerReplyMax, watchStreamBytesMax);
    const { changes, next } = source.changesFrom(from, watchRevisionsPerReplyMax, bytesMax);
    assert(next > from, "a look at history gets on", from, next);
    this.#source = source;
    this.#from = from;
    this.next = next;
    this.#changes = changes;
    this.#keys = changes.map((change) => textOfBytes(change.keyValue.key));
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
