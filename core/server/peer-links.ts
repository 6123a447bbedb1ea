/*
 * Which members this one is connected to, and since when, as its world says. Raft needs none of it; only the checks
 * before a change of members do.
 */
import type { MemberId } from "../ids.ts";

/** Bounded by the members of the cluster and the few strangers that its world lets connect. */
export class PeerLinks {
  readonly #sinceMs = new Map<MemberId, number>();

  note(memberId: MemberId, connected: boolean, nowMs: number): void {
    if (!connected) this.#sinceMs.delete(memberId);
    else if (!this.#sinceMs.has(memberId)) this.#sinceMs.set(memberId, nowMs);
  }

  /** undefined: not connected. */
  connectedSince(memberId: MemberId): number | undefined {
    return this.#sinceMs.get(memberId);
  }
}
