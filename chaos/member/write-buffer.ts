/*
 * What was written to the backend and is not committed yet, bucket by bucket, and scans that see it together with what is
 * stored. The buffer is bounded by how often its owner commits.
 */
import { type Bucket, buckets, bytesOfText, textOfBytes, type Visit } from "../../core/index.ts";

type Bytes = Uint8Array;
type Range = { readonly from: Bytes; readonly to: Bytes | undefined };

/** Writes of one bucket, keys as latin1 text so that they order as bytes do; a value of undefined is a removal. */
export class Pending {
  readonly #writes = new Map<string, { readonly value: Bytes | undefined }>();
  /** Every key of `writes`, sorted unless keys arrived out of order. Most keys are revisions and arrive in order. */
  #keys: string[] = [];
  #sorted = true;

  get size(): number {
    return this.#writes.size;
  }

  get(key: string): { readonly value: Bytes | undefined } | undefined {
    return this.#writes.get(key);
  }

  set(key: string, value: Bytes | undefined): void {
    if (!this.#writes.has(key)) {
      const last = this.#keys.at(-1);
      if (last !== undefined && key < last) this.#sorted = false;
      this.#keys.push(key);
    }
    this.#writes.set(key, { value });
  }

  entries(): Iterable<[string, { readonly value: Bytes | undefined }]> {
    return this.#writes.entries();
  }

  /** Keys in the range, ascending; later writes do not show in it. */
  keysIn(range: Range): readonly string[] {
    if (!this.#sorted) {
      this.#keys.sort((a, b) => (a < b ? -1 : 1));
      this.#sorted = true;
    }
    const from = lowerBound(this.#keys, textOfBytes(range.from));
    const to = range.to === undefined ? this.#keys.length : lowerBound(this.#keys, textOfBytes(range.to));
    return this.#keys.slice(from, to);
  }
}

export type PendingBuckets = { readonly [Name in Bucket]: Pending };

export const newPending = (): PendingBuckets => ({
  alarm: new Pending(),
  cluster: new Pending(),
  key: new Pending(),
  lease: new Pending(),
  members: new Pending(),
  membersRemoved: new Pending(),
  meta: new Pending(),
  auth: new Pending(),
  authUsers: new Pending(),
  authRoles: new Pending(),
});

export function copyPending(source: PendingBuckets): PendingBuckets {
  const copy = newPending();
  for (const bucket of buckets) {
    for (const [key, { value }] of source[bucket].entries()) copy[bucket].set(key, value);
  }
  return copy;
}

/**
 * Visits stored and buffered entries in one ascending order. A key in the buffer hides the stored one, so no key is
 * visited twice. The visitor may write: what it writes may or may not be visited.
 */
export function scanMerged(
  stored: Iterable<{ key: Bytes; value: Bytes }>,
  pending: Pending,
  range: Range,
  visit: Visit,
): void {
  const keys = pending.size === 0 ? [] : pending.keysIn(range);
  let position = 0;
  const visitPending = (text: string): boolean => {
    position++;
    const write = pending.get(text);
    return write?.value === undefined || visit(bytesOfText(text), write.value);
  };
  for (const entry of stored) {
    if (position < keys.length) {
      const text = textOfBytes(entry.key);
      let next = keys[position];
      while (next !== undefined && next < text) {
        if (!visitPending(next)) return;
        next = keys[position];
      }
      if (next === text) {
        if (!visitPending(next)) return;
        continue;
      }
    }
    if (!visit(plain(entry.key), plain(entry.value))) return;
  }
  for (let next = keys[position]; next !== undefined; next = keys[position]) {
    if (!visitPending(next)) return;
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The bytes themselves, where LMDB gives a Buffer. */
export const plain = (bytes: Bytes): Bytes =>
  Buffer.isBuffer(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes;
