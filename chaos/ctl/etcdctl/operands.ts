/*
 * What people type and what it means on the wire: ranges, leases, member ids, and words quoted as at a shell.
 * Source: etcd v3 contract, etcdctl.
 */
import { badArguments } from "./failure.ts";

export interface RangeFlags {
  readonly prefix?: boolean;
  readonly fromKey?: boolean;
}

export interface WireRange {
  readonly key: Uint8Array;
  /** Empty: the key alone. */
  readonly rangeEnd: Uint8Array;
}

const everything = Buffer.from("\0");

/** @throws CtlError when flags and operands say different things */
export function rangeOf(key: string, rangeEnd: string | undefined, flags: RangeFlags): WireRange {
  if (flags.prefix === true && flags.fromKey === true)
    throw badArguments("`--prefix` and `--from-key` cannot be set at the same time, choose one");
  if ((flags.prefix === true || flags.fromKey === true) && rangeEnd !== undefined)
    throw badArguments("too many arguments, only accept one argument when `--prefix` or `--from-key` is set");
  const bytes = Buffer.from(key);
  if (flags.prefix === true) {
    return bytes.length === 0
      ? { key: everything, rangeEnd: everything }
      : { key: bytes, rangeEnd: afterPrefix(bytes) };
  }
  if (flags.fromKey === true) return { key: bytes.length === 0 ? everything : bytes, rangeEnd: everything };
  return { key: bytes, rangeEnd: Buffer.from(rangeEnd ?? "") };
}

/** The first key after every key with that prefix; one zero byte, all of them, when there is none. */
export function afterPrefix(prefix: Uint8Array): Uint8Array {
  for (let length = prefix.length; length > 0; length--) {
    const last = prefix[length - 1] ?? 0;
    if (last === 0xff) continue;
    const end = Uint8Array.from(prefix.subarray(0, length));
    end[length - 1] = last + 1;
    return end;
  }
  return everything;
}

export function leaseIdFrom(hex: string): bigint {
  if (!/^[0-9a-fA-F]{1,16}$/.test(hex)) throw badArguments(`bad lease ID (${hex}), expecting ID in Hex`);
  return BigInt.asIntN(64, BigInt(`0x${hex}`));
}

export function memberIdFrom(hex: string): bigint {
  if (!/^[0-9a-fA-F]{1,16}$/.test(hex)) throw badArguments(`bad member ID arg (${hex}), expecting ID in Hex`);
  return BigInt(`0x${hex}`);
}

/** A whole number ≥ 0 within int64. */
export function countFrom(what: string, text: string): bigint {
  if (!/^\d{1,18}$/.test(text)) throw badArguments(`bad ${what} (${text}), expecting a whole number`);
  return BigInt(text);
}

/** Words of a line, "double" or 'single' quoted where they hold blanks. */
export function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (const match of line.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+)/g)) {
    const [, double, single, bare] = match;
    words.push(double !== undefined ? unescaped(double) : (single ?? bare ?? ""));
  }
  return words;
}

/** Text inside of Go's double quotes. */
export function unescaped(text: string): string {
  const simple: { readonly [letter: string]: string } = {
    n: "\n",
    t: "\t",
    r: "\r",
    a: "\x07",
    b: "\b",
    f: "\f",
    v: "\v",
  };
  return text.replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)/g, (_, code: string) =>
    code.length > 1 ? String.fromCodePoint(Number.parseInt(code.slice(1), 16)) : (simple[code] ?? code),
  );
}

export async function readInput(): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
