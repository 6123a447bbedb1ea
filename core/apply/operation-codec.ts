/*
 * The bytes of one operation on keys (put, delete, range, transaction) inside a replicated command: a tag, a byte of
 * flags, then the fields that are set. Tags, flags and positions in the lists below are in logs on disk: append only.
 */
import { assert, unreachable } from "../assert.ts";
import type { ByteReader, ByteWriter } from "../byte-io.ts";
import { leaseIdOf, noLease } from "../ids.ts";
import type {
  Compare,
  CompareOperand,
  CompareResult,
  PutRequest,
  RangeRequest,
  SortOrder,
  SortTarget,
  TxnOperation,
} from "../request.ts";

const putTag = 1;
const deleteRangeTag = 2;
const txnTag = 3;
const rangeTag = 10;
const emptyTag = 11;

const sortOrders: readonly SortOrder[] = ["none", "ascend", "descend", "unknown"];
const sortTargets: readonly SortTarget[] = ["key", "version", "create", "mod", "value", "unknown"];
const compareResults: readonly CompareResult[] = ["equal", "greater", "less", "notEqual", "unknown"];
const compareTargets: readonly CompareOperand["target"][] = ["version", "create", "mod", "value", "lease", "unknown"];

const prevKvFlag = 1;
const ignoreValueFlag = 2;
const ignoreLeaseFlag = 4;
const leaseFlag = 8;
const rangeEndFlag = 16;
const serializableFlag = 2;
const keysOnlyFlag = 4;
const countOnlyFlag = 8;
const filtersFlag = 32;

/** Tags 1, 2, 3, 10 and 11; the others are free for commands. */
export function writeOperation(writer: ByteWriter, operation: TxnOperation): void {
  switch (operation.type) {
    case "put":
      writePut(writer, operation);
      return;
    case "deleteRange":
      writer.byte(deleteRangeTag);
      writer.byte((operation.prevKv ? prevKvFlag : 0) | (operation.rangeEnd === undefined ? 0 : rangeEndFlag));
      writer.byteString(operation.key);
      if (operation.rangeEnd !== undefined) writer.byteString(operation.rangeEnd);
      return;
    case "range":
      writeRange(writer, operation);
      return;
    case "txn":
      writer.byte(txnTag);
      writer.varint(operation.compares.length);
      for (const compare of operation.compares) writeCompare(writer, compare);
      writer.varint(operation.success.length);
      for (const inner of operation.success) writeOperation(writer, inner);
      writer.varint(operation.failure.length);
      for (const inner of operation.failure) writeOperation(writer, inner);
      return;
    case "empty":
      writer.byte(emptyTag);
      return;
    default:
      unreachable(operation);
  }
}

function writePut(writer: ByteWriter, request: PutRequest): void {
  writer.byte(putTag);
  writer.byte(
    (request.prevKv ? prevKvFlag : 0) |
      (request.ignoreValue ? ignoreValueFlag : 0) |
      (request.ignoreLease ? ignoreLeaseFlag : 0) |
      (request.lease === noLease ? 0 : leaseFlag),
  );
  writer.byteString(request.key);
  writer.byteString(request.value);
  if (request.lease !== noLease) writer.id(request.lease);
}

function writeRange(writer: ByteWriter, request: RangeRequest): void {
  const filtered =
    request.minModRevision !== 0 ||
    request.maxModRevision !== 0 ||
    request.minCreateRevision !== 0 ||
    request.maxCreateRevision !== 0;
  writer.byte(rangeTag);
  writer.byte(
    (request.serializable ? serializableFlag : 0) |
      (request.keysOnly ? keysOnlyFlag : 0) |
      (request.countOnly ? countOnlyFlag : 0) |
      (request.rangeEnd === undefined ? 0 : rangeEndFlag) |
      (filtered ? filtersFlag : 0),
  );
  writer.byteString(request.key);
  if (request.rangeEnd !== undefined) writer.byteString(request.rangeEnd);
  writer.signed(request.limit);
  writer.signed(request.revision);
  writer.byte(sortOrders.indexOf(request.sortOrder) * 16 + sortTargets.indexOf(request.sortTarget));
  if (!filtered) return;
  writer.signed(request.minModRevision);
  writer.signed(request.maxModRevision);
  writer.signed(request.minCreateRevision);
  writer.signed(request.maxCreateRevision);
}

function writeCompare(writer: ByteWriter, compare: Compare): void {
  const { operand } = compare;
  writer.byte(compareResults.indexOf(compare.result) * 16 + compareTargets.indexOf(operand.target));
  writer.byte(compare.rangeEnd === undefined ? 0 : rangeEndFlag);
  writer.byteString(compare.key);
  if (compare.rangeEnd !== undefined) writer.byteString(compare.rangeEnd);
  switch (operand.target) {
    case "version":
    case "create":
    case "mod":
      writer.signed(operand.number);
      return;
    case "value":
      writer.byteString(operand.value);
      return;
    case "lease":
      writer.id(operand.lease);
      return;
    case "unknown":
      return;
    default:
      unreachable(operand);
  }
}

/** The operation after its tag. */
export function readOperation(reader: ByteReader, tag: number): TxnOperation {
  switch (tag) {
    case putTag:
      return readPut(reader);
    case deleteRangeTag: {
      const flags = reader.byte();
      const key = reader.byteString();
      const rangeEnd = flags & rangeEndFlag ? reader.byteString() : undefined;
      return { type: "deleteRange", key, rangeEnd, prevKv: (flags & prevKvFlag) !== 0 };
    }
    case rangeTag:
      return readRange(reader);
    case txnTag: {
      const compares: Compare[] = [];
      for (let left = reader.varint(); left > 0; left--) compares.push(readCompare(reader));
      const success = readOperations(reader);
      const failure = readOperations(reader);
      return { type: "txn", compares, success, failure };
    }
    default:
      assert(tag === emptyTag, "a command holds kinds this member knows", tag);
      return { type: "empty" };
  }
}

function readOperations(reader: ByteReader): TxnOperation[] {
  const operations: TxnOperation[] = [];
  for (let left = reader.varint(); left > 0; left--) operations.push(readOperation(reader, reader.byte()));
  return operations;
}

function readPut(reader: ByteReader): PutRequest {
  const flags = reader.byte();
  const key = reader.byteString();
  const value = reader.byteString();
  return {
    type: "put",
    key,
    value,
    lease: flags & leaseFlag ? leaseIdOf(reader.signedId()) : noLease,
    prevKv: (flags & prevKvFlag) !== 0,
    ignoreValue: (flags & ignoreValueFlag) !== 0,
    ignoreLease: (flags & ignoreLeaseFlag) !== 0,
  };
}

function readRange(reader: ByteReader): RangeRequest {
  const flags = reader.byte();
  const key = reader.byteString();
  const rangeEnd = flags & rangeEndFlag ? reader.byteString() : undefined;
  const limit = reader.signed();
  const revision = reader.signed();
  const sort = reader.byte();
  const filtered = (flags & filtersFlag) !== 0;
  return {
    type: "range",
    key,
    rangeEnd,
    limit,
    revision,
    sortOrder: pick(sortOrders, sort >> 4),
    sortTarget: pick(sortTargets, sort & 15),
    serializable: (flags & serializableFlag) !== 0,
    keysOnly: (flags & keysOnlyFlag) !== 0,
    countOnly: (flags & countOnlyFlag) !== 0,
    minModRevision: filtered ? reader.signed() : 0,
    maxModRevision: filtered ? reader.signed() : 0,
    minCreateRevision: filtered ? reader.signed() : 0,
    maxCreateRevision: filtered ? reader.signed() : 0,
  };
}

function readCompare(reader: ByteReader): Compare {
  const kind = reader.byte();
  const flags = reader.byte();
  const key = reader.byteString();
  const rangeEnd = flags & rangeEndFlag ? reader.byteString() : undefined;
  return { key, rangeEnd, result: pick(compareResults, kind >> 4), operand: readOperand(reader, kind & 15) };
}

function readOperand(reader: ByteReader, target: number): CompareOperand {
  const name = pick(compareTargets, target);
  switch (name) {
    case "version":
    case "create":
    case "mod":
      return { target: name, number: reader.signed() };
    case "value":
      return { target: name, value: reader.byteString() };
    case "lease":
      return { target: name, lease: leaseIdOf(reader.signedId()) };
    case "unknown":
      return { target: name };
    default:
      return unreachable(name);
  }
}

/** The name at that position; bytes that name none are a broken invariant. */
export function pick<Name>(names: readonly Name[], position: number): Name {
  const name = names[position];
  assert(name !== undefined, "a command holds kinds this member knows", position);
  return name;
}
