/*
 * The appends to one follower that were sent and not yet answered: a window of their last indexes, oldest first.
 * It bounds what a leader sends ahead of the answers. Source: Raft thesis §10.2.1 (pipelining).
 */
import { assert } from "../assert.ts";
import type { LogIndex } from "../ids.ts";

export class Inflight {
  /** A ring; it grows by doubling up to the bound, so that idle followers cost nothing. */
  private ring: number[] = [];
  private start = 0;
  private used = 0;
  private readonly countMax: number;

  /** `countMax`: appends that may be unanswered at once, at least 1. */
  constructor(countMax: number) {
    this.countMax = countMax;
  }

  get count(): number {
    return this.used;
  }

  /** When full, nothing more is sent to this follower until an answer arrives. */
  get isFull(): boolean {
    return this.used >= this.countMax;
  }

  /** An append whose last entry has that index was sent. Indexes never fall. */
  add(lastIndex: LogIndex): void {
    assert(this.used < this.countMax, "an append was sent into a full window", lastIndex);
    if (this.used === this.ring.length) this.grow();
    this.ring[(this.start + this.used) % this.ring.length] = lastIndex;
    this.used++;
  }

  /** The follower holds everything up to that index: appends that end there or before are answered. */
  freeTo(index: LogIndex): void {
    while (this.used > 0 && (this.ring[this.start] as number) <= index) {
      this.start = this.start + 1 === this.ring.length ? 0 : this.start + 1;
      this.used--;
    }
  }

  clear(): void {
    this.start = 0;
    this.used = 0;
  }

  private grow(): void {
    const grown: number[] = [];
    const size = Math.min(this.countMax, Math.max(4, this.ring.length * 2));
    for (let position = 0; position < size; position++) {
      grown.push(position < this.used ? (this.ring[(this.start + position) % this.ring.length] as number) : 0);
    }
    this.ring = grown;
    this.start = 0;
  }
}
