/*
 * Chance of a real member: named streams below one seed, which the operating system's own chance provides unless a
 * drill fixes it.
 */
import { createHash, randomBytes } from "node:crypto";
import seedrandom from "seedrandom";
import type { Random } from "../../core/ports.ts";

/** A new, unpredictable stream. */
export const realRandom = (): Random => new NamedStream(randomBytes(16).toString("hex"));

/** The same seed gives the same streams. */
export const seededRandom = (seed: string): Random => new NamedStream(seed);

class NamedStream implements Random {
  readonly #name: string;
  #generator: { int32(): number } | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  nextUint32(): number {
    // The name is hashed, so that names which look alike begin far apart.
    this.#generator ??= seedrandom.xor128(createHash("sha256").update(this.#name).digest("hex"));
    return this.#generator.int32() >>> 0;
  }

  below(bound: number): number {
    // Draws beyond the last whole multiple of the bound are thrown away, so that every value is equally likely.
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let draw = this.nextUint32();
    while (draw >= limit) draw = this.nextUint32();
    return draw % bound;
  }

  fork(name: string): Random {
    return new NamedStream(`${this.#name}/${name.length}:${name}`);
  }
}
