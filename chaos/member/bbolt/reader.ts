/*
 * Reads a bbolt file from wherever its bytes lie, and trusts none of them: every place is checked before it is read,
 * every page is visited once at most. `check` looks at the file as a whole, the way bbolt's own check does.
 */
import { compareBytes } from "../../../core/index.ts";
import {
  bucketElementFlag,
  bucketHeaderBytes,
  countAt,
  decodeMeta,
  elementBytes,
  type Meta,
  pageFlags,
  pageHeaderBytes,
  standardPageSize,
} from "./format.ts";

/** What a file says of itself is wrong; the text names the page. */
export class BboltProblem extends Error {
  override readonly name = "BboltProblem";
}

export interface FileSource {
  readonly sizeBytes: number;
  /** Exactly so many bytes, which lie within the file. */
  read(position: number, length: number): Uint8Array;
}

/** Called for each entry in ascending key order. Return false to stop. */
export type VisitEntry = (key: Uint8Array, value: Uint8Array) => boolean;

type BucketRoot = { readonly page: number } | { readonly inline: Page };

interface Page {
  readonly id: number;
  readonly flags: number;
  readonly count: number;
  readonly overflow: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}
interface Element {
  readonly flags: number;
  readonly key: Uint8Array;
  /** Of a leaf. */
  readonly value: Uint8Array;
  /** Of a branch. */
  readonly child: number;
}

const depthMax = 64;

export class BboltFile {
  readonly meta: Meta;
  readonly #source: FileSource;
  readonly #roots = new Map<string, BucketRoot>();

  /** @throws BboltProblem when it is no bbolt file, or its list of buckets cannot be read */
  constructor(source: FileSource) {
    this.#source = source;
    this.meta = newestMeta(source);
    this.#walk(this.meta.rootPage, (element) => {
      if ((element.flags & bucketElementFlag) === 0) return true;
      this.#roots.set(Buffer.from(element.key).toString(), this.#rootOf(element.value));
      return true;
    });
  }

  /** Names of the buckets, in byte order. */
  get buckets(): readonly string[] {
    return [...this.#roots.keys()];
  }

  /** Size of the database: what follows in the file is no part of it. */
  get sizeBytes(): number {
    return this.meta.highWater * this.meta.pageSize;
  }

  /** A bucket that is not there is empty. @throws BboltProblem */
  scan(bucket: string, visit: VisitEntry): void {
    const root = this.#roots.get(bucket);
    if (root === undefined) return;
    const visitPlain = (element: Element): boolean =>
      (element.flags & bucketElementFlag) !== 0 || visit(element.key, element.value);
    if ("page" in root) this.#walk(root.page, visitPlain);
    else everyElement(root.inline, visitPlain);
  }

  /** Everything that is wrong with the file, one text each; bounded. */
  check(): readonly string[] {
    const problems: string[] = [];
    const state = new Uint8Array(this.meta.highWater);
    const note = (problem: string): void => {
      if (problems.length < problemsMax) problems.push(problem);
    };
    const use = (page: Page): void => {
      for (let id = page.id; id <= page.id + page.overflow; id++) {
        if (id >= this.meta.highWater) note(`page ${id}: out of bounds: ${this.meta.highWater}`);
        else if (state[id] !== 0) note(`page ${id}: multiple references`);
        else state[id] = used;
      }
    };
    state.fill(used, 0, 2);
    try {
      if (this.#hasFreelist) {
        const freelist = this.#page(this.meta.freelistPage);
        use(freelist);
        for (const id of freePages(freelist)) {
          if (id >= this.meta.highWater) note(`free page ${id}: out of bounds`);
          else if (state[id] === used) note(`page ${id}: reachable freed`);
          else if (state[id] === free) note(`page ${id}: already freed`);
          else state[id] = free;
        }
      }
      this.#walk(this.meta.rootPage, () => true, use);
      for (const root of this.#roots.values()) if ("page" in root) this.#walk(root.page, () => true, use);
    } catch (error) {
      if (!(error instanceof BboltProblem)) throw error;
      note(error.message);
      return problems;
    }
    if (!this.#hasFreelist) return problems;
    for (let id = 0; id < state.length; id++) if (state[id] === 0) note(`page ${id}: unreachable unfreed`);
    return problems;
  }

  /** Without one, as etcd writes it, whatever is not reached is free. */
  get #hasFreelist(): boolean {
    return this.meta.freelistPage <= Number.MAX_SAFE_INTEGER;
  }

  /** Visits the leaves of a tree in order. */
  #walk(root: number, visit: (element: Element) => boolean, use: (page: Page) => void = () => {}): void {
    let last: Uint8Array | undefined;
    const seen = new Set<number>();
    const below = (id: number, depth: number): boolean => {
      if (depth > depthMax || seen.has(id)) throw new BboltProblem(`page ${id}: multiple references`);
      seen.add(id);
      const page = this.#page(id);
      use(page);
      if (page.flags === pageFlags.branch) return everyElement(page, ({ child }) => below(child, depth + 1));
      return everyElement(page, (element) => {
        if (last !== undefined && compareBytes(last, element.key) >= 0) {
          throw new BboltProblem(`page ${id}: keys are not in order`);
        }
        last = element.key;
        return visit(element);
      });
    };
    below(root, 0);
  }

  #rootOf(value: Uint8Array): BucketRoot {
    if (value.length < bucketHeaderBytes) throw new BboltProblem("a bucket's entry is too short");
    const root = countAt(new DataView(value.buffer, value.byteOffset, value.length), 0);
    if (root !== 0) return { page: root };
    return { inline: pageOf(value.subarray(bucketHeaderBytes), 0) };
  }

  #page(id: number): Page {
    const { pageSize, highWater } = this.meta;
    if (id < 2 || id >= highWater) throw new BboltProblem(`page ${id}: out of bounds: ${highWater}`);
    const head = pageOf(this.#source.read(id * pageSize, pageSize), id);
    const found = countAt(head.view, 0);
    if (found !== id) throw new BboltProblem(`page ${id}: its header names page ${found}`);
    if (head.overflow === 0) return head;
    if (id + head.overflow >= highWater) throw new BboltProblem(`page ${id}: its overflow leaves the file`);
    return pageOf(this.#source.read(id * pageSize, (1 + head.overflow) * pageSize), id);
  }
}

const problemsMax = 100;
const used = 1;
const free = 2;

function newestMeta(source: FileSource): Meta {
  const metaAt = (position: number): Meta | undefined =>
    position + pageHeaderBytes + 64 <= source.sizeBytes
      ? decodeMeta(source.read(position + pageHeaderBytes, 64))
      : undefined;
  const first = metaAt(0);
  // The second lies one page on; without a first one the size of a page is a guess.
  const second = metaAt(first?.pageSize ?? standardPageSize);
  const newest =
    first !== undefined && (second === undefined || first.transaction > second.transaction) ? first : second;
  if (newest === undefined) throw new BboltProblem("invalid database");
  const { pageSize, highWater } = newest;
  if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0)
    throw new BboltProblem("invalid page size");
  if (highWater < 3 || highWater * pageSize > source.sizeBytes) {
    throw new BboltProblem(`file size too small: ${source.sizeBytes} bytes for ${highWater} pages`);
  }
  return newest;
}

function pageOf(bytes: Uint8Array, id: number): Page {
  if (bytes.length < pageHeaderBytes) throw new BboltProblem(`page ${id}: too short`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    id,
    flags: view.getUint16(8, true),
    count: view.getUint16(10, true),
    overflow: view.getUint32(12, true),
    bytes,
    view,
  };
}

/** Visits the elements of a page until the visitor returns false. @returns whether all were visited */
function everyElement(page: Page, visit: (element: Element) => boolean): boolean {
  const { id, flags, count, bytes, view } = page;
  const isLeaf = flags === pageFlags.leaf;
  if (!isLeaf && flags !== pageFlags.branch) throw new BboltProblem(`page ${id}: invalid type: ${flags}`);
  if (pageHeaderBytes + count * elementBytes > bytes.length) throw new BboltProblem(`page ${id}: too many elements`);
  for (let position = 0; position < count; position++) {
    const at = pageHeaderBytes + position * elementBytes;
    const keyAt = at + view.getUint32(isLeaf ? at + 4 : at, true);
    const keyLength = view.getUint32(isLeaf ? at + 8 : at + 4, true);
    const valueLength = isLeaf ? view.getUint32(at + 12, true) : 0;
    const valueAt = keyAt + keyLength;
    if (valueAt + valueLength > bytes.length) throw new BboltProblem(`page ${id}: an element leaves the page`);
    const element = {
      flags: isLeaf ? view.getUint32(at, true) : 0,
      key: bytes.subarray(keyAt, valueAt),
      value: bytes.subarray(valueAt, valueAt + valueLength),
      child: isLeaf ? 0 : countAt(view, at + 8),
    };
    if (!visit(element)) return false;
  }
  return true;
}

/** A count that does not fit 16 bits stands before the ids. */
function* freePages(page: Page): Generator<number> {
  if (page.flags !== pageFlags.freelist) throw new BboltProblem(`page ${page.id}: invalid freelist`);
  const long = page.count === 0xffff;
  const count = long ? countAt(page.view, pageHeaderBytes) : page.count;
  const from = pageHeaderBytes + (long ? 8 : 0);
  if (from + count * 8 > page.bytes.length) throw new BboltProblem(`page ${page.id}: the freelist leaves its page`);
  for (let position = 0; position < count; position++) yield countAt(page.view, from + position * 8);
}
