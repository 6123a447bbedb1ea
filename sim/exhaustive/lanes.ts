/*
 * 64-bit hashes in two columns of 32-bit integers, one pair for each thing and renaming. The hash of a state is the sum
 * of the hashes of its parts, each half for itself: the order of messages in flight leaves no mark on a sum, and what a
 * step changes is taken off and added.
 */
export class Lanes {
  /** Hashes for each thing. */
  readonly width: number;
  low = new Int32Array(1 << 12);
  high = new Int32Array(1 << 12);
  #length = 0;

  constructor(width: number) {
    this.width = width;
  }

  /** The hash of the next renaming of the newest thing, or of the first one of the next. */
  push(low: number, high: number): void {
    if (this.#length === this.low.length) {
      this.low = doubled(this.low);
      this.high = doubled(this.high);
    }
    this.low[this.#length] = low;
    this.high[this.#length] = high;
    this.#length += 1;
  }
}

export function doubled(column: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(column.length * 2);
  larger.set(column);
  return larger;
}
