/*
 * Many watchers of one key hear the same: a reply that differs in nothing from the one before is not encoded again. The
 * events of one change are one object for every watcher, so two replies are compared by what they point to.
 */
import { emptyBytes, type StreamReply, type WatchReply } from "../../core/index.ts";

type Encode = (reply: StreamReply) => Uint8Array;

/** Bytes are handed out more than once, and must not be changed. */
export class SharedReplies {
  #last: WatchReply | undefined;
  #bytes: Uint8Array = emptyBytes;

  /** The bytes `encode` makes of it, or made of an equal one just before. */
  bytesOf(reply: WatchReply, encode: Encode): Uint8Array {
    if (this.#last === undefined || reply.events.length === 0 || !areSame(this.#last, reply)) {
      this.#bytes = encode(reply);
      this.#last = reply;
    }
    return this.#bytes;
  }
}

/** False for some that are equal, never true for two that differ. */
function areSame(one: WatchReply, other: WatchReply): boolean {
  if (
    one.watchId !== other.watchId ||
    one.header.revision !== other.header.revision ||
    one.header.raftTerm !== other.header.raftTerm ||
    one.header.memberId !== other.header.memberId ||
    one.header.clusterId !== other.header.clusterId ||
    one.created !== other.created ||
    one.canceled !== other.canceled ||
    one.compactRevision !== other.compactRevision ||
    one.cancelReason !== other.cancelReason ||
    one.fragment !== other.fragment ||
    one.events.length !== other.events.length
  ) {
    return false;
  }
  return one.events.every((event, position) => event === other.events[position]);
}
