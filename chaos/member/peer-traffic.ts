/*
 * What a member's network did with each other member, in plain numbers, for metrics.
 */
import { hexOf, type MemberId } from "../../core/index.ts";
import { powers, TallyTable } from "./metrics/exposition.ts";

export class PeerTraffic {
  readonly sentBytes = new Map<MemberId, number>();
  /** Messages dropped because the link was full or down. */
  readonly unsent = new Map<MemberId, number>();
  readonly receivedBytes = new Map<MemberId, number>();
  readonly malformed = new Map<MemberId, number>();
  readonly disconnections = new Map<MemberId, number>();
  /** 1 while the other side gives signs of life. */
  readonly active = new Map<MemberId, number>();
  readonly roundTrips = new TallyTable(powers(0.0001, 2, 16), ["To"]);

  /** Every other member, with a 1. */
  get known(): Iterable<readonly [MemberId, number]> {
    return [...this.active.keys()].map((memberId) => [memberId, 1] as const);
  }

  noteSent(to: MemberId, bytes: number): void {
    add(this.sentBytes, to, bytes);
  }
  noteUnsent(to: MemberId): void {
    add(this.unsent, to, 1);
  }
  noteReceived(from: MemberId, bytes: number): void {
    add(this.receivedBytes, from, bytes);
  }
  noteMalformed(from: MemberId): void {
    add(this.malformed, from, 1);
  }
  noteRoundTrip(to: MemberId, ms: number): void {
    this.roundTrips.of(hexOf(to)).observe(ms / 1_000);
  }

  /** The member became one of the others, or is none of them any more. */
  noteMember(memberId: MemberId, belongs: boolean): void {
    if (!belongs) this.active.delete(memberId);
    else if (!this.active.has(memberId)) this.active.set(memberId, 0);
  }
  noteLife(memberId: MemberId, alive: boolean): void {
    if (this.active.has(memberId)) this.active.set(memberId, Number(alive));
    if (!alive) add(this.disconnections, memberId, 1);
  }
}

function add(counts: Map<MemberId, number>, memberId: MemberId, more: number): void {
  counts.set(memberId, (counts.get(memberId) ?? 0) + more);
}
