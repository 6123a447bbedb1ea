/*
 * The KV service: Range, Put, DeleteRange, Txn, Compact between etcd's messages and core's requests and answers.
 * Unknown enum numbers become "unknown"; what that means is the server's business, not the wire's.
 */
import { create } from "@bufbuild/protobuf";
import { assert } from "../assert.ts";
import { leaseIdOf, revisionOf } from "../ids.ts";
import type {
  CompactRequest,
  Compare,
  CompareOperand,
  CompareResult,
  DeleteRangeAnswer,
  DeleteRangeRequest,
  Header,
  PutAnswer,
  PutRequest,
  RangeAnswer,
  RangeRequest,
  SortOrder,
  SortTarget,
  TxnAnswer,
  TxnOperation,
  TxnRequest,
  TxnResponse,
} from "../request.ts";
import {
  CompactionRequestSchema,
  CompactionResponseSchema,
  CompareSchema,
  DeleteRangeRequestSchema,
  DeleteRangeResponseSchema,
  PutRequestSchema,
  PutResponseSchema,
  RangeRequestSchema,
  RangeResponseSchema,
  RequestOpSchema,
  ResponseHeaderSchema,
  ResponseOpSchema,
  TxnRequestSchema,
  TxnResponseSchema,
  type CompactionRequest as WireCompactionRequest,
  type CompactionResponse as WireCompactionResponse,
  type Compare as WireCompare,
  type DeleteRangeRequest as WireDeleteRangeRequest,
  type DeleteRangeResponse as WireDeleteRangeResponse,
  type ResponseHeader as WireHeader,
  type PutRequest as WirePutRequest,
  type PutResponse as WirePutResponse,
  type RangeRequest as WireRangeRequest,
  type RangeResponse as WireRangeResponse,
  type RequestOp as WireRequestOp,
  type ResponseOp as WireResponseOp,
  type TxnRequest as WireTxnRequest,
  type TxnResponse as WireTxnResponse,
} from "./gen/etcdserverpb/rpc_pb.ts";
import { int64FromNumber, numberFromInt64 } from "./integers.ts";
import {
  headerToWire,
  innerHeaderToWire,
  keyValueFromWire,
  keyValueToWire,
  rangeEndFromWire,
  rangeEndToWire,
} from "./key-value.ts";

export const sortOrders: readonly SortOrder[] = ["none", "ascend", "descend"];
export const sortTargets: readonly SortTarget[] = ["key", "version", "create", "mod", "value"];
const compareResults: readonly CompareResult[] = ["equal", "greater", "less", "notEqual"];
const compareTargets: readonly CompareOperand["target"][] = ["version", "create", "mod", "value", "lease"];
/** A number no release of etcd knows, for core's "unknown". */
const unknownNumber = 99;

const numberOf = <Name>(names: readonly Name[], name: Name): number => {
  const position = names.indexOf(name);
  return position < 0 ? unknownNumber : position;
};

// ---- requests ------------------------------------------------------------------------------------------------

export const rangeFromWire = (wire: WireRangeRequest): RangeRequest => ({
  type: "range",
  key: wire.key,
  rangeEnd: rangeEndFromWire(wire.rangeEnd),
  limit: numberFromInt64(wire.limit),
  revision: numberFromInt64(wire.revision),
  sortOrder: sortOrders[wire.sortOrder] ?? "unknown",
  sortTarget: sortTargets[wire.sortTarget] ?? "unknown",
  serializable: wire.serializable,
  keysOnly: wire.keysOnly,
  countOnly: wire.countOnly,
  minModRevision: numberFromInt64(wire.minModRevision),
  maxModRevision: numberFromInt64(wire.maxModRevision),
  minCreateRevision: numberFromInt64(wire.minCreateRevision),
  maxCreateRevision: numberFromInt64(wire.maxCreateRevision),
});

export function rangeToWire(request: RangeRequest): WireRangeRequest {
  const wire = create(RangeRequestSchema);
  wire.key = request.key;
  wire.rangeEnd = rangeEndToWire(request.rangeEnd);
  wire.limit = int64FromNumber(request.limit);
  wire.revision = int64FromNumber(request.revision);
  wire.sortOrder = numberOf(sortOrders, request.sortOrder) as typeof wire.sortOrder;
  wire.sortTarget = numberOf(sortTargets, request.sortTarget) as typeof wire.sortTarget;
  wire.serializable = request.serializable;
  wire.keysOnly = request.keysOnly;
  wire.countOnly = request.countOnly;
  wire.minModRevision = int64FromNumber(request.minModRevision);
  wire.maxModRevision = int64FromNumber(request.maxModRevision);
  wire.minCreateRevision = int64FromNumber(request.minCreateRevision);
  wire.maxCreateRevision = int64FromNumber(request.maxCreateRevision);
  return wire;
}

export const putFromWire = (wire: WirePutRequest): PutRequest => ({
  type: "put",
  key: wire.key,
  value: wire.value,
  lease: leaseIdOf(wire.lease),
  prevKv: wire.prevKv,
  ignoreValue: wire.ignoreValue,
  ignoreLease: wire.ignoreLease,
});

export function putToWire(request: PutRequest): WirePutRequest {
  const wire = create(PutRequestSchema);
  wire.key = request.key;
  wire.value = request.value;
  wire.lease = request.lease;
  wire.prevKv = request.prevKv;
  wire.ignoreValue = request.ignoreValue;
  wire.ignoreLease = request.ignoreLease;
  return wire;
}

export const deleteRangeFromWire = (wire: WireDeleteRangeRequest): DeleteRangeRequest => ({
  type: "deleteRange",
  key: wire.key,
  rangeEnd: rangeEndFromWire(wire.rangeEnd),
  prevKv: wire.prevKv,
});

export function deleteRangeToWire(request: DeleteRangeRequest): WireDeleteRangeRequest {
  const wire = create(DeleteRangeRequestSchema);
  wire.key = request.key;
  wire.rangeEnd = rangeEndToWire(request.rangeEnd);
  wire.prevKv = request.prevKv;
  return wire;
}

export const compactFromWire = (wire: WireCompactionRequest): CompactRequest => ({
  type: "compact",
  revision: numberFromInt64(wire.revision),
  physical: wire.physical,
});

export function compactToWire(request: CompactRequest): WireCompactionRequest {
  const wire = create(CompactionRequestSchema);
  wire.revision = int64FromNumber(request.revision);
  wire.physical = request.physical;
  return wire;
}

export const txnFromWire = (wire: WireTxnRequest): TxnRequest => ({
  type: "txn",
  compares: wire.compare.map(compareFromWire),
  success: wire.success.map(operationFromWire),
  failure: wire.failure.map(operationFromWire),
});

export function txnToWire(request: TxnRequest): WireTxnRequest {
  const wire = create(TxnRequestSchema);
  wire.compare = request.compares.map(compareToWire);
  wire.success = request.success.map(operationToWire);
  wire.failure = request.failure.map(operationToWire);
  return wire;
}

function operationFromWire(wire: WireRequestOp): TxnOperation {
  switch (wire.request.case) {
    case "requestRange":
      return rangeFromWire(wire.request.value);
    case "requestPut":
      return putFromWire(wire.request.value);
    case "requestDeleteRange":
      return deleteRangeFromWire(wire.request.value);
    case "requestTxn":
      return txnFromWire(wire.request.value);
    default:
      return { type: "empty" };
  }
}

function operationToWire(operation: TxnOperation): WireRequestOp {
  const wire = create(RequestOpSchema);
  switch (operation.type) {
    case "range":
      wire.request = { case: "requestRange", value: rangeToWire(operation) };
      break;
    case "put":
      wire.request = { case: "requestPut", value: putToWire(operation) };
      break;
    case "deleteRange":
      wire.request = { case: "requestDeleteRange", value: deleteRangeToWire(operation) };
      break;
    case "txn":
      wire.request = { case: "requestTxn", value: txnToWire(operation) };
      break;
    case "empty":
      break;
  }
  return wire;
}

function compareFromWire(wire: WireCompare): Compare {
  return {
    result: compareResults[wire.result] ?? "unknown",
    operand: operandFromWire(wire),
    key: wire.key,
    rangeEnd: rangeEndFromWire(wire.rangeEnd),
  };
}

/** An operand of another target than the compare's, or none, counts as 0 or empty. */
function operandFromWire(wire: WireCompare): CompareOperand {
  const union = wire.targetUnion;
  const target = compareTargets[wire.target];
  switch (target) {
    case "version":
      return { target, number: union.case === "version" ? numberFromInt64(union.value) : 0 };
    case "create":
      return { target, number: union.case === "createRevision" ? numberFromInt64(union.value) : 0 };
    case "mod":
      return { target, number: union.case === "modRevision" ? numberFromInt64(union.value) : 0 };
    case "value":
      return { target, value: union.case === "value" ? union.value : new Uint8Array(0) };
    case "lease":
      return { target, lease: leaseIdOf(union.case === "lease" ? union.value : 0n) };
    default:
      return { target: "unknown" };
  }
}

function compareToWire(compare: Compare): WireCompare {
  const wire = create(CompareSchema);
  wire.result = numberOf(compareResults, compare.result) as typeof wire.result;
  wire.target = numberOf(compareTargets, compare.operand.target) as typeof wire.target;
  wire.key = compare.key;
  wire.rangeEnd = rangeEndToWire(compare.rangeEnd);
  switch (compare.operand.target) {
    case "version":
      wire.targetUnion = { case: "version", value: int64FromNumber(compare.operand.number) };
      break;
    case "create":
      wire.targetUnion = { case: "createRevision", value: int64FromNumber(compare.operand.number) };
      break;
    case "mod":
      wire.targetUnion = { case: "modRevision", value: int64FromNumber(compare.operand.number) };
      break;
    case "value":
      wire.targetUnion = { case: "value", value: compare.operand.value };
      break;
    case "lease":
      wire.targetUnion = { case: "lease", value: compare.operand.lease };
      break;
    case "unknown":
      break;
  }
  return wire;
}

// ---- answers -------------------------------------------------------------------------------------------------

export function rangeAnswerToWire(answer: RangeAnswer, header: WireHeader): WireRangeResponse {
  const wire = create(RangeResponseSchema);
  wire.header = header;
  wire.kvs = answer.keyValues.map(keyValueToWire);
  wire.more = answer.more;
  wire.count = int64FromNumber(answer.count);
  return wire;
}

export const rangeAnswerFromWire = (wire: WireRangeResponse): RangeAnswer => ({
  type: "range",
  keyValues: wire.kvs.map(keyValueFromWire),
  more: wire.more,
  count: numberFromInt64(wire.count),
});

export function putAnswerToWire(answer: PutAnswer, header: WireHeader): WirePutResponse {
  const wire = create(PutResponseSchema);
  wire.header = header;
  if (answer.prevKv !== undefined) wire.prevKv = keyValueToWire(answer.prevKv);
  return wire;
}

export const putAnswerFromWire = (wire: WirePutResponse): PutAnswer => ({
  type: "put",
  prevKv: wire.prevKv === undefined ? undefined : keyValueFromWire(wire.prevKv),
});

export function deleteRangeAnswerToWire(answer: DeleteRangeAnswer, header: WireHeader): WireDeleteRangeResponse {
  const wire = create(DeleteRangeResponseSchema);
  wire.header = header;
  wire.deleted = int64FromNumber(answer.deleted);
  wire.prevKvs = answer.prevKvs.map(keyValueToWire);
  return wire;
}

export const deleteRangeAnswerFromWire = (wire: WireDeleteRangeResponse): DeleteRangeAnswer => ({
  type: "deleteRange",
  deleted: numberFromInt64(wire.deleted),
  prevKvs: wire.prevKvs.map(keyValueFromWire),
});

export function compactAnswerToWire(_answer: { readonly type: "compact" }, header: Header): WireCompactionResponse {
  const wire = create(CompactionResponseSchema);
  wire.header = headerToWire(header);
  return wire;
}

export function txnAnswerToWire(answer: TxnAnswer, header: WireHeader): WireTxnResponse {
  const wire = create(TxnResponseSchema);
  wire.header = header;
  wire.succeeded = answer.succeeded;
  wire.responses = answer.responses.map(responseToWire);
  return wire;
}

export const txnAnswerFromWire = (wire: WireTxnResponse): TxnAnswer => ({
  type: "txn",
  succeeded: wire.succeeded,
  responses: wire.responses.map(responseFromWire),
});

/** Inner headers carry only a revision; that of a nested transaction is there but empty. */
function responseToWire({ answer, revision }: TxnResponse): WireResponseOp {
  const wire = create(ResponseOpSchema);
  switch (answer.type) {
    case "range":
      wire.response = { case: "responseRange", value: rangeAnswerToWire(answer, innerHeaderToWire(revision)) };
      break;
    case "put":
      wire.response = { case: "responsePut", value: putAnswerToWire(answer, innerHeaderToWire(revision)) };
      break;
    case "deleteRange":
      wire.response = {
        case: "responseDeleteRange",
        value: deleteRangeAnswerToWire(answer, innerHeaderToWire(revision)),
      };
      break;
    case "txn":
      wire.response = { case: "responseTxn", value: txnAnswerToWire(answer, create(ResponseHeaderSchema)) };
      break;
  }
  return wire;
}

function responseFromWire(wire: WireResponseOp): TxnResponse {
  const response = wire.response;
  assert(response.case !== undefined, "an answer inside a transaction has a type");
  const revision = revisionOf(numberFromInt64(response.value.header?.revision ?? 0n));
  switch (response.case) {
    case "responseRange":
      return { revision, answer: rangeAnswerFromWire(response.value) };
    case "responsePut":
      return { revision, answer: putAnswerFromWire(response.value) };
    case "responseDeleteRange":
      return { revision, answer: deleteRangeAnswerFromWire(response.value) };
    case "responseTxn":
      return { revision, answer: txnAnswerFromWire(response.value) };
  }
}
