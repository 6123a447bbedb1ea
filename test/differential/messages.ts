/*
 * Requests and answers as plain data, by the names of etcd's fields: what generators make, what is compared, and what is
 * printed when two servers differ. Bytes are latin1 texts, 64-bit integers are numbers or bigints, a member of a oneof
 * stands under its own name, and what is not set is absent. A request may hold references where only the run knows the
 * number; an answer has every number that each server chooses for itself replaced by what it means.
 */
import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  isFieldSet,
  type Message,
  type MessageInitShape,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { bytesOfText, textOfBytes } from "../../core/bytes.ts";

export type Plain = string | number | bigint | boolean | readonly Plain[] | { readonly [field: string]: Plain };

/** A number that differs from server to server, or from moment to moment. */
export type Reference =
  /** The newest revision seen, and so many more. */
  | { readonly current: number }
  /** The last compacted revision, and so many more. */
  | { readonly compacted: number }
  /** The revision the sequence began with, and so many more. */
  | { readonly base: number }
  /** Of that key when it was last seen, 0 when it never was. */
  | { readonly modOf: string }
  | { readonly createOf: string }
  /** The id of the lease the server chose for the grant of that number. */
  | { readonly granted: number }
  /** The id of the member that was added as that number. */
  | { readonly added: number }
  /** The server's own member id. */
  | { readonly self: true };

export type Resolve = (reference: Reference) => bigint;
const referenceNames = new Set(["current", "compacted", "base", "modOf", "createOf", "granted", "added", "self"]);

export function encodePlain(schema: DescMessage, plain: Plain, resolve: Resolve): Uint8Array {
  return toBinary(schema, messageOf(schema, plain, resolve));
}

function messageOf(schema: DescMessage, plain: Plain, resolve: Resolve): Message {
  if (!isRecord(plain)) throw new Error(`${schema.typeName} is made of fields, not of ${String(plain)}`);
  const init: { [name: string]: unknown } = {};
  for (const [name, value] of Object.entries(plain)) {
    const field = schema.field[name];
    if (field === undefined) throw new Error(`${schema.typeName} has no field ${name}`);
    const made = fieldOf(field, value, resolve);
    if (field.oneof === undefined) init[name] = made;
    else init[field.oneof.localName] = { case: name, value: made };
  }
  return create(schema, init as MessageInitShape<DescMessage>);
}

function fieldOf(field: DescField, value: Plain, resolve: Resolve): unknown {
  if (field.fieldKind === "list") {
    if (!Array.isArray(value)) throw new Error(`${field.name} is a list`);
    const items: readonly Plain[] = value;
    return items.map((item) => elementOf(field.scalar, field.message, item, resolve));
  }
  return elementOf(field.scalar, field.message, value, resolve);
}

function elementOf(
  scalar: ScalarType | undefined,
  message: DescMessage | undefined,
  value: Plain,
  resolve: Resolve,
): unknown {
  if (message !== undefined) return messageOf(message, value, resolve);
  if (scalar === ScalarType.BYTES) return bytesOfText(String(value));
  if (scalar !== ScalarType.INT64 && scalar !== ScalarType.UINT64) return value;
  const number = isReference(value) ? resolve(value) : BigInt(String(value));
  return scalar === ScalarType.INT64 ? BigInt.asIntN(64, number) : BigInt.asUintN(64, number);
}

const isRecord = (value: Plain): value is { readonly [field: string]: Plain } =>
  typeof value === "object" && !Array.isArray(value);

const isReference = (value: unknown): value is Reference => {
  if (typeof value !== "object" || value === null) return false;
  const [name] = Object.keys(value);
  return name !== undefined && referenceNames.has(name);
};

/** What an integer or a byte string of an answer means; the same value when it means itself. */
export interface Meaning {
  integer(field: string, owner: string, value: bigint): Plain;
  bytes(value: string): Plain;
  text(field: string, value: string): Plain;
}

export function decodePlain(schema: DescMessage, bytes: Uint8Array, meaning: Meaning): Plain {
  return plainOf(schema, fromBinary(schema, bytes), meaning);
}

function plainOf(schema: DescMessage, message: Message, meaning: Meaning): Plain {
  const plain: { [field: string]: Plain } = {};
  const values = message as unknown as { readonly [name: string]: unknown };
  for (const field of schema.fields) {
    if (!isFieldSet(message, field)) continue;
    const oneof =
      field.oneof === undefined ? undefined : (values[field.oneof.localName] as { readonly value: unknown });
    const value = oneof === undefined ? values[field.localName] : oneof.value;
    plain[field.localName] = Array.isArray(value)
      ? value.map((item: unknown) => plainElement(field, item, meaning))
      : plainElement(field, value, meaning);
  }
  return plain;
}

function plainElement(field: DescField, value: unknown, meaning: Meaning): Plain {
  if (value instanceof Uint8Array) return meaning.bytes(textOfBytes(value));
  if (typeof value === "bigint") return meaning.integer(field.localName, field.parent.name, value);
  if (typeof value === "string") return meaning.text(field.localName, value);
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (field.message === undefined) throw new Error(`${field.name} holds what no field of etcd's holds`);
  return plainOf(field.message, value as Message, meaning);
}

/** One line of JSON; integers beyond 2^53 with an n behind them. */
export const printed = (value: unknown): string =>
  JSON.stringify(value, (_name, part: unknown) => (typeof part === "bigint" ? `${part}n` : part)) ?? "undefined";
