/*
 * Finds keys by their bytes while an index is loaded: every stored revision names its key, and making a text of it to ask
 * a Map costs more than all the rest of a load. Open addressing over the hashes of the keys. Filled once, then dropped.
 */
import { textBetween } from "../bytes.ts";
import { KeyIndex } from "./key-index.ts";

const slotsAtFirst = 1_024;

export class KeyTable {
  readonly #keys: KeyIndex[] = [];
  /** Two numbers a slot: a key's hash, and 1 + its position in #keys; 0: empty. Half of the slots are empty at least. */
  #slots = new Int32Array(2 * slotsAtFirst);

  /** Every key that was found or made, in the order they were met. */
  get keys(): readonly KeyIndex[] {
    return this.#keys;
  }

  /** The key of those bytes, an index without any revision when it was not met before. */
  keyOf(bytes: Uint8Array, from: number, to: number): KeyIndex {
    const hash = hashOf(bytes, from, to);
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (2 * hash) & mask;
    for (let number = slots[slot + 1] as number; number !== 0; number = slots[slot + 1] as number) {
      if (slots[slot] === hash) {
        const key = this.#keys[number - 1] as KeyIndex;
        if (isTextOf(key.text, bytes, from, to)) return key;
      }
      slot = (slot + 2) & mask;
    }
    const key = new KeyIndex(textBetween(bytes, from, to));
    this.#keys.push(key);
    slots[slot] = hash;
    slots[slot + 1] = this.#keys.length;
    if (4 * this.#keys.length > slots.length) this.#grow();
    return key;
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Int32Array(2 * old.length);
    const mask = slots.length - 1;
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] === 0) continue;
      const hash = old[at] as number;
      let slot = (2 * hash) & mask;
      while (slots[slot + 1] !== 0) slot = (slot + 2) & mask;
      slots[slot] = hash;
      slots[slot + 1] = old[at + 1] as number;
    }
    this.#slots = slots;
  }
}

/** FNV-1a, its bits mixed once more: the table looks at the lowest alone. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let position = from; position < to; position++) {
    hash = Math.imul(hash ^ (bytes[position] as number), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}

function isTextOf(text: string, bytes: Uint8Array, from: number, to: number): boolean {
  if (text.length !== to - from) return false;
  for (let position = from; position < to; position++) {
    if (text.charCodeAt(position - from) !== bytes[position]) return false;
  }
  return true;
}
