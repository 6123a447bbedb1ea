/*
 * Writes a bbolt file in one pass: leaves as entries come, branches over each bucket when it is complete, the root last,
 * then the first pages, which name the rest. Nothing is ever free in it. Memory: one chunk, a page, and a key for each
 * leaf of the bucket under way.
 */
import { assert } from "../../../core/index.ts";
import {
  bucketElementFlag,
  bucketHeaderBytes,
  elementBytes,
  encodeMeta,
  pageFlags,
  pageHeaderBytes,
  standardPageSize as pageSize,
  putCount,
  putPageHeader,
} from "./format.ts";

/** Where the file goes: mostly one piece after the other; the first pages last. */
export interface FileSink {
  write(bytes: Uint8Array, position: number): void;
}

/** Elements of a leaf, gathered until they fill a page: their bytes, one behind the other, and how long each part is. */
class Elements {
  /** Key length and value length of one element after the other. */
  readonly lengths: number[] = [];
  #bytes = new Uint8Array(pageSize);
  #used = 0;

  get count(): number {
    return this.lengths.length >> 1;
  }

  /** Of the page they would make. */
  get pageBytes(): number {
    return pageHeaderBytes + this.count * elementBytes + this.#used;
  }

  /** Keys and values without what stands before them. */
  get data(): Uint8Array {
    return this.#bytes.subarray(0, this.#used);
  }

  /** A copy of the first key. */
  get firstKey(): Uint8Array {
    return this.#bytes.slice(0, this.lengths[0]);
  }

  add(key: Uint8Array, value: Uint8Array): void {
    const end = this.#used + key.length + value.length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      larger.set(this.data);
      this.#bytes = larger;
    }
    this.#bytes.set(key, this.#used);
    this.#bytes.set(value, this.#used + key.length);
    this.#used = end;
    this.lengths.push(key.length, value.length);
  }

  clear(): void {
    this.lengths.length = 0;
    this.#used = 0;
    if (this.#bytes.length > 16 * pageSize) this.#bytes = new Uint8Array(pageSize);
  }
}

/** A page and the least key below it. */
interface Child {
  readonly key: Uint8Array;
  readonly page: number;
}

const chunkBytes = 256 * 1024;
/** Metas and the freelist. */
const firstPages = 3;

export class BboltWriter {
  readonly #sink: FileSink;
  readonly #chunk = new Uint8Array(chunkBytes);
  #chunkUsed = 0;
  #written = firstPages * pageSize;
  #nextPage = firstPages;
  readonly #buckets: { readonly name: Uint8Array; readonly value: Uint8Array }[] = [];
  #open = false;

  constructor(sink: FileSink) {
    this.#sink = sink;
  }

  /** A bucket to be filled and ended before the next one; names ascend in byte order. */
  bucket(name: string): BucketWriter {
    assert(!this.#open, "one bucket is written at a time");
    this.#open = true;
    return new BucketWriter({
      leaf: (elements) => this.#leaf(elements, 0),
      end: (leaves) => {
        this.#open = false;
        this.#buckets.push({ name: new TextEncoder().encode(name), value: this.#bucketValue(leaves) });
      },
    });
  }

  /** @returns length of the file in bytes */
  finish(): number {
    assert(!this.#open, "the last bucket was ended");
    const elements = new Elements();
    for (const { name, value } of this.#buckets) elements.add(name, value);
    const root = this.#leaf(elements, bucketElementFlag);
    this.#flush();
    const head = new Uint8Array(firstPages * pageSize);
    const view = new DataView(head.buffer);
    for (const page of [0, 1]) {
      putPageHeader(view, page * pageSize, { id: page, flags: pageFlags.meta, count: 0, overflow: 0 });
      // The newer one lies where even transactions do.
      const meta = { pageSize, rootPage: root, freelistPage: 2, highWater: this.#nextPage, transaction: 2 - page };
      head.set(encodeMeta(meta), page * pageSize + pageHeaderBytes);
    }
    putPageHeader(view, 2 * pageSize, { id: 2, flags: pageFlags.freelist, count: 0, overflow: 0 });
    this.#sink.write(head, 0);
    return this.#nextPage * pageSize;
  }

  /** An empty bucket lies inside its own entry. */
  #bucketValue(leaves: readonly Child[]): Uint8Array {
    const inline = leaves.length === 0;
    const value = new Uint8Array(bucketHeaderBytes + (inline ? pageHeaderBytes : 0));
    const view = new DataView(value.buffer);
    if (inline) putPageHeader(view, bucketHeaderBytes, { id: 0, flags: pageFlags.leaf, count: 0, overflow: 0 });
    else putCount(view, 0, this.#treeOver(leaves));
    return value;
  }

  /** Branches over the leaves until one page is above all. */
  #treeOver(leaves: readonly Child[]): number {
    let level = leaves;
    while (level.length > 1) {
      const above: Child[] = [];
      let from = 0;
      let bytes = pageHeaderBytes;
      for (let to = 0; to <= level.length; to++) {
        const child = level[to];
        const size = elementBytes + (child?.key.length ?? 0);
        if (child !== undefined && (bytes + size <= pageSize || to - from < 2)) {
          bytes += size;
          continue;
        }
        above.push(this.#branch(level.slice(from, to), bytes));
        from = to;
        bytes = pageHeaderBytes + size;
      }
      level = above;
    }
    return (level[0] as Child).page;
  }

  /** @param flags of every element */
  #leaf(elements: Elements, flags: number): number {
    const { count, lengths } = elements;
    const { id, page, view } = this.#take(elements.pageBytes, pageFlags.leaf, count);
    let at = pageHeaderBytes;
    let data = pageHeaderBytes + count * elementBytes;
    page.set(elements.data, data);
    for (let number = 0; number < lengths.length; number += 2) {
      const keyLength = lengths[number] as number;
      const valueLength = lengths[number + 1] as number;
      view.setUint32(at, flags, true);
      view.setUint32(at + 4, data - at, true);
      view.setUint32(at + 8, keyLength, true);
      view.setUint32(at + 12, valueLength, true);
      at += elementBytes;
      data += keyLength + valueLength;
    }
    return id;
  }

  #branch(children: readonly Child[], bytes: number): Child {
    const { id, page, view } = this.#take(bytes, pageFlags.branch, children.length);
    let at = pageHeaderBytes;
    let data = pageHeaderBytes + children.length * elementBytes;
    for (const child of children) {
      view.setUint32(at, data - at, true);
      view.setUint32(at + 4, child.key.length, true);
      putCount(view, at + 8, child.page);
      page.set(child.key, data);
      at += elementBytes;
      data += child.key.length;
    }
    return { key: (children[0] as Child).key, page: id };
  }

  /** The next page, and as many behind it as so many bytes need; all zeros but for the header. */
  #take(bytes: number, flags: number, count: number): { id: number; page: Uint8Array; view: DataView } {
    const pages = Math.ceil(bytes / pageSize);
    const size = pages * pageSize;
    if (this.#chunkUsed + size > chunkBytes) this.#flush();
    const id = this.#nextPage;
    this.#nextPage += pages;
    let page: Uint8Array;
    if (size > chunkBytes) {
      page = new Uint8Array(size);
      this.#large = page;
    } else {
      page = this.#chunk.subarray(this.#chunkUsed, this.#chunkUsed + size).fill(0);
      this.#chunkUsed += size;
    }
    const view = new DataView(page.buffer, page.byteOffset, size);
    putPageHeader(view, 0, { id, flags, count, overflow: pages - 1 });
    return { id, page, view };
  }

  /** A page larger than a chunk; it is filled after it was taken, and written before the next one is. */
  #large: Uint8Array | undefined;

  #flush(): void {
    for (const piece of [this.#large, this.#chunk.subarray(0, this.#chunkUsed)]) {
      if (piece === undefined || piece.length === 0) continue;
      this.#sink.write(piece, this.#written);
      this.#written += piece.length;
    }
    this.#large = undefined;
    this.#chunkUsed = 0;
  }
}

/** Entries of one bucket, keys ascending in byte order; their bytes are copied at once. */
export class BucketWriter {
  readonly #file: { leaf(elements: Elements): number; end(leaves: readonly Child[]): void };
  readonly #elements = new Elements();
  readonly #leaves: Child[] = [];

  constructor(file: { leaf(elements: Elements): number; end(leaves: readonly Child[]): void }) {
    this.#file = file;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    const { count, pageBytes } = this.#elements;
    if (count > 0 && pageBytes + elementBytes + key.length + value.length > pageSize) this.#flush();
    this.#elements.add(key, value);
  }

  end(): void {
    if (this.#elements.count > 0) this.#flush();
    this.#file.end(this.#leaves);
  }

  #flush(): void {
    const page = this.#file.leaf(this.#elements);
    this.#leaves.push({ key: this.#elements.firstKey, page });
    this.#elements.clear();
  }
}
