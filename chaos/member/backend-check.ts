/*
 * Whether a file is one that LMDB can be given. LMDB trusts its file: pages that are missing or that point nowhere end the
 * process without a word, as does a file that is none of its own. So before a member opens it, the trees of the newest
 * commit are walked: every page is there, is the page it says it is, belongs to one tree alone, and holds what it says, in
 * order. What is not seen is a change inside a value, which LMDB has no sum for.
 *
 * Source: LMDB's data format 2, of the library that npm lmdb brings (mdb.c: MDB_page_header, MDB_meta, MDB_db, MDB_node).
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";

const headerBytes = 24;
const metaMagic = 0xbeefc0de;
const formatVersion = 2;
/** Of a page. */
const flags = { branch: 0x01, leaf: 0x02, overflow: 0x04, meta: 0x08 } as const;
/** Of an entry: its value is on pages of its own, or is a tree. */
const entryFlags = { large: 0x01, tree: 0x02 } as const;
/** Of a tree: its keys are numbers, as those of the free pages are. */
const numberKeys = 0x08;
const entryHeaderBytes = 8;
const treeBytes = 48;
const noRoot = 0xffff_ffff_ffff_ffffn;
const deepest = 32;

/** A place in the file and what is wrong there. */
class Unsound extends Error {
  constructor(offset: number, text: string) {
    super(`offset ${offset}: ${text}`);
  }
}

/** @returns what is wrong with the backend in that directory, by file and offset; undefined: LMDB can have it */
export function problemOfBackend(directory: string): string | undefined {
  const path = join(directory, "data.mdb");
  for (const name of [path, join(directory, "lock.mdb")]) {
    const stat = statSync(name, { throwIfNoEntry: false });
    if (stat !== undefined && !stat.isFile()) return `${name} is not a file`;
  }
  const handle = openSync(path, "r");
  try {
    // A first start that was cut short leaves an empty one.
    if (fstatSync(handle).size > 0) new Walk(handle).all();
    return undefined;
  } catch (error) {
    if (error instanceof Unsound) return `${path}, ${error.message}`;
    throw error;
  } finally {
    closeSync(handle);
  }
}

interface Tree {
  readonly flags: number;
  readonly depth: number;
  readonly pages: number;
  readonly entries: number;
  /** Undefined: it is empty. */
  readonly root: number | undefined;
}

interface Meta {
  readonly offset: number;
  readonly pageBytes: number;
  readonly free: Tree;
  readonly main: Tree;
  readonly lastPage: number;
  readonly transaction: bigint;
}

class Walk {
  readonly #handle: number;
  readonly #sizeBytes: number;
  #pageBytes = 0;
  #lastPage = 0;
  /** One bit a page: some tree has it. */
  #seen = new Uint8Array(0);
  /** For the pages from a root down to where the walk is: a buffer for each, used again and again. */
  readonly #buffers: Buffer[] = [];
  #level = 0;
  readonly #header = Buffer.allocUnsafe(headerBytes);

  constructor(handle: number) {
    this.#handle = handle;
    this.#sizeBytes = fstatSync(handle).size;
  }

  /** @throws Unsound */
  all(): void {
    const first = this.#meta(0);
    const second = this.#meta(first.pageBytes);
    const meta = second.transaction > first.transaction ? second : first;
    this.#pageBytes = meta.pageBytes;
    this.#lastPage = meta.lastPage;
    const neededBytes = (meta.lastPage + 1) * meta.pageBytes;
    if (this.#sizeBytes < neededBytes) {
      throw new Unsound(this.#sizeBytes, `the file ends here, but its newest commit goes up to offset ${neededBytes}`);
    }
    this.#seen = new Uint8Array((meta.lastPage >> 3) + 1);
    this.#tree(meta.free, { inMain: false, kind: numberKeys, offset: meta.offset + 48 });
    this.#tree(meta.main, { inMain: true, kind: 0, offset: meta.offset + 96 });
  }

  #meta(offset: number): Meta {
    const bytes = this.#read(offset, Buffer.allocUnsafe(168));
    const [version, pageBytes] = [bytes.readUInt32LE(28), bytes.readUInt32LE(48)];
    if ((bytes.readUInt16LE(18) & flags.meta) === 0 || bytes.readUInt32LE(24) !== metaMagic) {
      throw new Unsound(offset, "no LMDB file begins like this");
    }
    if (version !== formatVersion) {
      throw new Unsound(offset + 28, `format version ${version}; this program reads version ${formatVersion}`);
    }
    if (pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0) {
      throw new Unsound(offset + 48, `pages of ${pageBytes} bytes`);
    }
    const lastPage = bytes.readBigUInt64LE(144);
    if (lastPage >= BigInt(Number.MAX_SAFE_INTEGER) / BigInt(pageBytes)) {
      throw new Unsound(offset + 144, `a file of ${lastPage} pages`);
    }
    return {
      offset,
      pageBytes,
      free: treeAt(bytes, 48),
      main: treeAt(bytes, 96),
      lastPage: Number(lastPage),
      transaction: bytes.readBigUInt64LE(152),
    };
  }

  #tree(tree: Tree, place: { readonly inMain: boolean; readonly kind: number; readonly offset: number }): void {
    const counts = { pages: 0, entries: 0 };
    if (tree.flags !== place.kind) throw new Unsound(place.offset + 4, `a tree of kind ${tree.flags}`);
    if (tree.root !== undefined) {
      if (tree.depth < 1 || tree.depth > deepest) throw new Unsound(place.offset, `a tree of depth ${tree.depth}`);
      this.#page(tree.root, tree.depth, place, counts);
    }
    if (counts.pages !== tree.pages || counts.entries !== tree.entries) {
      const found = `${counts.entries} entries on ${counts.pages} pages`;
      throw new Unsound(place.offset, `a tree of ${tree.entries} entries on ${tree.pages} pages has ${found}`);
    }
  }

  #page(
    page: number,
    depth: number,
    place: { readonly inMain: boolean; readonly kind: number },
    counts: { pages: number; entries: number },
  ): void {
    const offset = this.#take(page, 1);
    this.#buffers[this.#level] ??= Buffer.allocUnsafe(this.#pageBytes);
    const bytes = this.#read(offset, this.#buffers[this.#level] as Buffer);
    this.#level += 1;
    counts.pages += 1;
    this.#checkHeader(bytes, page, depth > 1 ? flags.branch : flags.leaf);
    const lower = bytes.readUInt16LE(20);
    const upper = bytes.readUInt16LE(22);
    const room = this.#pageBytes - headerBytes;
    if ((lower & 1) !== 0 || lower > upper || upper > room) throw new Unsound(offset + 20, "a page with wrong bounds");
    const length = lower >> 1;
    if (depth > 1 && length < 2) throw new Unsound(offset + 20, "a branch with a single page");
    let before: Buffer | undefined;
    for (let position = 0; position < length; position++) {
      const at = headerBytes + bytes.readUInt16LE(headerBytes + 2 * position);
      const whole = at >= headerBytes + upper && at + entryHeaderBytes <= bytes.length;
      const keyBytes = whole ? bytes.readUInt16LE(at + 6) : 0;
      const keyEnd = at + entryHeaderBytes + keyBytes;
      if (!whole || keyEnd > bytes.length) {
        throw new Unsound(offset + headerBytes + 2 * position, "an entry that lies outside of its page");
      }
      // The first key of a branch stands for everything below the second.
      if (place.kind !== numberKeys && (depth === 1 || position > 0)) {
        const key = bytes.subarray(at + entryHeaderBytes, keyEnd);
        if (before !== undefined && before.compare(key) >= 0) throw new Unsound(offset + at, "a key out of order");
        before = key;
      }
      if (depth > 1) this.#page(childAt(bytes, at), depth - 1, place, counts);
      else {
        counts.entries += 1;
        this.#value(bytes, { page: offset, at, from: keyEnd }, place.inMain, counts);
      }
    }
    this.#level -= 1;
  }

  /** The value of one entry: in the page, on pages of its own, or a tree. */
  #value(
    bytes: Buffer,
    { page, at, from }: { readonly page: number; readonly at: number; readonly from: number },
    inMain: boolean,
    counts: { pages: number },
  ): void {
    const kind = bytes.readUInt16LE(at + 4);
    const valueBytes = bytes.readUInt32LE(at);
    if (kind === entryFlags.large) {
      if (from + headerBytes > bytes.length) throw new Unsound(page + at, "an entry that lies outside of its page");
      const first = numberAt(bytes, from);
      const length = numberAt(bytes, from + 16);
      const offset = this.#take(first, length);
      const header = this.#read(offset, this.#header);
      this.#checkHeader(header, first, flags.overflow);
      if (header.readUInt32LE(20) !== length || length * this.#pageBytes < headerBytes + valueBytes) {
        throw new Unsound(offset + 20, `a value of ${valueBytes} bytes on ${length} pages`);
      }
      counts.pages += length;
      return;
    }
    if (from + valueBytes > bytes.length) throw new Unsound(page + at, "a value that lies outside of its page");
    if (kind === 0 && !inMain) return;
    if (kind !== entryFlags.tree || !inMain || valueBytes !== treeBytes) {
      throw new Unsound(page + at + 4, `an entry of kind ${kind}`);
    }
    const tree = treeAt(bytes, from);
    this.#tree(tree, { inMain: false, kind: 0, offset: page + from });
  }

  #checkHeader(bytes: Buffer, page: number, kind: number): void {
    const offset = page * this.#pageBytes;
    const named = bytes.readBigUInt64LE(0);
    if (named !== BigInt(page)) throw new Unsound(offset, `page ${named} in the place of page ${page}`);
    const found = bytes.readUInt16LE(18);
    if (found !== kind) throw new Unsound(offset + 18, `a page of kind ${found} in the place of one of kind ${kind}`);
  }

  /** Notes that a tree has those pages. @returns their offset */
  #take(first: number, length: number): number {
    const fits = first >= 2 && length >= 1 && first + length - 1 <= this.#lastPage;
    if (!fits) throw new Unsound(first * this.#pageBytes, "a page beyond the end is needed");
    for (let page = first; page < first + length; page++) {
      const bit = 1 << (page & 7);
      if (((this.#seen[page >> 3] as number) & bit) !== 0) {
        throw new Unsound(page * this.#pageBytes, `page ${page} is in two places`);
      }
      this.#seen[page >> 3] = (this.#seen[page >> 3] as number) | bit;
    }
    return first * this.#pageBytes;
  }

  /** Fills the buffer. */
  #read(offset: number, bytes: Buffer): Buffer {
    const { length } = bytes;
    if (readSync(this.#handle, bytes, 0, length, offset) < length) throw new Unsound(offset, "the file ends too soon");
    return bytes;
  }
}

function treeAt(bytes: Buffer, at: number): Tree {
  const root = bytes.readBigUInt64LE(at + 40);
  return {
    flags: bytes.readUInt16LE(at + 4),
    depth: bytes.readUInt16LE(at + 6),
    pages: numberAt(bytes, at + 8) + numberAt(bytes, at + 16) + numberAt(bytes, at + 24),
    entries: numberAt(bytes, at + 32),
    root: root === noRoot ? undefined : numberAt(bytes, at + 40),
  };
}

const childAt = (bytes: Buffer, at: number): number =>
  bytes.readUInt32LE(at) + bytes.readUInt16LE(at + 4) * 0x1_0000_0000;

/** Sizes of files are far below 2^53; what is not is as wrong as a number may be. */
const numberAt = (bytes: Buffer, at: number): number =>
  bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
