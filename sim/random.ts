/*
 * Seeded chance for simulated members and worlds: 32-bit integer arithmetic only, so every engine draws the same
 * numbers. A stream is known by its path of names; forking does not draw, so a new stream shifts none.
 * Generator: sfc32 (C. Doty-Humphrey, PractRand), keyed by a hash of the path.
 */
import type { Random } from "../core/index.ts";

const twoTo32 = 4_294_967_296;

/** Finalizer of murmur3: every input bit flips each output bit with chance one half. Unsigned. */
function mix32(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** One 32-bit number out of an ordered pair; for hashing counters and names into seeds. Unsigned. */
export const combine32 = (a: number, b: number): number => mix32(Math.imul(a, 0x9e3779b1) ^ mix32(b + 0x7f4a7c15));

/** 32-bit hash of a name: order and length matter, any UTF-16 text. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let position = 0; position < name.length; position++) {
    hash = Math.imul(hash ^ name.charCodeAt(position), 0x01000193);
  }
  return mix32(hash ^ name.length);
}

/** A named stream of chance; see the Random port. */
export class SimRandom implements Random {
  readonly #key: number;
  readonly #key2: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param key second half of the path's identity; two streams are equal when both halves are */
  constructor(seed: number, key = 0) {
    this.#key = mix32(seed | 0);
    this.#key2 = mix32((Math.floor(seed / twoTo32) | 0) ^ key);
    this.#a = this.#key | 0;
    this.#b = this.#key2 | 0;
    this.#c = combine32(this.#key, this.#key2) | 0;
    for (let round = 0; round < 12; round++) this.nextUint32();
  }

  nextUint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum >>> 0;
  }

  below(bound: number): number {
    const limit = twoTo32 - (twoTo32 % bound);
    let draw = this.nextUint32();
    while (draw >= limit) draw = this.nextUint32();
    return draw % bound;
  }

  fork(name: string): Random {
    const hash = hashName(name);
    return new SimRandom(combine32(this.#key, hash), combine32(this.#key2, hash ^ 0x5bd1e995));
  }
}
