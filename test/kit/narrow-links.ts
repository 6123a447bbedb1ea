/*
 * Links between members that carry so many bytes a tick, in order: what is sent waits behind what was sent before it, as
 * in a stream. Each direction between two members is a link of its own.
 */
import type { PeerMessage } from "../../core/input.ts";
import { encodePeerMessage } from "../../core/server/peer-codec.ts";

export class NarrowLinks {
  readonly #bytesPerTick: number;
  readonly #links = new Map<string, { message: PeerMessage; bytesLeft: number }[]>();

  constructor(options: { readonly bytesPerTick: number }) {
    this.#bytesPerTick = options.bytesPerTick;
  }

  send(message: PeerMessage): void {
    const name = `${message.from}→${message.to}`;
    const link = this.#links.get(name) ?? [];
    this.#links.set(name, link);
    link.push({ message, bytesLeft: encodePeerMessage(message).length });
  }

  /** A tick passes. @returns what has arrived whole, in order on each link */
  tick(): PeerMessage[] {
    const arrived: PeerMessage[] = [];
    for (const link of this.#links.values()) {
      let bytes = this.#bytesPerTick;
      for (let first = link[0]; first !== undefined && bytes > 0; first = link[0]) {
        const carried = Math.min(bytes, first.bytesLeft);
        bytes -= carried;
        first.bytesLeft -= carried;
        if (first.bytesLeft > 0) break;
        arrived.push(first.message);
        link.shift();
      }
    }
    return arrived;
  }
}
