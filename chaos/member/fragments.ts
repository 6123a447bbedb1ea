/*
 * Watch replies too large for one message: for watches that allow it they leave in pieces of whole events, all but the
 * last marked as a fragment. Which watches do is known from their creation: answers to those come in the order asked.
 * Source: etcd v3 API, Watch, fragments.
 */
import type { StreamRequest, WatchEvent, WatchId, WatchReply } from "../../core/index.ts";

/** What surrounds the bytes of keys and values in one event, at most. */
const eventOverheadBytes = 160;
/** The same for a reply. */
const replyOverheadBytes = 128;

/** One watch stream. */
export class Fragments {
  readonly #bytesMax: number;
  /** Creations not answered yet, and whether they allow fragments; bounded as what a client may leave unread is. */
  readonly #asked: boolean[] = [];
  readonly #allowed = new Set<WatchId>();

  /** @param bytesMax size at which a reply is split */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  requested(request: StreamRequest): void {
    if (request.type === "watchCreate") this.#asked.push(request.fragment);
  }

  /** The reply, or the pieces it leaves in. */
  split(reply: WatchReply): readonly WatchReply[] {
    if (reply.created && this.#asked.shift() === true && !reply.canceled) this.#allowed.add(reply.watchId);
    if (reply.canceled) this.#allowed.delete(reply.watchId);
    if (reply.events.length < 2 || !this.#allowed.has(reply.watchId)) return [reply];
    const pieces: WatchEvent[][] = [];
    let piece: WatchEvent[] = [];
    let bytes = replyOverheadBytes;
    for (const event of reply.events) {
      const size = sizeOf(event);
      if (piece.length > 0 && bytes + size >= this.#bytesMax) {
        pieces.push(piece);
        piece = [];
        bytes = replyOverheadBytes;
      }
      piece.push(event);
      bytes += size;
    }
    if (pieces.length === 0) return [reply];
    pieces.push(piece);
    return pieces.map((events, position) => ({ ...reply, events, fragment: position < pieces.length - 1 }));
  }
}

/** Not less than the event takes in a message. */
const sizeOf = ({ keyValue, prevKv }: WatchEvent): number =>
  eventOverheadBytes +
  keyValue.key.length +
  keyValue.value.length +
  (prevKv === undefined ? 0 : prevKv.key.length + prevKv.value.length);
