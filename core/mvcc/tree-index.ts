/*
 * All keys with their revisions, in byte order in blocks of sorted keys (a two-level B-tree), and by name in a Map, so that
 * a look-up does not search. Keys that were loaded together get into the Map when they are first asked for: most are not
 * soon, and a start need not wait for a Map of a million keys. Keys are texts of one character a byte, which compare as
 * their bytes do and hash faster. A key stays until a compaction drops its last revision. Growth is bounded by the space
 * limit on the backend, which holds an entry for every revision here.
 */
import { assert } from "../assert.ts";
import { textOfBytes } from "../bytes.ts";
import type { KeyRange } from "../request.ts";
import type { KeyIndex } from "./key-index.ts";

/** A full block is cut in two halves. */
const blockKeysMax = 256;

/** Keys from ≤ key < to; `to` undefined: no upper end. An empty interval has to ≤ from. */
export interface KeyInterval {
  readonly from: string;
  readonly to: string | undefined;
}

/**
 * The interval a request names: a single key k is [k, k + zero byte); a range end of one zero byte means every
 * key ≥ key; an empty range end counts as absent.
 */
export function intervalOf(range: KeyRange): KeyInterval {
  const from = textOfBytes(range.key);
  const end = range.rangeEnd;
  if (end === undefined || end.length === 0) return { from, to: `${from}\0` };
  return { from, to: end.length === 1 && end[0] === 0 ? undefined : textOfBytes(end) };
}

/** True when the request names one key and no interval. */
export const isSingleKey = (range: KeyRange): boolean => range.rangeEnd === undefined || range.rangeEnd.length === 0;

export class TreeIndex {
  private readonly byName = new Map<string, KeyIndex>();
  /** Keys that are in a block and not in the Map. */
  private unnamed = 0;
  /** Never empty blocks, but for the very first; ascending, as are the keys inside each. */
  private readonly blocks: KeyIndex[][] = [[]];

  get size(): number {
    return this.byName.size + this.unnamed;
  }

  get(text: string): KeyIndex | undefined {
    const known = this.byName.get(text);
    if (known !== undefined || this.unnamed === 0) return known;
    const block = this.blocks[this.blockFor(text)] as KeyIndex[];
    const key = block[lowerBound(block, text)];
    if (key?.text !== text) return undefined;
    this.byName.set(text, key);
    this.unnamed -= 1;
    return key;
  }

  /** Takes all keys of an index that is empty; they ascend. */
  load(keys: readonly KeyIndex[]): void {
    assert(this.size === 0, "keys are loaded into an empty index", this.size);
    if (keys.length === 0) return;
    for (let position = 1; position < keys.length; position++) {
      const [before, key] = [keys[position - 1] as KeyIndex, keys[position] as KeyIndex];
      assert(before.text < key.text, "keys that are loaded ascend", position);
    }
    this.blocks.length = 0;
    for (let from = 0; from < keys.length; from += blockKeysMax)
      this.blocks.push(keys.slice(from, from + blockKeysMax));
    this.unnamed = keys.length;
  }

  /** The key must not be present. */
  add(key: KeyIndex): void {
    const blockNumber = this.blockFor(key.text);
    const block = this.blocks[blockNumber] as KeyIndex[];
    const position = lowerBound(block, key.text);
    assert(block[position]?.text !== key.text, "a key is added to the index once");
    this.byName.set(key.text, key);
    if (position === block.length) block.push(key);
    else block.splice(position, 0, key);
    if (block.length > blockKeysMax) {
      // Keys that come in ascending order would leave half-full blocks behind: cut those near the end.
      const appended = position === block.length - 1;
      this.blocks.splice(blockNumber + 1, 0, block.splice(appended ? blockKeysMax : blockKeysMax >> 1));
    }
  }

  /** The key must be present. */
  remove(text: string): void {
    const blockNumber = this.blockFor(text);
    const block = this.blocks[blockNumber] as KeyIndex[];
    const position = lowerBound(block, text);
    assert(block[position]?.text === text, "a key that is removed has its place in the order");
    if (!this.byName.delete(text)) this.unnamed -= 1;
    block.splice(position, 1);
    if (block.length === 0 && this.blocks.length > 1) this.blocks.splice(blockNumber, 1);
  }

  clear(): void {
    this.byName.clear();
    this.unnamed = 0;
    this.blocks.length = 0;
    this.blocks.push([]);
  }

  /** Keys of the interval in byte order, with and without a live value. No key may be added or removed meanwhile. */
  scan(interval: KeyInterval): KeyScan {
    const blockNumber = this.blockFor(interval.from);
    const position = lowerBound(this.blocks[blockNumber] as KeyIndex[], interval.from);
    return new KeyScan(this.blocks, { blockNumber, position, to: interval.to });
  }

  /** The last block whose first key is ≤ text, or the first block. */
  private blockFor(text: string): number {
    let low = 1;
    let high = this.blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (((this.blocks[middle] as KeyIndex[])[0]?.text as string) <= text) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** A walk over keys in byte order. */
export class KeyScan {
  private readonly blocks: readonly (readonly KeyIndex[])[];
  private blockNumber: number;
  private position: number;
  private readonly to: string | undefined;

  constructor(
    blocks: readonly (readonly KeyIndex[])[],
    start: { readonly blockNumber: number; readonly position: number; readonly to: string | undefined },
  ) {
    this.blocks = blocks;
    this.blockNumber = start.blockNumber;
    this.position = start.position;
    this.to = start.to;
  }

  /** The next key; undefined, again and again, at the end. */
  next(): KeyIndex | undefined {
    for (;;) {
      const block = this.blocks[this.blockNumber];
      if (block === undefined) return undefined;
      const key = block[this.position];
      if (key === undefined) {
        this.blockNumber += 1;
        this.position = 0;
        continue;
      }
      if (this.to !== undefined && key.text >= this.to) return undefined;
      this.position += 1;
      return key;
    }
  }
}

function lowerBound(block: readonly KeyIndex[], text: string): number {
  let low = 0;
  let high = block.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((block[middle] as KeyIndex).text < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
