/*
 * The states seen so far, as 64-bit hashes in an open-addressed table. Two different states with one hash would be taken
 * for one, and what follows from the second would go unseen; {@link collisionChance} says how likely that is.
 */

export class Visited {
  #low = new Int32Array(1 << 16);
  #high = new Int32Array(1 << 16);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** False when it was there already. */
  add(hash: { readonly low: number; readonly high: number }): boolean {
    if (this.#count * 5 >= this.#low.length * 3) this.#grow();
    if (!this.#insert(hash.low, hash.high)) return false;
    this.#count += 1;
    return true;
  }

  /** (0, 0) marks a free place; a hash that is so is moved by one. */
  #insert(low: number, high: number): boolean {
    const stored = low === 0 && high === 0 ? 1 : low;
    const mask = this.#low.length - 1;
    let place = (stored ^ Math.imul(high, 0x9e3779b1)) & mask;
    for (;;) {
      const lowThere = this.#low[place] as number;
      const highThere = this.#high[place] as number;
      if (lowThere === 0 && highThere === 0) break;
      if (lowThere === stored && highThere === high) return false;
      place = (place + 1) & mask;
    }
    this.#low[place] = stored;
    this.#high[place] = high;
    return true;
  }

  #grow(): void {
    const [low, high] = [this.#low, this.#high];
    this.#low = new Int32Array(low.length * 2);
    this.#high = new Int32Array(this.#low.length);
    for (let place = 0; place < low.length; place++) {
      const [lowThere, highThere] = [low[place] as number, high[place] as number];
      if (lowThere !== 0 || highThere !== 0) this.#insert(lowThere, highThere);
    }
  }
}

/**
 * An upper bound for the chance that two of so many different states had one hash. Each of them is hashed once for each
 * renaming, and the least of these hashes is kept.
 */
export const collisionChance = (states: number, renamings: number): number =>
  Math.min(1, ((states * states) / 2 ** 65) * renamings);
