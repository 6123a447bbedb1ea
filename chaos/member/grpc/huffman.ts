/*
 * The Huffman code of HPACK strings, to be read. The code is canonical: within a length codes count up in the order of
 * their symbols, and the next length goes on where it left off, so lengths say it all. Source: RFC 7541 §5.2, appendix B.
 */

/** Symbols by the length of their code in bits, in order. The end-of-string symbol, 30 ones, is never to be decoded. */
const symbolsOfLength: readonly (readonly [bits: number, symbols: readonly number[]])[] = [
  [5, [48, 49, 50, 97, 99, 101, 105, 111, 115, 116]],
  [6, [32, 37, 45, 46, 47, ...from(51, 57), 61, 65, 95, 98, 100, 102, 103, 104, ...from(108, 110), 112, 114, 117]],
  [7, [58, ...from(66, 87), 89, 106, 107, 113, 118, ...from(119, 122)]],
  [8, [38, 42, 44, 59, 88, 90]],
  [10, [33, 34, 40, 41, 63]],
  [11, [39, 43, 124]],
  [12, [35, 62]],
  [13, [0, 36, 64, 91, 93, 126]],
  [14, [94, 125]],
  [15, [60, 96, 123]],
  [19, [92, 195, 208]],
  [20, [128, 130, 131, 162, 184, 194, 224, 226]],
  [21, [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230]],
  [22, [129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190]],
  [22, [196, 198, 228, 232, 233]],
  [23, [1, 135, ...from(137, 139), 140, 141, 143, 147, ...from(149, 152), 155, 157, 158, 165, 166, 168, 174, 175]],
  [23, [180, 182, 183, 188, 191, 197, 231, 239]],
  [24, [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237]],
  [25, [199, 207, 234, 235]],
  [26, [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255]],
  [27, [203, 204, 211, 212, 214, 221, 222, 223, 241, ...from(244, 248), ...from(250, 254)]],
  [28, [...from(2, 8), 11, 12, ...from(14, 21), 23, ...from(24, 31), 127, 220, 249]],
  [30, [10, 13, 22]],
];

function from(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_none, position) => first + position);
}

const bitsMax = 30;
/** Of codes of each length: the first, how many there are, and where their symbols begin in `symbols`. */
const firstCodes = new Int32Array(bitsMax + 1);
const counts = new Int32Array(bitsMax + 1);
const starts = new Int32Array(bitsMax + 1);
const symbols: readonly number[] = symbolsOfLength.flatMap(([, ofLength]) => ofLength);
layOut();

function layOut(): void {
  for (const [bits, ofLength] of symbolsOfLength) counts[bits] = (counts[bits] as number) + ofLength.length;
  let code = 0;
  let start = 0;
  for (let bits = 1; bits <= bitsMax; bits++) {
    code *= 2;
    firstCodes[bits] = code;
    starts[bits] = start;
    code += counts[bits] as number;
    start += counts[bits] as number;
  }
}

/** One character a byte; undefined when it is no such code, or its padding is not of fewer than eight ones. */
export function huffmanText(bytes: Uint8Array): string | undefined {
  let text = "";
  let code = 0;
  let bits = 0;
  let isOnes = true;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const one = (byte >> bit) & 1;
      isOnes &&= one === 1;
      code = code * 2 + one;
      bits += 1;
      const place = code - (firstCodes[bits] as number);
      if (place < (counts[bits] as number) && place >= 0) {
        text += String.fromCharCode(symbols[(starts[bits] as number) + place] as number);
        code = 0;
        bits = 0;
        isOnes = true;
      } else if (bits === bitsMax) return undefined;
    }
  }
  return bits < 8 && isOnes ? text : undefined;
}
