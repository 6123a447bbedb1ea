/*
 * JSON lines of a key-value store: a header, then one operation a line with the times of its call and its answer,
 * optionally the store's change log. Times are compared, never subtracted; equal times are concurrent. The change log
 * becomes a watch of everything that was read after the run. What the header expects is for people only.
 */
import type { HistoryEvent, HistoryKeyValue, Operation, OperationAnswer } from "../../history.ts";
import { unreported } from "../operations.ts";
import {
  compareAndSet,
  compareAndSetAnswer,
  foreignAnswer,
  foreignCall,
  foreignFailure,
  foreignMeta,
  foundAnswer,
} from "./foreign.ts";
import { type Fields, FormatError, linesOf, parseObject } from "./format.ts";

export const looksLikeKvJsonl = (line: string): boolean => /"type"\s*:\s*"meta"/.test(line) && !/"scenario"/.test(line);

interface Timed {
  readonly at: number;
  /** Calls before returns of the same time, so that they are concurrent. */
  readonly order: 0 | 1;
  readonly event: HistoryEvent;
}

/** @throws FormatError */
export function parseKvJsonl(text: string): HistoryEvent[] {
  let startRevision = 1;
  let revisioned = false;
  let sawHeader = false;
  const timed: Timed[] = [];
  const log: HistoryEvent[] = [];
  for (const { line, text: content } of linesOf(text)) {
    const read = new LineReader(parseObject(content, line), line);
    const type = read.fields["type"];
    if (type === "meta") {
      if (read.number("format") !== 1) throw new FormatError(line, `"format" to be 1`);
      if (read.fields["startRevision"] !== undefined) startRevision = read.number("startRevision");
      sawHeader = true;
    } else if (!sawHeader) throw new FormatError(line, `the header ("type": "meta") first`);
    else if (type === "event") log.push(logEvent(read, log.length + 1));
    else if (type !== undefined) throw new FormatError(line, `an operation or "type": "event", got ${String(type)}`);
    else {
      revisioned ||= typeof read.fields["rev"] === "number";
      readOperation(read, timed);
    }
  }
  if (!sawHeader) throw new FormatError(1, "a header, the file is empty");
  timed.sort((a, b) => a.at - b.at || a.order - b.order);
  const events = [foreignMeta("kv-jsonl", startRevision), ...timed.map((item) => item.event)];
  // Without revisions in answers there is nothing that the log's revisions could be held against.
  return revisioned && log.length > 0 ? [...events, logOpen, ...log] : events;
}

function readOperation(read: LineReader, into: Timed[]): void {
  const id = read.number("id");
  const client = read.number("client");
  const call = read.number("call");
  const key = read.text("key");
  into.push({ at: call, order: 0, event: foreignCall(id, client, operationOf(read, key)) });
  const status = read.text("status");
  if (status === "unknown") return;
  if (status === "fail") {
    // A promise of no effect may come at any time; nothing is concluded from when.
    into.push({ at: call, order: 1, event: foreignFailure(id, client, "failed", "fail") });
    return;
  }
  if (status !== "ok") throw new FormatError(read.line, `"status" to be ok, unknown or fail, got ${status}`);
  const ret = read.number("ret");
  if (ret < call) throw new FormatError(read.line, `"ret" (${ret}) not to be before "call" (${call})`);
  const revision = read.fields["rev"] === undefined ? unreported : read.number("rev");
  into.push({ at: ret, order: 1, event: foreignAnswer(id, client, answerOf(read, key), revision) });
}

function operationOf(read: LineReader, key: string): Operation {
  const op = read.text("op");
  switch (op) {
    case "get":
      return { op: "range", key };
    case "put":
      return { op: "put", key, value: read.text("value") };
    case "cas": {
      const expected = read.fields["expect"];
      return compareAndSet(key, expected === null ? undefined : read.text("expect"), read.text("value"));
    }
    case "delete":
      return { op: "deleteRange", key };
    default:
      throw new FormatError(read.line, `"op" to be get, put, cas or delete, got ${op}`);
  }
}

function answerOf(read: LineReader, key: string): OperationAnswer {
  const out = read.fields["out"];
  switch (read.text("op")) {
    case "get": {
      const mod = read.fields["mod"] === undefined ? unreported : read.number("mod");
      if (out !== null && typeof out !== "string") throw new FormatError(read.line, `"out" of a get: a text or null`);
      return foundAnswer(key, out ?? undefined, mod);
    }
    case "cas":
      if (typeof out !== "boolean") throw new FormatError(read.line, `"out" of a cas to be true or false`);
      return compareAndSetAnswer(out);
    case "delete":
      if (out !== 0 && out !== 1) throw new FormatError(read.line, `"out" of a delete to be 0 or 1`);
      return { op: "deleteRange", deleted: out };
    default:
      return { op: "put" };
  }
}

const logOpen: HistoryEvent = {
  type: "watchOpen",
  watch: 1,
  client: -1,
  atMs: 0,
  member: "the change log",
  key: "\0",
  rangeEnd: "\0",
  startRevision: 1,
  prevKv: false,
  noPut: false,
  noDelete: false,
  progressNotify: false,
};

function logEvent(read: LineReader, atMs: number): HistoryEvent {
  const revision = read.number("rev");
  const value = read.fields["value"];
  if (value !== null && typeof value !== "string") throw new FormatError(read.line, `"value" to be a text or null`);
  const kv: HistoryKeyValue = {
    key: read.text("key"),
    value: value ?? "",
    createRevision: value === null ? 0 : unreported,
    modRevision: revision,
    version: value === null ? 0 : unreported,
    lease: value === null ? "0" : "",
  };
  return {
    type: "watchReply",
    watch: 1,
    atMs,
    revision,
    created: false,
    canceled: false,
    compactRevision: 0,
    progress: false,
    events: [{ type: value === null ? "delete" : "put", kv }],
  };
}

class LineReader {
  readonly fields: Fields;
  readonly line: number;

  constructor(fields: Fields, line: number) {
    this.fields = fields;
    this.line = line;
  }

  number(name: string): number {
    const value = this.fields[name];
    if (typeof value === "number" && Number.isSafeInteger(value)) return value;
    throw new FormatError(this.line, `"${name}" to be a whole number, got ${JSON.stringify(value)}`);
  }

  text(name: string): string {
    const value = this.fields[name];
    if (typeof value === "string") return value;
    throw new FormatError(this.line, `"${name}" to be a text, got ${JSON.stringify(value)}`);
  }
}
