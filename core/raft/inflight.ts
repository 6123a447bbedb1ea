/*
 * The appends to one follower that were sent and not yet answered: a window of their last indexes and sizes, oldest first.
 * It bounds what a leader sends ahead of the answers, by count and by bytes. Source: Raft thesis §10.2.1 (pipelining).
 */
import { assert } from "../assert.ts";
import type { LogIndex } from "../ids.ts";

export class Inflight {
  /** Last indexes in a ring; it grows by doubling up to the bound, so that idle followers cost nothing. */
  private ring: number[] = [];
  /** Bytes of each, at the same places. */
  private sizes: number[] = [];
  private start = 0;
  private used = 0;
  private usedBytes = 0;
  private readonly countMax: number;
  private readonly bytesMax: number;

  /**
   * @param bounds.countMax appends that may be unanswered at once, at least 1
   * @param bounds.bytesMax bytes of their entries from which on no other is sent; one append always fits
   */
  constructor(bounds: { readonly countMax: number; readonly bytesMax: number }) {
    this.countMax = bounds.countMax;
    this.bytesMax = bounds.bytesMax;
  }

  get count(): number {
    return this.used;
  }

  /** When full, nothing more is sent to this follower until an answer arrives. */
  get isFull(): boolean {
    return this.used >= this.countMax || (this.used > 0 && this.usedBytes >= this.bytesMax);
  }

  /** An append whose last entry has that index was sent. Indexes never fall. */
  add(lastIndex: LogIndex, sizeBytes: number): void {
    assert(!this.isFull, "an append was sent into a full window", lastIndex);
    if (this.used === this.ring.length) this.grow();
    const position = (this.start + this.used) % this.ring.length;
    this.ring[position] = lastIndex;
    this.sizes[position] = sizeBytes;
    this.used++;
    this.usedBytes += sizeBytes;
  }

  /** The follower holds everything up to that index: appends that end there or before are answered. */
  freeTo(index: LogIndex): void {
    while (this.used > 0 && (this.ring[this.start] as number) <= index) {
      this.usedBytes -= this.sizes[this.start] as number;
      this.start = this.start + 1 === this.ring.length ? 0 : this.start + 1;
      this.used--;
    }
  }

  clear(): void {
    this.start = 0;
    this.used = 0;
    this.usedBytes = 0;
  }

  private grow(): void {
    const size = Math.min(this.countMax, Math.max(4, this.ring.length * 2));
    this.ring = this.unrolled(this.ring, size);
    this.sizes = this.unrolled(this.sizes, size);
    this.start = 0;
  }

  private unrolled(ring: readonly number[], size: number): number[] {
    const grown: number[] = [];
    for (let position = 0; position < size; position++) {
      grown.push(position < this.used ? (ring[(this.start + position) % ring.length] as number) : 0);
    }
    return grown;
  }
}
