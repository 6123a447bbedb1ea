/*
 * Puts many keys in the order of their bytes. To compare a million texts two by two takes longer than all the rest of a
 * load, because most of each look is waiting for memory. So each key is looked at once a round: five bytes behind what
 * all have in common, as one number; the numbers are sorted, and keys that share theirs go through another round.
 * Source: radix sorting from both ends, as in McIlroy, Bostic, McIlroy, Engineering Radix Sort (1993).
 */
import { assert } from "../assert.ts";
import type { KeyIndex } from "./key-index.ts";

const digitsPerRound = 5;
/** 256 bytes, and 0 for the end of a key: it comes before every byte. */
const digitValues = 257;
/** 257⁵ is less than 2⁴². */
const bitsPerPass = 14;
const passes = 3;
/** Of fewer keys than this the texts are compared. */
const roundKeysMin = 512;

/** Keys of a part that are equal in their first `depth` bytes. */
interface Part {
  readonly from: number;
  readonly to: number;
  readonly depth: number;
}

/** The same keys, ascending; no two are the same. Keys often were written in their order, which one look at each tells. */
export function inOrder(keys: readonly KeyIndex[]): readonly KeyIndex[] {
  return ascend(keys) ? keys : new KeySorter(keys).sorted();
}

function ascend(keys: readonly KeyIndex[]): boolean {
  for (let position = 1; position < keys.length; position++) {
    if ((keys[position - 1] as KeyIndex).text > (keys[position] as KeyIndex).text) return false;
  }
  return true;
}

class KeySorter {
  readonly #keys: KeyIndex[];
  readonly #numbers: Float64Array;
  /** Where a pass puts the two above before they are copied back. */
  readonly #otherKeys: KeyIndex[];
  readonly #otherNumbers: Float64Array;
  readonly #places = new Uint32Array(1 << bitsPerPass);

  constructor(keys: readonly KeyIndex[]) {
    this.#keys = [...keys];
    this.#otherKeys = [...keys];
    this.#numbers = new Float64Array(keys.length);
    this.#otherNumbers = new Float64Array(keys.length);
  }

  sorted(): readonly KeyIndex[] {
    const parts: Part[] = [{ from: 0, to: this.#keys.length, depth: 0 }];
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      if (part.to - part.from < roundKeysMin) this.#compare(part);
      else this.#round(part, parts);
    }
    return this.#keys;
  }

  #compare({ from, to }: Part): void {
    const few = this.#keys.slice(from, to).sort((a, b) => (a.text < b.text ? -1 : 1));
    for (let position = from; position < to; position++) this.#keys[position] = few[position - from] as KeyIndex;
  }

  /** @param left the parts that are not in order yet */
  #round(part: Part, left: Part[]): void {
    const { from, to } = part;
    const depth = this.#common(part);
    assert(depth >= part.depth, "no key ends where others equal to it go on, or is there twice", depth, part.depth);
    const numbers = this.#numbers;
    for (let at = from; at < to; at++) numbers[at] = numberAt((this.#keys[at] as KeyIndex).text, depth);
    for (let pass = 0; pass < passes; pass++) this.#pass(part, 2 ** (pass * bitsPerPass));
    for (let first = from; first < to; ) {
      const number = this.#numbers[first];
      let next = first + 1;
      while (next < to && this.#numbers[next] === number) next++;
      if (next - first > 1) left.push({ from: first, to: next, depth: depth + digitsPerRound });
      first = next;
    }
  }

  /** How many bytes all keys of the part have in common. */
  #common({ from, to, depth }: Part): number {
    const { text } = this.#keys[from] as KeyIndex;
    let common = text.length;
    for (let at = from + 1; at < to && common > depth; at++) {
      const other = (this.#keys[at] as KeyIndex).text;
      let length = depth;
      while (length < common && length < other.length && other.charCodeAt(length) === text.charCodeAt(length)) length++;
      common = length;
    }
    return common;
  }

  /** Sorts the part by some bits of the numbers; of keys that are equal in those the order stays. */
  #pass({ from, to }: Part, scale: number): void {
    const [keys, numbers, places] = [this.#keys, this.#numbers, this.#places];
    const [otherKeys, otherNumbers] = [this.#otherKeys, this.#otherNumbers];
    const mask = places.length - 1;
    places.fill(0);
    for (let at = from; at < to; at++) {
      (places[Math.floor((numbers[at] as number) / scale) & mask] as number) += 1;
    }
    let place = from;
    for (let bits = 0; bits < places.length; bits++) {
      const count = places[bits] as number;
      places[bits] = place;
      place += count;
    }
    for (let at = from; at < to; at++) {
      const number = numbers[at] as number;
      const bits = Math.floor(number / scale) & mask;
      const taken = places[bits] as number;
      places[bits] = taken + 1;
      otherNumbers[taken] = number;
      otherKeys[taken] = keys[at] as KeyIndex;
    }
    for (let at = from; at < to; at++) {
      numbers[at] = otherNumbers[at] as number;
      keys[at] = otherKeys[at] as KeyIndex;
    }
  }
}

/** The next bytes behind that depth as one number that orders as they do. */
function numberAt(text: string, depth: number): number {
  let number = 0;
  for (let at = depth; at < depth + digitsPerRound; at++) {
    number = number * digitValues + (at < text.length ? 1 + text.charCodeAt(at) : 0);
  }
  return number;
}
