/*
 * How etcdctl prints: Go's JSON of a message, "fields" lines, tables, and keys and values as the bytes they are.
 * Source: etcd v3 contract, etcdctl, formats.
 */
import type { DescField, DescMessage, MessageShape } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import type { ResponseHeader } from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import type { KeyValue } from "../../../core/wire/gen/mvccpb/kv_pb.ts";
import { CtlError, ctlExit } from "./failure.ts";
import type { Answered, Format } from "./session.ts";

/** How one answer looks in each format; what is left out is printed in the general way, or refused. */
export interface Looks {
  readonly simple: () => string | Buffer;
  readonly fields?: () => string;
  readonly json?: () => string;
  readonly table?: () => string;
}

/** Prints one answer in the format that was asked for. */
export function print<Output extends DescMessage>(format: Format, answer: Answered<Output>, looks: Looks): void {
  switch (format) {
    case "simple":
      write(looks.simple());
      return;
    case "json":
      write(`${looks.json === undefined ? goJson(answer.schema, answer.message) : looks.json()}\n`);
      return;
    case "protobuf":
      write(Buffer.from(answer.bytes));
      return;
    case "fields":
      if (looks.fields === undefined) throw unsupported(format);
      write(looks.fields());
      return;
    case "table":
      if (looks.table === undefined) throw unsupported(format);
      write(looks.table());
  }
}

export const unsupported = (format: Format): CtlError =>
  new CtlError(`${format} not supported as output format`, ctlExit.badFeature);

export function write(text: string | Buffer): void {
  if (text.length > 0) process.stdout.write(text);
}

// ---- JSON ------------------------------------------------------------------------------------------------------

/**
 * A message as Go's encoding/json writes its struct: names as in the .proto, whole numbers plain however large, bytes in
 * base64, enums as numbers, zero values left out, a oneof as an object named after it.
 */
export function goJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): string {
  return jsonOf(reflect(schema, message));
}

function jsonOf(message: ReflectMessage): string {
  const parts: string[] = [];
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    const value = jsonOfField(message, field);
    if (field.oneof === undefined) parts.push(`"${field.name}":${value}`);
    else parts.push(`"${goName(field.oneof.name)}":{"${goName(field.name)}":${value}}`);
  }
  return `{${parts.join(",")}}`;
}

function jsonOfField(message: ReflectMessage, field: DescField): string {
  switch (field.fieldKind) {
    case "message":
      return jsonOf(message.get(field));
    case "list": {
      const list = message.get(field);
      const items: string[] = [];
      for (const item of list)
        items.push(field.listKind === "message" ? jsonOf(item as ReflectMessage) : jsonOfValue(item));
      return `[${items.join(",")}]`;
    }
    case "map":
      throw new TypeError(`no message of etcd's API has a map: ${field.name}`);
    default:
      return jsonOfValue(message.get(field));
  }
}

/** One scalar; the same for fields of structs that are not messages. */
export function jsonOfValue(value: unknown): string {
  if (typeof value === "string") return goString(value);
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString("base64")}"`;
  return String(value);
}

/** Go escapes what HTML would read. */
const goString = (text: string): string =>
  JSON.stringify(text).replace(/[<>&]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

const goName = (name: string): string =>
  name
    .split("_")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");

/** The header's fields in the midst of another struct, as the lease commands print it. */
export const flatHeaderJson = (header: ResponseHeader | undefined): string =>
  `"cluster_id":${header?.clusterId ?? 0n},"member_id":${header?.memberId ?? 0n},"revision":${header?.revision ?? 0n},"raft_term":${header?.raftTerm ?? 0n}`;

// ---- fields ----------------------------------------------------------------------------------------------------

export const fieldLine = (name: string, value: string | number | bigint | boolean): string => `"${name}" : ${value}\n`;

export const headerFields = (header: ResponseHeader | undefined): string =>
  fieldLine("ClusterID", header?.clusterId ?? 0n) +
  fieldLine("MemberID", header?.memberId ?? 0n) +
  ((header?.revision ?? 0n) === 0n ? "" : fieldLine("Revision", header?.revision ?? 0n)) +
  fieldLine("RaftTerm", header?.raftTerm ?? 0n);

export const keyValueFields = (keyValue: KeyValue, prefix = ""): string =>
  fieldLine(`${prefix}Key`, goQuote(keyValue.key)) +
  fieldLine(`${prefix}CreateRevision`, keyValue.createRevision) +
  fieldLine(`${prefix}ModRevision`, keyValue.modRevision) +
  fieldLine(`${prefix}Version`, keyValue.version) +
  fieldLine(`${prefix}Value`, goQuote(keyValue.value)) +
  fieldLine(`${prefix}Lease`, keyValue.lease);

const shortEscapes: { readonly [char: string]: string } = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  '"': '\\"',
  "\\": "\\\\",
};

/** Bytes as Go's %q prints them: text as text, everything else escaped. */
export function goQuote(bytes: Uint8Array): string {
  let quoted = '"';
  const buffer = Buffer.from(bytes);
  for (let at = 0; at < buffer.length; ) {
    const length = characterBytes(buffer, at);
    const text = buffer.toString(length === 0 ? "latin1" : "utf8", at, at + Math.max(length, 1));
    const isShown = length > 0 && /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(text);
    if (shortEscapes[text] !== undefined) quoted += shortEscapes[text];
    else if (isShown) quoted += text;
    else if (length > 1) quoted += `\\u${(text.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
    else quoted += `\\x${(buffer[at] ?? 0).toString(16).padStart(2, "0")}`;
    at += Math.max(length, 1);
  }
  return `${quoted}"`;
}

/** Bytes of the UTF-8 character that begins there; 0 when none does. */
function characterBytes(buffer: Buffer, at: number): number {
  const first = buffer[at] ?? 0;
  const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || at + length > buffer.length) return 0;
  return buffer.toString("utf8", at, at + length).includes("\ufffd") ? 0 : length;
}

// ---- simple ----------------------------------------------------------------------------------------------------

/** Bytes and a line break; with `--hex` each byte as \xNN. */
export const bytesLine = (bytes: Uint8Array, hex: boolean | undefined): Buffer =>
  Buffer.concat([hex === true ? Buffer.from(hexText(bytes)) : bytes, lineBreak]);

const hexText = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");

const lineBreak = Buffer.from("\n");

export const keyValueLines = (keyValue: KeyValue, hex: boolean | undefined): Buffer =>
  Buffer.concat([bytesLine(keyValue.key, hex), bytesLine(keyValue.value, hex)]);

/** Ids as operators know them: unsigned, without leading zeros. */
export const idText = (id: bigint): string => BigInt.asUintN(64, id).toString(16);
/** Ids of leases: sixteen digits. */
export const leaseText = (id: bigint): string => idText(id).padStart(16, "0");
/** Ids where etcdctl pads them with blanks. */
export const paddedId = (id: bigint): string => idText(id).padStart(16, " ");

/** Powers of 1000, one decimal below 10: 8.2 kB, 25 kB. */
export function sizeText(bytes: number): string {
  if (bytes < 10) return `${bytes} B`;
  const power = Math.min(6, Math.floor(Math.log(bytes) / Math.log(1000)));
  const value = Math.floor((bytes / 1000 ** power) * 10 + 0.5) / 10;
  return `${value < 10 && power > 0 ? value.toFixed(1) : value.toFixed(0)} ${["B", "kB", "MB", "GB", "TB", "PB", "EB"][power]}`;
}

/** Borders of signs, titles centred, cells to the right. */
export function tableText(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+\n`;
  const centred = (text: string, width: number): string =>
    " ".repeat(Math.floor((width - text.length) / 2)) + text + " ".repeat(Math.ceil((width - text.length) / 2));
  const head = `|${titles.map((title, column) => ` ${centred(title, widths[column] ?? 0)} `).join("|")}|\n`;
  const body = rows.map(
    (row) => `|${row.map((cell, column) => ` ${cell.padStart(widths[column] ?? 0)} `).join("|")}|\n`,
  );
  return `${rule}${head}${rule}${body.join("")}${rule}`;
}
