/*
 * One HPACK header block with an :authority that Node's HTTP/2 takes. Older clients of etcd send the whole URL of an
 * end point there ("http://127.0.0.1:2379"), which servers written in Go let pass and Node answers with a
 * PROTOCOL_ERROR. Each character that an authority must not have becomes a full stop: the value keeps its length, so the
 * dynamic tables of both sides go on agreeing on sizes, and nothing else in the block has to be understood.
 * Source: RFC 7541 §5, §6 and appendix B; RFC 3986 §3.2.
 */

/** Index of ":authority" in the static table. */
const authorityIndex = 1;
const isAllowed = /[A-Za-z0-9\-._~%!$&'()*+,;=:@[\]]/;

/**
 * @returns the same block when nothing is wrong with it, or when it cannot be read (whoever parses it next says why);
 *   else a new one
 */
export function withPlainAuthority(block: Buffer): Buffer {
  const pieces: Buffer[] = [];
  let copied = 0;
  const reader = new BlockReader(block);
  while (!reader.isAtEnd) {
    const nameIndex = reader.field();
    if (nameIndex === undefined) continue;
    const start = reader.position;
    const value = reader.text(nameIndex === authorityIndex);
    if (value === undefined) continue;
    const plain = Array.from(value, (char) => (isAllowed.test(char) ? char : ".")).join("");
    if (plain === value) continue;
    pieces.push(block.subarray(copied, start), literal(plain));
    copied = reader.position;
  }
  return pieces.length === 0 || reader.isBroken ? block : Buffer.concat([...pieces, block.subarray(copied)]);
}

/** A string literal without Huffman coding; a value of fewer than 127 bytes has its length in one. */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const length: number[] = [];
  let rest = bytes.length - 127;
  if (rest < 0) length.push(bytes.length);
  else {
    length.push(127);
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

class BlockReader {
  readonly #block: Buffer;
  position = 0;
  isBroken = false;

  constructor(block: Buffer) {
    this.#block = block;
  }

  get isAtEnd(): boolean {
    return this.isBroken || this.position >= this.#block.length;
  }

  /**
   * Steps over the head of one representation, and over its name where that stands in full.
   *
   * @returns the index of the name when a value follows (0: a name of its own); undefined when none does
   */
  field(): number | undefined {
    const first = this.#block[this.position] ?? 0;
    if (first >= 0x80) {
      this.#integer(7);
      return undefined;
    }
    if (first >= 0x20 && first < 0x40) {
      this.#integer(5);
      return undefined;
    }
    const nameIndex = this.#integer(first >= 0x40 ? 6 : 4);
    if (nameIndex === 0) this.text(false);
    return nameIndex;
  }

  /** Steps over a string; its characters when they are wanted and can be read. */
  text(isWanted: boolean): string | undefined {
    const isHuffman = ((this.#block[this.position] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const end = this.position + length;
    if (this.isBroken || end > this.#block.length) {
      this.isBroken = true;
      return undefined;
    }
    const bytes = this.#block.subarray(this.position, end);
    this.position = end;
    if (!isWanted) return undefined;
    return isHuffman ? huffmanText(bytes) : bytes.toString("latin1");
  }

  #integer(prefixBits: number): number {
    const mask = 2 ** prefixBits - 1;
    let value = (this.#block[this.position++] ?? 0) & mask;
    if (value < mask) return value;
    for (let factor = 1; factor <= 128 ** 3; factor *= 128) {
      const next = this.#block[this.position++];
      if (next === undefined) break;
      value += (next & 0x7f) * factor;
      if (next < 0x80) return value;
    }
    this.isBroken = true;
    return 0;
  }
}

// ---- Huffman ---------------------------------------------------------------------------------------------------

/**
 * The printable characters by the length of their code in bits. The code is canonical: within a length codes count up
 * in this order, and the next length goes on where it left off.
 */
const charactersOfLength: readonly (readonly [bits: number, characters: string])[] = [
  [5, "012aceiost"],
  [6, " %-./3456789=A_bdfghlmnpru"],
  [7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"],
  [8, "&*,;XZ"],
  [10, '!"()?'],
  [11, "'+|"],
  [12, "#>"],
  [13, "\0$@[]~"],
  [14, "^}"],
  [15, "<`{"],
];

const characterOfCode: ReadonlyMap<string, string> = canonicalCodes();

function canonicalCodes(): Map<string, string> {
  const codes = new Map<string, string>();
  let next = 0;
  let lastBits = 0;
  for (const [bits, characters] of charactersOfLength) {
    next *= 2 ** (bits - lastBits);
    lastBits = bits;
    for (const character of characters) codes.set((next++).toString(2).padStart(bits, "0"), character);
  }
  return codes;
}

/** Undefined when a character is not one of a URL's, or the padding is not of ones. */
function huffmanText(bytes: Buffer): string | undefined {
  let text = "";
  let code = "";
  for (const byte of bytes) {
    for (const bit of byte.toString(2).padStart(8, "0")) {
      code += bit;
      const character = characterOfCode.get(code);
      if (character === undefined) continue;
      text += character;
      code = "";
    }
    if (code.length > 15) return undefined;
  }
  return code.length < 8 && !code.includes("0") ? text : undefined;
}
