/*
 * Refusals that need no state: what is wrong with a request by itself, found before it is proposed or read. The order
 * of the checks is etcd's, because a request may be wrong in several ways and clients see only the first.
 * Source: etcd v3 API, KV.Range, KV.Put, KV.DeleteRange, KV.Txn (limits, static checks, duplicate-key rule).
 */
import { textOfBytes, utf8Encode } from "../bytes.ts";
import type { MemberConfig } from "../config.ts";
import type { RefusalName } from "../errors.ts";
import { noLease } from "../ids.ts";
import { intervalOf, type KeyInterval } from "../mvcc/tree-index.ts";
import type { PutRequest, RangeRequest, Request, TxnOperation, TxnRequest } from "../request.ts";

/** The first thing wrong with the request; undefined when it may go on. */
export function refusalOfRequest(
  request: Request,
  config: Pick<MemberConfig, "txnOperationsMax">,
): RefusalName | undefined {
  switch (request.type) {
    case "range":
      return refusalOfRange(request);
    case "put":
      return refusalOfPut(request);
    case "deleteRange":
      return request.key.length === 0 ? "emptyKey" : undefined;
    case "txn":
      return (
        refusalOfTxn(request, config.txnOperationsMax) ??
        refusalOfDuplicates(request.success) ??
        refusalOfDuplicates(request.failure)
      );
    case "memberAdd":
      return request.peerUrls.length > 0 && request.peerUrls.every(isMemberUrl) ? undefined : "memberBadUrls";
    case "memberReconfigure":
      return request.add.every(({ peerUrls }) => peerUrls.length > 0 && peerUrls.every(isMemberUrl))
        ? undefined
        : "memberBadUrls";
    case "userAdd":
    case "userChangePassword":
      return utf8Encode(request.password).length > passwordBytesMax ? "passwordTooLong" : undefined;
    default:
      return undefined;
  }
}

/** http, https, unix or unixs, with host and port, and nothing after them. */
const isMemberUrl = (url: string): boolean =>
  /^(https?|unixs?):\/\/(\[[0-9a-fA-F:.%]+\]|[^\s/?#:@[\]]*):[0-9]{1,5}$/.test(url);

/** What is beyond, bcrypt would not look at. */
const passwordBytesMax = 72;

function refusalOfRange(request: RangeRequest): RefusalName | undefined {
  if (request.key.length === 0) return "emptyKey";
  return request.sortOrder === "unknown" || request.sortTarget === "unknown" ? "invalidSortOption" : undefined;
}

function refusalOfPut(request: PutRequest): RefusalName | undefined {
  if (request.key.length === 0) return "emptyKey";
  if (request.ignoreValue && request.value.length > 0) return "valueProvided";
  return request.ignoreLease && request.lease !== noLease ? "leaseProvided" : undefined;
}

/** Both branches are checked, whichever will run. A nested transaction has what its parent's longest list leaves. */
function refusalOfTxn(request: TxnRequest, operationsMax: number): RefusalName | undefined {
  const operations = Math.max(request.compares.length, request.success.length, request.failure.length);
  if (operations > operationsMax) return "tooManyOperations";
  for (const compare of request.compares) {
    if (compare.key.length === 0) return "emptyKey";
  }
  const left = operationsMax - operations;
  return refusalOfOperations(request.success, left) ?? refusalOfOperations(request.failure, left);
}

function refusalOfOperations(operations: readonly TxnOperation[], operationsMax: number): RefusalName | undefined {
  for (const operation of operations) {
    const refusal = refusalOfOperation(operation, operationsMax);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function refusalOfOperation(operation: TxnOperation, operationsMax: number): RefusalName | undefined {
  switch (operation.type) {
    case "range":
      return refusalOfRange(operation);
    case "put":
      return refusalOfPut(operation);
    case "deleteRange":
      return operation.key.length === 0 ? "emptyKey" : undefined;
    case "txn":
      return refusalOfTxn(operation, operationsMax);
    case "empty":
      return "keyNotFound";
  }
}

// ---- the duplicate-key rule ------------------------------------------------------------------------------------

/** What a list of operations may touch, whichever of its nested branches run. */
interface Touched {
  readonly puts: Set<string>;
  readonly deletes: KeyInterval[];
}

const refusalOfDuplicates = (operations: readonly TxnOperation[]): RefusalName | undefined =>
  mayClash(operations) && touchedBy(operations) === "duplicateKey" ? "duplicateKey" : undefined;

/** False for most transactions: one write beside any number of reads. */
function mayClash(operations: readonly TxnOperation[]): boolean {
  let writes = 0;
  for (let position = 0; position < operations.length; position++) {
    const type = operations[position]?.type;
    if (type === "txn") return true;
    if (type === "put" || type === "deleteRange") writes += 1;
  }
  return writes > 1;
}

/**
 * No key may be put twice in one list, or put and deleted; deletes may overlap. The order in which nested transactions
 * are visited is part of the rule: nested [put q] and then nested [delete q] is legal, the reverse is not, because a
 * nested transaction's deletes count only for those visited after it. A delete without an upper end counts for nothing:
 * to etcd, from 3.4 to 3.6, its interval ends before it begins.
 */
function touchedBy(operations: readonly TxnOperation[]): Touched | "duplicateKey" {
  const puts = new Set<string>();
  const deletes: KeyInterval[] = [];
  for (const operation of operations) {
    if (operation.type !== "deleteRange") continue;
    const interval = intervalOf(operation);
    if (interval.to !== undefined) deletes.push(interval);
  }
  for (const operation of operations) {
    if (operation.type !== "txn") continue;
    const success = touchedBy(operation.success);
    if (success === "duplicateKey") return success;
    const failure = touchedBy(operation.failure);
    if (failure === "duplicateKey") return failure;
    for (const key of success.puts) {
      if (puts.has(key) || isInside(deletes, key)) return "duplicateKey";
    }
    for (const key of failure.puts) {
      // Only one of the two branches runs: both may put one key.
      if ((puts.has(key) && !success.puts.has(key)) || isInside(deletes, key)) return "duplicateKey";
    }
    for (const key of success.puts) puts.add(key);
    for (const key of failure.puts) puts.add(key);
    for (const interval of success.deletes) deletes.push(interval);
    for (const interval of failure.deletes) deletes.push(interval);
  }
  for (const operation of operations) {
    if (operation.type !== "put") continue;
    const key = textOfBytes(operation.key);
    if (puts.has(key) || isInside(deletes, key)) return "duplicateKey";
    puts.add(key);
  }
  return { puts, deletes };
}

function isInside(intervals: readonly KeyInterval[], key: string): boolean {
  for (const { from, to } of intervals) {
    if (key >= from && (to === undefined || key < to)) return true;
  }
  return false;
}
