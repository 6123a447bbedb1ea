/*
 * History files: text in, events out. A parser never repairs; it names the line and what it expected there.
 */
import type { HistoryEvent } from "../../history.ts";
import type { StringOperation } from "../strings.ts";

export type FormatName = "faultline" | "porcupine-etcd" | "porcupine-kv" | "kv-jsonl";
export const formatNames: readonly FormatName[] = ["faultline", "porcupine-etcd", "porcupine-kv", "kv-jsonl"];

export type ParsedHistory =
  | { readonly type: "events"; readonly events: readonly HistoryEvent[] }
  /** A map of strings with appends, which the store does not have: a model of its own judges it. */
  | { readonly type: "strings"; readonly operations: readonly StringOperation[] };

/** The file is not what its format says. */
export class FormatError extends Error {
  override readonly name = "FormatError";
  /** From 1. */
  readonly line: number;

  constructor(line: number, expected: string) {
    super(`line ${line}: expected ${expected}`);
    this.line = line;
  }
}

/** Lines that hold something, with their numbers from 1. */
export function* linesOf(text: string): Generator<{ readonly line: number; readonly text: string }> {
  let line = 0;
  let start = 0;
  while (start < text.length) {
    let end = text.indexOf("\n", start);
    if (end < 0) end = text.length;
    line++;
    const content = text.slice(start, end).trimEnd();
    start = end + 1;
    if (content.trim() !== "") yield { line, text: content };
  }
}

export type Fields = { readonly [name: string]: unknown };

/** One line of JSON lines. */
export function parseObject(text: string, line: number): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FormatError(line, `a JSON object, got ${shorten(text)}`);
  }
  if (!isFields(value)) throw new FormatError(line, `a JSON object, got ${shorten(text)}`);
  return value;
}

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const shorten = (text: string): string => (text.length > 60 ? `${text.slice(0, 57)}...` : text);
