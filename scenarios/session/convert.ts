/*
 * The history's vocabulary ↔ core's own types: operation → request, answer → body of a return event, replies of a
 * watch, and statuses of a real server → the refusal they are. Bytes and texts are mapped one character a byte.
 */
import {
  type Answer,
  bytesOfText,
  type Compare,
  type CompareOperand,
  type DeleteRangeAnswer,
  type DeleteRangeRequest,
  type KeyRange,
  leaseIdOf,
  memberIdOf,
  noLease,
  type PutAnswer,
  type PutRequest,
  type RangeAnswer,
  type RangeRequest,
  type Refusal,
  type Request,
  refusals,
  type TxnAnswer,
  type TxnRequest,
  textOfBytes,
  unreachable,
  type WatchReply,
} from "../../core/index.ts";
import type {
  AuthOperation,
  CompareOperation,
  DeleteRangeOperation,
  HistoryWatchEvent,
  KvOperation,
  Operation,
  OperationAnswer,
  PutOperation,
  RangeOperation,
  Sight,
  TxnOperation,
  WatchReplyEvent,
} from "../history.ts";
import type { HistoryKeyValues } from "./history-key-values.ts";

/** Every operation but a keep-alive, which is a request on a stream. */
export type UnaryOperation = Exclude<Operation, { op: "leaseKeepAlive" }>;
type KvRequest = RangeRequest | PutRequest | DeleteRangeRequest | TxnRequest;
type KvAnswer = RangeAnswer | PutAnswer | DeleteRangeAnswer | TxnAnswer;

// ---- operation → request ---------------------------------------------------------------------------------------

/** The request a client sends for that operation. */
export function requestOf(operation: UnaryOperation): Request {
  switch (operation.op) {
    case "range":
    case "put":
    case "deleteRange":
    case "txn":
      return kvRequestOf(operation);
    case "compact":
      return { type: "compact", revision: operation.revision, physical: operation.physical === true };
    case "leaseGrant":
      return { type: "leaseGrant", leaseId: leaseIdOf(BigInt(operation.lease)), ttlSeconds: operation.ttlSeconds };
    case "leaseRevoke":
      return { type: "leaseRevoke", leaseId: leaseIdOf(BigInt(operation.lease)) };
    case "leaseTimeToLive":
      return {
        type: "leaseTimeToLive",
        leaseId: leaseIdOf(BigInt(operation.lease)),
        keys: operation.keys === true,
      };
    case "hashKv":
      return { type: "hashKv", revision: operation.revision };
    case "look":
      return requestToLook[operation.at];
    case "auth":
      return authRequestOf(operation);
    case "login":
      return { type: "authenticate", name: operation.user, password: operation.password };
    default:
      return unreachable(operation);
  }
}

const requestToLook: { readonly [At in Sight]: Request } = {
  status: { type: "status" },
  members: { type: "memberList", linearizable: false },
  membersNow: { type: "memberList", linearizable: true },
  leases: { type: "leaseLeases" },
  alarms: { type: "alarm", action: "get", memberId: memberIdOf(0n), alarm: "none" },
  auth: { type: "authStatus" },
  users: { type: "userList" },
  roles: { type: "roleList" },
};

function authRequestOf(operation: AuthOperation): Request {
  switch (operation.change) {
    case "enable":
      return { type: "authEnable" };
    case "addUser":
      return { type: "userAdd", name: operation.user, password: operation.password, noPassword: false };
    case "changePassword":
      return { type: "userChangePassword", name: operation.user, password: operation.password };
    case "addRole":
      return { type: "roleAdd", role: operation.role };
    case "grantRole":
      return { type: "userGrantRole", name: operation.user, role: operation.role };
    case "revokeRole":
      return { type: "userRevokeRole", name: operation.user, role: operation.role };
    case "grantRange": {
      const permission = { type: operation.right, ...keyRangeOf(operation) };
      return { type: "roleGrantPermission", role: operation.role, permission };
    }
    case "revokeRange":
      return { type: "roleRevokePermission", role: operation.role, ...keyRangeOf(operation) };
    default:
      return unreachable(operation);
  }
}

function kvRequestOf(operation: KvOperation): KvRequest {
  switch (operation.op) {
    case "range":
      return rangeRequestOf(operation);
    case "put":
      return putRequestOf(operation);
    case "deleteRange":
      return deleteRequestOf(operation);
    case "txn":
      return txnRequestOf(operation);
    default:
      return unreachable(operation);
  }
}

/** Key and range end as bytes. */
export function keyRangeOf(range: { readonly key: string; readonly rangeEnd?: string }): KeyRange {
  return {
    key: bytesOfText(range.key),
    rangeEnd: range.rangeEnd === undefined ? undefined : bytesOfText(range.rangeEnd),
  };
}

function rangeRequestOf(operation: RangeOperation): RangeRequest {
  const { key, rangeEnd } = keyRangeOf(operation);
  return {
    type: "range",
    key,
    rangeEnd,
    limit: operation.limit ?? 0,
    revision: operation.revision ?? 0,
    sortOrder: operation.sortOrder ?? "none",
    sortTarget: operation.sortTarget ?? "key",
    serializable: operation.serializable === true,
    keysOnly: operation.keysOnly === true,
    countOnly: operation.countOnly === true,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
  };
}

function putRequestOf(operation: PutOperation): PutRequest {
  return {
    type: "put",
    key: bytesOfText(operation.key),
    value: bytesOfText(operation.value),
    lease: operation.lease === undefined ? noLease : leaseIdOf(BigInt(operation.lease)),
    prevKv: operation.prevKv === true,
    ignoreValue: false,
    ignoreLease: false,
  };
}

function deleteRequestOf(operation: DeleteRangeOperation): DeleteRangeRequest {
  const { key, rangeEnd } = keyRangeOf(operation);
  return { type: "deleteRange", key, rangeEnd, prevKv: operation.prevKv === true };
}

function txnRequestOf(operation: TxnOperation): TxnRequest {
  return {
    type: "txn",
    compares: operation.compares.map(compareOf),
    success: operation.success.map(kvRequestOf),
    failure: operation.failure.map(kvRequestOf),
  };
}

function compareOf(compare: CompareOperation): Compare {
  const { key, rangeEnd } = keyRangeOf(compare);
  return { key, rangeEnd, result: compare.result, operand: operandOf(compare) };
}

function operandOf(compare: CompareOperation): CompareOperand {
  switch (compare.target) {
    case "version":
    case "create":
    case "mod":
      return { target: compare.target, number: Number(compare.operand) };
    case "value":
      return { target: "value", value: bytesOfText(String(compare.operand)) };
    case "lease":
      return { target: "lease", lease: leaseIdOf(BigInt(compare.operand)) };
    default:
      return unreachable(compare.target);
  }
}

// ---- answer → history ------------------------------------------------------------------------------------------

/** Body of the return event; undefined when the answer is of another kind than the operation (a broken server). */
export function answerOf(
  operation: UnaryOperation,
  answer: Answer,
  keyValues: HistoryKeyValues,
): OperationAnswer | undefined {
  switch (operation.op) {
    case "range":
    case "put":
    case "deleteRange":
    case "txn":
      return answer.type === operation.op ? kvAnswerOf(operation, answer, keyValues) : undefined;
    case "compact":
      return answer.type === "compact" ? { op: "compact" } : undefined;
    case "leaseGrant":
      return answer.type === "leaseGrant"
        ? { op: "leaseGrant", lease: answer.leaseId.toString(), ttlSeconds: answer.ttlSeconds }
        : undefined;
    case "leaseRevoke":
      return answer.type === "leaseRevoke" ? { op: "leaseRevoke" } : undefined;
    case "leaseTimeToLive": {
      if (answer.type !== "leaseTimeToLive") return undefined;
      const { ttlSeconds, grantedTtlSeconds } = answer;
      if (operation.keys !== true) return { op: "leaseTimeToLive", ttlSeconds, grantedTtlSeconds };
      return { op: "leaseTimeToLive", ttlSeconds, grantedTtlSeconds, keys: answer.keys.map(textOfBytes) };
    }
    case "hashKv":
      return answer.type === "hashKv"
        ? {
            op: "hashKv",
            hash: answer.hash,
            compactRevision: answer.compactRevision,
            hashRevision: answer.hashRevision,
          }
        : undefined;
    case "look":
      return answer.type === requestToLook[operation.at].type ? { op: "look" } : undefined;
    case "auth":
      return answer.type === authRequestOf(operation).type ? { op: "auth" } : undefined;
    case "login":
      return answer.type === "authenticate" ? { op: "login", token: answer.token } : undefined;
    default:
      return unreachable(operation);
  }
}

function kvAnswerOf(
  operation: KvOperation,
  answer: KvAnswer,
  keyValues: HistoryKeyValues,
): OperationAnswer | undefined {
  switch (answer.type) {
    case "range":
      return { op: "range", kvs: keyValues.ofAll(answer.keyValues), count: answer.count, more: answer.more };
    case "put":
      return answer.prevKv === undefined ? { op: "put" } : { op: "put", prevKv: keyValues.of(answer.prevKv) };
    case "deleteRange":
      return operation.op === "deleteRange" && operation.prevKv === true
        ? { op: "deleteRange", deleted: answer.deleted, prevKvs: keyValues.ofAll(answer.prevKvs) }
        : { op: "deleteRange", deleted: answer.deleted };
    case "txn":
      return operation.op === "txn" ? txnAnswerOf(operation, answer, keyValues) : undefined;
    default:
      return unreachable(answer);
  }
}

function txnAnswerOf(
  operation: TxnOperation,
  answer: TxnAnswer,
  keyValues: HistoryKeyValues,
): OperationAnswer | undefined {
  const branch = answer.succeeded ? operation.success : operation.failure;
  if (branch.length !== answer.responses.length) return undefined;
  const responses: (OperationAnswer & { readonly revision: number })[] = [];
  for (let position = 0; position < branch.length; position++) {
    const inner = branch[position];
    const response = answer.responses[position];
    if (inner === undefined || response === undefined || inner.op !== response.answer.type) return undefined;
    const body = kvAnswerOf(inner, response.answer, keyValues);
    if (body === undefined) return undefined;
    responses.push({ ...body, revision: response.revision });
  }
  return { op: "txn", succeeded: answer.succeeded, responses };
}

/** History event of one watch reply taken at that time. */
export function watchReplyEventOf(
  reply: WatchReply,
  seen: { readonly watch: number; readonly atMs: number },
  keyValues: HistoryKeyValues,
): WatchReplyEvent {
  const events: HistoryWatchEvent[] = [];
  for (const event of reply.events) {
    const kv = keyValues.of(event.keyValue);
    events.push(
      event.prevKv === undefined
        ? { type: event.type, kv }
        : { type: event.type, kv, prevKv: keyValues.of(event.prevKv) },
    );
  }
  return {
    type: "watchReply",
    watch: seen.watch,
    atMs: seen.atMs,
    revision: reply.header.revision,
    created: reply.created,
    canceled: reply.canceled,
    compactRevision: reply.compactRevision,
    progress: events.length === 0 && !reply.created && !reply.canceled,
    events,
  };
}

// ---- statuses --------------------------------------------------------------------------------------------------

/** The refusal a real server means by that status; undefined for one no table knows, which promises nothing. */
export function refusalOfStatus(code: string, text: string): Refusal | undefined {
  return refusalsByText.get(`${code} ${text}`);
}

const refusalsByText: ReadonlyMap<string, Refusal> = new Map(
  Object.values(refusals).map((refusal) => [`${refusal.code} ${refusal.text}`, refusal]),
);
