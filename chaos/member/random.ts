/*
 * Chance of a real member: named streams below one seed, which the operating system's own chance provides unless a
 * test fixes it. A stream is SHA-256 over its name and a counter: a member draws seldom, so that speed is no concern.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Random } from "../../core/index.ts";

/** A new, unpredictable stream. */
export const realRandom = (): Random => new NamedStream(randomBytes(16).toString("hex"));

/** The same seed gives the same streams. */
export const seededRandom = (seed: string): Random => new NamedStream(seed);

class NamedStream implements Random {
  readonly #name: string;
  #block: Buffer = Buffer.alloc(0);
  #blocks = 0;
  #position = 0;

  constructor(name: string) {
    this.#name = name;
  }

  nextUint32(): number {
    if (this.#position >= this.#block.length) {
      this.#block = createHash("sha256").update(`${this.#blocks}:${this.#name}`).digest();
      this.#blocks += 1;
      this.#position = 0;
    }
    this.#position += 4;
    return this.#block.readUInt32LE(this.#position - 4);
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
