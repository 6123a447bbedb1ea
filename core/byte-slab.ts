/*
 * Many small byte strings cut from few large allocations. Measured on V8: a Uint8Array of 100 bytes costs 800 ns and
 * burdens the collector, because every one has memory of its own outside the heap; a piece of a slab costs 50 ns. Up to
 * 64 bytes V8 keeps the bytes in the heap, where they are cheap, so those are made directly.
 *
 * The price: a piece that is kept keeps its whole slab. Slabs are small for that reason, and large pieces get memory of
 * their own.
 */

const slabBytes = 8_192;
const inHeapBytes = 64;
const pieceBytesMax = 2_048;

export class ByteSlab {
  private slab: ArrayBuffer | undefined = undefined;
  private position = slabBytes;

  /** Zeroed bytes of that length that nobody else holds. */
  take(length: number): Uint8Array {
    if (length <= inHeapBytes || length > pieceBytesMax) return new Uint8Array(length);
    if (this.slab === undefined || this.position + length > slabBytes) {
      this.slab = new ArrayBuffer(slabBytes);
      this.position = 0;
    }
    const piece = new Uint8Array(this.slab, this.position, length);
    this.position += length;
    return piece;
  }
}
