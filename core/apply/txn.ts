/*
 * Writes to the key space, one operation at a time: put, delete, and compare-then-else. A transaction goes in three
 * strict passes, each over the whole tree of nested transactions:
 * 1. every compare, nested ones too, against the state before the transaction: this fixes the branches;
 * 2. every operation of the taken branches is checked against that same state: the first refusal ends it, nothing done;
 * 3. the operations run in order, each seeing what the earlier ones did.
 * Counterexample to comparing late: put a=1, then nested (if a=1 then …): the nested compare must see the old a.
 *
 * Leases follow the keys: whoever puts or deletes a key here also moves it between leases.
 * Source: etcd v3 API, KV.Put, KV.DeleteRange, KV.Txn.
 */
import { assert, unreachable } from "../assert.ts";
import { compareBytes, textOfBytes } from "../bytes.ts";
import type { KeyCounts } from "../counts.ts";
import type { RefusalName } from "../errors.ts";
import { noLease, type Revision, revisionOf } from "../ids.ts";
import type { Lessor } from "../lease/lessor.ts";
import type { Store } from "../mvcc/store.ts";
import type {
  Compare,
  CompareOperand,
  CompareResult,
  DeleteRangeAnswer,
  DeleteRangeRequest,
  KeyValue,
  PutAnswer,
  PutRequest,
  RangeAnswer,
  TxnAnswer,
  TxnOperation,
  TxnRequest,
  TxnResponse,
} from "../request.ts";

/** The state a write works on. */
export interface KeySpace {
  readonly store: Store;
  readonly lessor: Lessor;
  readonly counts: KeyCounts;
}

/** Which branch of a transaction runs, and the same of every nested transaction in that branch, in order. */
interface Path {
  readonly succeeded: boolean;
  readonly nested: readonly Path[];
}

export type Outcome<Body> =
  | { readonly ok: true; readonly answer: Body }
  | { readonly ok: false; readonly refusal: RefusalName };

/** A put by itself: the lease is looked at before the key. */
export function applyPut(space: KeySpace, request: PutRequest): Outcome<PutAnswer> {
  const refusal = refusalOfLease(space, request) ?? refusalOfMissingKey(space, request);
  return refusal === undefined ? { ok: true, answer: put(space, request) } : { ok: false, refusal };
}

export function applyDeleteRange(space: KeySpace, request: DeleteRangeRequest): DeleteRangeAnswer {
  const { store, lessor } = space;
  space.counts.deletes += 1;
  const prevKvs: KeyValue[] = [];
  const first = store.changeCount;
  const deleted = store.deleteRange(request, request.prevKv ? prevKvs : undefined);
  if (lessor.hasAttachments) {
    for (let position = first; position < store.changeCount; position++) {
      lessor.detach(textOfBytes(store.changedKey(position)));
    }
  }
  return { type: "deleteRange", deleted, prevKvs };
}

/** Also serves transactions that only read; those leave the state as it is. */
export function applyTxn(space: KeySpace, request: TxnRequest): Outcome<TxnAnswer> {
  const path = choosePath(space.store, request);
  const refusal = refusalOfPath(space, request, path);
  if (refusal !== undefined) return { ok: false, refusal };
  const { counts } = space;
  const before = counts.ranges + counts.puts + counts.deletes;
  const answer = runPath(space, request, path);
  if (counts.ranges + counts.puts + counts.deletes > before + 1) counts.txns += 1;
  return { ok: true, answer };
}

// ---- 1: compares -----------------------------------------------------------------------------------------------

function choosePath(store: Store, request: TxnRequest): Path {
  const succeeded = request.compares.every((compare) => holds(store, compare));
  const nested: Path[] = [];
  for (const operation of branchOf(request, succeeded)) {
    if (operation.type === "txn") nested.push(choosePath(store, operation));
  }
  return { succeeded, nested };
}

const branchOf = (request: TxnRequest, succeeded: boolean): readonly TxnOperation[] =>
  succeeded ? request.success : request.failure;

/** True when every live key of the interval satisfies the compare; without any, as one missing key would. */
function holds(store: Store, compare: Compare): boolean {
  let found = false;
  let all = true;
  store.forEach(compare, (keyValue) => {
    found = true;
    all = holdsFor(compare, keyValue);
    return all;
  });
  return found ? all : holdsFor(compare, undefined);
}

function holdsFor(compare: Compare, keyValue: KeyValue | undefined): boolean {
  const { operand } = compare;
  // A missing key has no value at all: no statement about its value is true, "not equal" included.
  if (operand.target === "value" && keyValue === undefined) return false;
  return satisfies(differenceTo(operand, keyValue), compare.result);
}

/** Sign of stored − given; a missing key stores 0. */
function differenceTo(operand: CompareOperand, keyValue: KeyValue | undefined): number {
  switch (operand.target) {
    case "version":
      return (keyValue?.version ?? 0) - operand.number;
    case "create":
      return (keyValue?.createRevision ?? 0) - operand.number;
    case "mod":
      return (keyValue?.modRevision ?? 0) - operand.number;
    case "value":
      return keyValue === undefined ? 0 : compareBytes(keyValue.value, operand.value);
    case "lease": {
      const lease = keyValue?.lease ?? noLease;
      return lease < operand.lease ? -1 : lease > operand.lease ? 1 : 0;
    }
    case "unknown":
      return 0;
    default:
      return unreachable(operand);
  }
}

function satisfies(difference: number, result: CompareResult): boolean {
  switch (result) {
    case "equal":
      return difference === 0;
    case "greater":
      return difference > 0;
    case "less":
      return difference < 0;
    case "notEqual":
      return difference !== 0;
    case "unknown":
      return true;
    default:
      return unreachable(result);
  }
}

// ---- 2: checks against the state before ------------------------------------------------------------------------

function refusalOfPath(space: KeySpace, request: TxnRequest, path: Path): RefusalName | undefined {
  let nested = 0;
  for (const operation of branchOf(request, path.succeeded)) {
    let refusal: RefusalName | undefined;
    if (operation.type === "range") refusal = space.store.refusalInTxn(operation.revision);
    else if (operation.type === "put") {
      refusal = refusalOfMissingKey(space, operation) ?? refusalOfLease(space, operation);
    } else if (operation.type === "txn") refusal = refusalOfPath(space, operation, nestedPath(path, nested++));
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function refusalOfLease(space: KeySpace, request: PutRequest): RefusalName | undefined {
  return request.lease !== noLease && !space.lessor.has(request.lease) ? "leaseNotFound" : undefined;
}

function refusalOfMissingKey(space: KeySpace, request: PutRequest): RefusalName | undefined {
  return (request.ignoreValue || request.ignoreLease) && !space.store.has(request.key) ? "keyNotFound" : undefined;
}

function nestedPath(path: Path, position: number): Path {
  const nested = path.nested[position];
  assert(nested !== undefined, "every nested transaction of a taken branch has its path");
  return nested;
}

// ---- 3: running ------------------------------------------------------------------------------------------------

function runPath(space: KeySpace, request: TxnRequest, path: Path): TxnAnswer {
  const responses: TxnResponse[] = [];
  let nested = 0;
  for (const operation of branchOf(request, path.succeeded)) {
    if (operation.type === "txn") {
      // The header of a nested transaction's answer is empty: revision 0.
      responses.push({ revision: revisionOf(0), answer: runPath(space, operation, nestedPath(path, nested++)) });
    } else {
      const answer = run(space, operation);
      responses.push({ revision: revisionSeen(space), answer });
    }
  }
  return { type: "txn", succeeded: path.succeeded, responses };
}

/** The revision before the transaction, or the one after as soon as something changed, this operation included. */
const revisionSeen = (space: KeySpace): Revision => space.store.readRevision;

function run(
  space: KeySpace,
  operation: Exclude<TxnOperation, TxnRequest>,
): RangeAnswer | PutAnswer | DeleteRangeAnswer {
  assert(operation.type !== "empty", "an empty operation is refused before it is replicated");
  switch (operation.type) {
    case "range": {
      space.counts.ranges += 1;
      const result = space.store.range(operation);
      assert(result.ok, "a range in a transaction was checked before it ran");
      return result.answer;
    }
    case "put":
      return put(space, operation);
    case "deleteRange":
      return applyDeleteRange(space, operation);
    default:
      return unreachable(operation);
  }
}

/** Without `ignoreLease` the key hangs on the request's lease afterwards, on none when that is 0. */
function put(space: KeySpace, request: PutRequest): PutAnswer {
  const { store, lessor, counts } = space;
  const wantsOld = request.prevKv || request.ignoreValue || request.ignoreLease;
  const old = wantsOld ? store.get(request.key) : undefined;
  const value = request.ignoreValue && old !== undefined ? old.value : request.value;
  const lease = request.ignoreLease && old !== undefined ? old.lease : request.lease;
  store.put(request.key, value, lease);
  counts.puts += 1;
  counts.putBytes += request.key.length + value.length;
  if (lease !== noLease && lessor.has(lease)) lessor.attach(lease, textOfBytes(request.key));
  else if (lessor.hasAttachments) lessor.detach(textOfBytes(request.key));
  return { type: "put", prevKv: request.prevKv ? old : undefined };
}
