/*
 * Which members this one is connected to, and since when, as its world says. Raft needs none of it: what it sends to
 * the others may be lost at any time. The checks before a change of members do, and so do writes of clients, which
 * need not be sent into the void.
 */
import type { MemberId } from "../ids.ts";

/** Lost connections that are remembered, those to members that left among them; the oldest is forgotten first. */
const lostMax = 256;

/** Bounded by the members of the cluster, the few strangers that its world lets connect, and {@link lostMax}. */
export class PeerLinks {
  readonly #sinceMs = new Map<MemberId, number>();
  /** Connections there were, in the order in which they were lost; none of them stands. */
  readonly #lost = new Set<MemberId>();

  note(memberId: MemberId, connected: boolean, nowMs: number): void {
    if (connected) {
      this.#lost.delete(memberId);
      if (!this.#sinceMs.has(memberId)) this.#sinceMs.set(memberId, nowMs);
    } else if (this.#sinceMs.delete(memberId)) {
      this.#lost.add(memberId);
      const [oldest] = this.#lost;
      if (this.#lost.size > lostMax && oldest !== undefined) this.#lost.delete(oldest);
    }
  }

  /** undefined: not connected. */
  connectedSince(memberId: MemberId): number | undefined {
    return this.#sinceMs.get(memberId);
  }

  /** There was a connection and is none now: what is sent to it is lost. Of one never heard of nothing is known. */
  isLost(memberId: MemberId): boolean {
    return this.#lost.has(memberId);
  }
}
