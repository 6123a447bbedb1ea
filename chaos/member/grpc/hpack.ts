/*
 * Header blocks of HTTP/2 connections: what clients send is read with all of HPACK; what this side sends are literals
 * alone, so that a block can be made once and sent on any connection. Source: RFC 7541.
 */
import { huffmanText } from "./huffman.ts";

/** One value a name; a header that comes more than once has its values joined by ", ". Pseudo-headers among them. */
export interface HeaderMap {
  readonly [name: string]: string | undefined;
}

/** What a block said. */
export interface HeaderBlock {
  readonly headers: HeaderMap;
  /** Why the request cannot be served, when it is no request HTTP/2 knows; the connection goes on. */
  readonly malformed: string | undefined;
  /** By RFC 9113 §6.5.2: names, values and 32 for each. Of a list beyond the bound only what came first is in `headers`. */
  readonly listBytes: number;
}

/** The block cannot be read; nothing that follows on the connection could be. */
export class HpackProblem extends Error {
  override readonly name = "HpackProblem";
}

interface Field {
  readonly name: string;
  readonly value: string;
}

const staticTable: readonly Field[] = [
  ...fieldsOf(":authority", ":method GET|POST", ":path /|/index.html", ":scheme http|https"),
  ...fieldsOf(":status 200|204|206|304|400|404|500", "accept-charset", "accept-encoding gzip, deflate"),
  ...fieldsOf("accept-language", "accept-ranges", "accept", "access-control-allow-origin", "age", "allow"),
  ...fieldsOf("authorization", "cache-control", "content-disposition", "content-encoding", "content-language"),
  ...fieldsOf("content-length", "content-location", "content-range", "content-type", "cookie", "date", "etag"),
  ...fieldsOf("expect", "expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range"),
  ...fieldsOf("if-unmodified-since", "last-modified", "link", "location", "max-forwards", "proxy-authenticate"),
  ...fieldsOf("proxy-authorization", "range", "referer", "refresh", "retry-after", "server", "set-cookie"),
  ...fieldsOf("strict-transport-security", "transfer-encoding", "user-agent", "vary", "via", "www-authenticate"),
];

/** "name value|value" each, a field a value. */
function fieldsOf(...rows: readonly string[]): Field[] {
  return rows.flatMap((row) => {
    const space = row.indexOf(" ");
    const name = space < 0 ? row : row.slice(0, space);
    return (space < 0 ? "" : row.slice(space + 1)).split("|").map((value) => ({ name, value }));
  });
}

/** What this side lets clients keep: the protocol's own default. */
const tableBytesMax = 4_096;
const fieldOverheadBytes = 32;
const sizeOf = ({ name, value }: Field): number => name.length + value.length + fieldOverheadBytes;

/** Reads the blocks of one connection, in order. */
export class HpackDecoder {
  readonly #listBytesMax: number;
  /** The newest first. */
  #table: Field[] = [];
  #tableBytes = 0;
  #tableBytesMax = tableBytesMax;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** A block that names entries of the tables alone means the same until the table changes. */
  #last: { readonly bytes: Uint8Array; readonly block: HeaderBlock } | undefined;

  /** @param listBytesMax of one block: of what is more no field is kept, as a short block can name a long entry often */
  constructor(listBytesMax: number) {
    this.#listBytesMax = listBytesMax;
  }

  /** @throws HpackProblem */
  decode(bytes: Uint8Array): HeaderBlock {
    const last = this.#last;
    if (last !== undefined && areSame(last.bytes, bytes)) return last.block;
    this.#bytes = bytes;
    this.#at = 0;
    let changesTable = false;
    const gathering = new Gathering(this.#listBytesMax);
    while (this.#at < bytes.length) {
      const first = bytes[this.#at] as number;
      if (first >= 0x80) gathering.add(this.#entry(this.#integer(7)));
      else if (first >= 0x40) {
        const field = this.#literal(6);
        changesTable = true;
        this.#insert(field);
        gathering.add(field);
      } else if (first >= 0x20) {
        if (gathering.listBytes > 0) throw new HpackProblem("a change of the table's size stands behind a field");
        changesTable = true;
        this.#resize(this.#integer(5));
      } else gathering.add(this.#literal(4));
    }
    const block = gathering.finish();
    this.#last = changesTable ? undefined : { bytes: bytes.slice(), block };
    return block;
  }

  #entry(index: number): Field {
    const field = index <= staticTable.length ? staticTable[index - 1] : this.#table[index - staticTable.length - 1];
    if (field === undefined) throw new HpackProblem(`there is no entry ${index} in the table`);
    return field;
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#text() : this.#entry(index).name;
    return { name, value: this.#text() };
  }

  #insert(field: Field): void {
    this.#table.unshift(field);
    this.#tableBytes += sizeOf(field);
    this.#evict();
  }

  #resize(bytesMax: number): void {
    if (bytesMax > tableBytesMax) throw new HpackProblem(`a table of ${bytesMax} bytes is more than was allowed`);
    this.#tableBytesMax = bytesMax;
    this.#evict();
  }

  #evict(): void {
    while (this.#tableBytes > this.#tableBytesMax) {
      const oldest = this.#table.pop();
      if (oldest === undefined) break;
      this.#tableBytes -= sizeOf(oldest);
    }
  }

  #integer(prefixBits: number): number {
    const mask = 2 ** prefixBits - 1;
    let value = (this.#bytes[this.#at++] ?? 0) & mask;
    if (value < mask) return value;
    for (let factor = 1; factor <= 128 ** 3; factor *= 128) {
      const next = this.#bytes[this.#at++];
      if (next === undefined) break;
      value += (next & 0x7f) * factor;
      if (next < 0x80) return value;
    }
    throw new HpackProblem("a number in a header block does not end");
  }

  #text(): string {
    const first = this.#bytes[this.#at];
    if (first === undefined) throw new HpackProblem("a header block ends in the middle of a field");
    const length = this.#integer(7);
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new HpackProblem("a string runs over its header block");
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    const text = first >= 0x80 ? huffmanText(bytes) : latin1Of(bytes);
    if (text === undefined) throw new HpackProblem("a string in a header block is not Huffman code");
    return text;
  }
}

const latin1Of = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");

function areSame(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

/** Of the connection, not of a request: RFC 9113 §8.2.2. */
const forbidden: ReadonlySet<string> = new Set([
  ...["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"],
]);
const requestPseudo: ReadonlySet<string> = new Set([":method", ":scheme", ":path", ":authority", ":protocol"]);

/** Fields of one block, on their way to a map. */
class Gathering {
  readonly #headers: { [name: string]: string | undefined } = Object.create(null);
  readonly #listBytesMax: number;
  #hasRegular = false;
  #malformed: string | undefined;
  listBytes = 0;

  constructor(listBytesMax: number) {
    this.#listBytesMax = listBytesMax;
  }

  add(field: Field): void {
    this.listBytes += sizeOf(field);
    if (this.listBytes > this.#listBytesMax) return;
    const { name, value } = field;
    const known = this.#headers[name];
    if (name.charCodeAt(0) === 58) {
      if (known !== undefined || this.#hasRegular || !requestPseudo.has(name))
        this.#malformed ??= `${name} is misplaced`;
    } else {
      this.#hasRegular = true;
      if (name === "" || /[A-Z\0-\x20\x7f]/.test(name)) this.#malformed ??= "a header's name is not in lower case";
      if (forbidden.has(name)) this.#malformed ??= `${name} has no place in HTTP/2`;
      if (name === "te" && value !== "trailers") this.#malformed ??= "te says more than trailers";
    }
    this.#headers[name] = known === undefined ? value : `${known}, ${value}`;
  }

  finish(): HeaderBlock {
    return { headers: this.#headers, malformed: this.#malformed, listBytes: this.listBytes };
  }
}

/** Status, then names and values: literals that enter no table. @param headers names in lower case */
export function encodeHeaders(headers: readonly (readonly [name: string, value: string])[]): Buffer {
  const bytes: number[] = [];
  for (const [name, value] of headers) {
    const index = staticTable.findIndex((field) => field.name === name && field.value === value) + 1;
    if (index > 0) {
      bytes.push(0x80 | index);
      continue;
    }
    bytes.push(0);
    pushText(bytes, name);
    pushText(bytes, value);
  }
  return Buffer.from(bytes);
}

function pushText(bytes: number[], text: string): void {
  const coded = Buffer.from(text, "latin1");
  let rest = coded.length - 127;
  if (rest < 0) bytes.push(coded.length);
  else {
    bytes.push(127);
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    bytes.push(rest);
  }
  for (const byte of coded) bytes.push(byte);
}
