/*
 * Our own history: one HistoryEvent a line (scenarios/history.ts). Shapes are checked as far as the checks rely on
 * them, so that a damaged file is refused with a line number and not judged.
 */
import type { HistoryEvent, Operation, OperationAnswer } from "../../history.ts";
import { type Fields, FormatError, isFields, linesOf, parseObject } from "./format.ts";

type Kind = "number" | "string" | "boolean" | "array" | "object";
type Shape = { readonly [field: string]: Kind };

const at: Shape = { atMs: "number" };
const eventShapes: { readonly [Type in HistoryEvent["type"]]: Shape } = {
  meta: { format: "number", startRevision: "number" },
  call: { ...at, id: "number", client: "number", member: "string", operation: "object" },
  return: { ...at, id: "number", client: "number", outcome: "string" },
  watchOpen: { ...at, watch: "number", member: "string", key: "string" },
  watchReply: { ...at, watch: "number", revision: "number", events: "array" },
  watchAsk: { ...at, watch: "number" },
  watchEnd: { ...at, watch: "number" },
  fault: { ...at, fault: "string", result: "string" },
  role: { ...at, member: "string", role: "string" },
  life: { ...at, member: "string", event: "string" },
  phase: { ...at, phase: "string" },
  alarms: { ...at, member: "string", alarms: "array" },
  autoCompaction: { ...at, member: "string", revision: "number", retention: "object" },
  replica: { ...at, member: "string", revision: "number", compactRevision: "number", hash: "number" },
};
const kv: Shape = {
  key: "string",
  value: "string",
  createRevision: "number",
  modRevision: "number",
  version: "number",
  lease: "string",
};
const operationShapes: { readonly [Op in Operation["op"]]: Shape } = {
  range: { key: "string" },
  put: { key: "string", value: "string" },
  deleteRange: { key: "string" },
  txn: { compares: "array", success: "array", failure: "array" },
  compact: { revision: "number" },
  leaseGrant: { lease: "string", ttlSeconds: "number" },
  leaseRevoke: { lease: "string" },
  leaseKeepAlive: { lease: "string" },
  leaseTimeToLive: { lease: "string" },
  hashKv: { revision: "number" },
  look: { at: "string" },
  auth: { change: "string" },
  login: { user: "string" },
};
const answerShapes: { readonly [Op in OperationAnswer["op"]]: Shape } = {
  range: { kvs: "array", count: "number", more: "boolean" },
  put: {},
  deleteRange: { deleted: "number" },
  txn: { succeeded: "boolean", responses: "array" },
  compact: {},
  leaseGrant: { lease: "string", ttlSeconds: "number" },
  leaseRevoke: {},
  leaseKeepAlive: { ttlSeconds: "number" },
  leaseTimeToLive: { ttlSeconds: "number" },
  hashKv: { hash: "number", compactRevision: "number", hashRevision: "number" },
  look: {},
  auth: {},
  login: { token: "string" },
};

/** @throws FormatError */
export function parseFaultline(text: string): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  for (const { line, text: content } of linesOf(text)) {
    const fields = parseObject(content, line);
    const type = fields["type"];
    if (typeof type !== "string" || !Object.hasOwn(eventShapes, type)) {
      throw new FormatError(
        line,
        `"type" to be one of ${Object.keys(eventShapes).join(", ")}, got ${JSON.stringify(type)}`,
      );
    }
    const check: ShapeCheck = new ShapeCheck(line);
    check.has(fields, eventShapes[type as HistoryEvent["type"]], `a ${type} event`);
    if (type === "meta" && fields["format"] !== 1) throw new FormatError(line, `"format" to be 1`);
    if (type === "call") check.operation(fields["operation"]);
    if (type === "return") check.outcome(fields);
    if (type === "watchReply") check.watchEvents(fields["events"]);
    events.push(fields as unknown as HistoryEvent);
  }
  if (events.length === 0) throw new FormatError(1, "at least one event, the file is empty");
  return events;
}

class ShapeCheck {
  readonly #line: number;

  constructor(line: number) {
    this.#line = line;
  }

  has(value: unknown, shape: Shape, what: string): asserts value is Fields {
    if (!isFields(value)) throw new FormatError(this.#line, `${what} to be an object`);
    for (const [field, kind] of Object.entries(shape)) {
      const actual = Array.isArray(value[field]) ? "array" : value[field] === null ? "null" : typeof value[field];
      if (actual !== kind) throw new FormatError(this.#line, `"${field}" of ${what} to be a ${kind}, got ${actual}`);
    }
  }

  operation(value: unknown): void {
    this.#tagged(value, operationShapes, "an operation");
    if (value["op"] !== "txn") return;
    for (const branch of [value["success"], value["failure"]]) for (const inner of list(branch)) this.operation(inner);
    for (const compare of list(value["compares"])) {
      this.has(compare, { key: "string", target: "string", result: "string" }, "a compare");
    }
  }

  outcome(fields: Fields): void {
    const outcome = fields["outcome"];
    if (outcome === "failed" || outcome === "unknown") return;
    if (outcome !== "ok") throw new FormatError(this.#line, `"outcome" to be ok, failed or unknown`);
    this.has(fields, { revision: "number", answer: "object" }, "an answered return");
    this.#answer(fields["answer"]);
  }

  watchEvents(value: unknown): void {
    for (const event of list(value)) {
      this.has(event, { type: "string", kv: "object" }, "a watch event");
      this.has(event["kv"], kv, "a key-value");
      if (event["prevKv"] !== undefined) this.has(event["prevKv"], kv, "a previous key-value");
    }
  }

  #answer(value: unknown): void {
    this.#tagged(value, answerShapes, "an answer");
    for (const row of list(value["kvs"])) this.has(row, kv, "a key-value");
    for (const row of list(value["prevKvs"])) this.has(row, kv, "a previous key-value");
    if (value["prevKv"] !== undefined) this.has(value["prevKv"], kv, "a previous key-value");
    for (const response of list(value["responses"])) this.#answer(response);
  }

  #tagged(value: unknown, shapes: { readonly [op: string]: Shape }, what: string): asserts value is Fields {
    this.has(value, { op: "string" }, what);
    const op = String(value["op"]);
    const shape = Object.hasOwn(shapes, op) ? shapes[op] : undefined;
    if (shape === undefined) {
      throw new FormatError(this.#line, `"op" of ${what} to be one of ${Object.keys(shapes).join(", ")}, got ${op}`);
    }
    this.has(value, shape, `${what} ${op}`);
  }
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
