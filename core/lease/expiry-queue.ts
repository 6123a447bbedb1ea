/*
 * Which lease ends next: a binary heap by (dueMs, leaseId) in which every entry knows its place, so that a renewed or
 * revoked lease is moved or taken out at once and the heap never holds more than one entry a lease.
 */
import { assert } from "../assert.ts";
import type { LeaseId } from "../ids.ts";

/** One lease in the queue. Only the queue changes `position` and, in {@link ExpiryQueue.move}, `dueMs`. */
export interface Expiry {
  readonly leaseId: LeaseId;
  dueMs: number;
  /** Place in the heap; −1 while not in the queue. */
  position: number;
}

export class ExpiryQueue {
  private readonly heap: Expiry[] = [];

  get size(): number {
    return this.heap.length;
  }

  /** The entry due first, ids ascending among equals; undefined when empty. */
  get first(): Expiry | undefined {
    return this.heap[0];
  }

  add(expiry: Expiry): void {
    assert(expiry.position === -1, "a lease is in the expiry queue once");
    this.heap.push(expiry);
    this.rise(expiry, this.heap.length - 1);
  }

  remove(expiry: Expiry): void {
    const hole = expiry.position;
    assert(this.heap[hole] === expiry, "a lease taken from the expiry queue is in it");
    expiry.position = -1;
    const last = this.heap.pop();
    if (last === undefined || last === expiry) return;
    last.position = hole;
    this.heap[hole] = last;
    this.settle(last);
  }

  move(expiry: Expiry, dueMs: number): void {
    assert(this.heap[expiry.position] === expiry, "a lease moved in the expiry queue is in it");
    expiry.dueMs = dueMs;
    this.settle(expiry);
  }

  clear(): void {
    for (const expiry of this.heap) expiry.position = -1;
    this.heap.length = 0;
  }

  private settle(expiry: Expiry): void {
    const position = expiry.position;
    this.rise(expiry, position);
    if (expiry.position === position) this.sink(expiry, position);
  }

  private rise(expiry: Expiry, start: number): void {
    let position = start;
    while (position > 0) {
      const parentPosition = (position - 1) >> 1;
      const parent = this.heap[parentPosition] as Expiry;
      if (!isBefore(expiry, parent)) break;
      this.place(parent, position);
      position = parentPosition;
    }
    this.place(expiry, position);
  }

  private sink(expiry: Expiry, start: number): void {
    let position = start;
    for (;;) {
      let childPosition = position * 2 + 1;
      let child = this.heap[childPosition];
      if (child === undefined) break;
      const right = this.heap[childPosition + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childPosition += 1;
      }
      if (!isBefore(child, expiry)) break;
      this.place(child, position);
      position = childPosition;
    }
    this.place(expiry, position);
  }

  private place(expiry: Expiry, position: number): void {
    this.heap[position] = expiry;
    expiry.position = position;
  }
}

const isBefore = (a: Expiry, b: Expiry): boolean => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.leaseId < b.leaseId);
