/*
 * Byte strings: order, equality, text forms. Keys and values are never changed after they are handed over,
 * so every function here reads only.
 */

export const emptyBytes: Uint8Array = new Uint8Array(0);

/** Unsigned byte order, shorter first on a common prefix: the order of keys in etcd. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let position = 0; position < length; position++) {
    const difference = (a[position] as number) - (b[position] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let position = 0; position < a.length; position++) {
    if (a[position] !== b[position]) return false;
  }
  return true;
}

/**
 * One character a byte (latin1). Two byte strings compare as their texts do, so the text serves as a Map key
 * and as a key of an ordered map.
 */
export function textOfBytes(bytes: Uint8Array): string {
  const length = bytes.length;
  if (length <= 18) return textBetween(bytes, 0, length);
  if (length > 8_192) {
    let text = "";
    for (let start = 0; start < length; start += 8_192) {
      text += String.fromCharCode.apply(undefined, bytes.subarray(start, start + 8_192) as unknown as number[]);
    }
    return text;
  }
  return String.fromCharCode.apply(undefined, bytes as unknown as number[]);
}

/** The text of the bytes from ≤ position < to: without a view of them where it is short, as keys are. */
export function textBetween(bytes: Uint8Array, from: number, to: number): string {
  const length = to - from;
  if (length <= 8) return shortText(bytes, from, length);
  if (length <= 18) return middlingText(bytes, from, length);
  return textOfBytes(bytes.subarray(from, to));
}

/**
 * Up to eight bytes from there. Keys are short and become texts all the time: argument by argument costs half of what a
 * call with a list does.
 */
function shortText(bytes: Uint8Array, from: number, length: number): string {
  const at = (offset: number): number => bytes[from + offset] as number;
  switch (length) {
    case 0:
      return "";
    case 1:
      return String.fromCharCode(at(0));
    case 2:
      return String.fromCharCode(at(0), at(1));
    case 3:
      return String.fromCharCode(at(0), at(1), at(2));
    case 4:
      return String.fromCharCode(at(0), at(1), at(2), at(3));
    case 5:
      return String.fromCharCode(at(0), at(1), at(2), at(3), at(4));
    case 6:
      return String.fromCharCode(at(0), at(1), at(2), at(3), at(4), at(5));
    case 7:
      return String.fromCharCode(at(0), at(1), at(2), at(3), at(4), at(5), at(6));
    default:
      return String.fromCharCode(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
  }
}

/**
 * 9 to 18 bytes from there: most keys, and revisions. In one call, since two texts put together are a tree that every look-up in a
 * Map flattens first: with that it takes twice as long.
 */
function middlingText(bytes: Uint8Array, from: number, length: number): string {
  const at = (offset: number): number => bytes[from + offset] as number;
  const [a, b, c, d, e, f, g, h, i] = [at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8)];
  switch (length) {
    case 9:
      return String.fromCharCode(a, b, c, d, e, f, g, h, i);
    case 10:
      return String.fromCharCode(a, b, c, d, e, f, g, h, i, at(9));
    case 11:
      return String.fromCharCode(a, b, c, d, e, f, g, h, i, at(9), at(10));
    case 12:
      return String.fromCharCode(a, b, c, d, e, f, g, h, i, at(9), at(10), at(11));
    case 13:
      return String.fromCharCode(a, b, c, d, e, f, g, h, i, at(9), at(10), at(11), at(12));
    case 14:
      return String.fromCharCode(a, b, c, d, e, f, g, h, i, at(9), at(10), at(11), at(12), at(13));
    case 15:
      return String.fromCharCode(a, b, c, d, e, f, g, h, i, at(9), at(10), at(11), at(12), at(13), at(14));
    default:
      return longestMiddlingText(bytes, from, length);
  }
}

/** 16 to 18 bytes from there. */
function longestMiddlingText(bytes: Uint8Array, from: number, length: number): string {
  const at = (offset: number): number => bytes[from + offset] as number;
  const [a, b, c, d, e, f, g, h] = [at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)];
  const [i, j, k, l, m, n, o, p] = [at(8), at(9), at(10), at(11), at(12), at(13), at(14), at(15)];
  if (length === 16) return String.fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
  if (length === 17) return String.fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, at(16));
  return String.fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, at(16), at(17));
}

/** Inverse of {@link textOfBytes}. */
export function bytesOfText(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let position = 0; position < text.length; position++) bytes[position] = text.charCodeAt(position);
  return bytes;
}

/** UTF-8 bytes of a string; lone surrogates become U+FFFD. */
export function utf8Encode(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    let point = character.codePointAt(0) as number;
    if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    else {
      bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    }
  }
  return Uint8Array.from(bytes);
}

/** String of UTF-8 bytes; malformed sequences become U+FFFD. */
export function utf8Decode(bytes: Uint8Array): string {
  let text = "";
  for (let position = 0; position < bytes.length; ) {
    const first = bytes[position] as number;
    const extra =
      first < 0x80
        ? 0
        : first >= 0xc2 && first < 0xe0
          ? 1
          : first >= 0xe0 && first < 0xf0
            ? 2
            : first >= 0xf0 && first < 0xf5
              ? 3
              : -1;
    let point = extra <= 0 ? first : first & (0x3f >> extra);
    let valid = extra >= 0 && position + extra < bytes.length;
    for (let next = 1; valid && next <= extra; next++) {
      const byte = bytes[position + next] as number;
      valid = (byte & 0xc0) === 0x80;
      point = (point << 6) | (byte & 63);
    }
    const least = extra === 2 ? 0x800 : extra === 3 ? 0x10000 : 0;
    if (!valid || point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
      text += "\ufffd";
      position += 1;
      continue;
    }
    text += String.fromCodePoint(point);
    position += extra + 1;
  }
  return text;
}
