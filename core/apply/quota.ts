/*
 * The space limit. Its two halves stand apart on purpose:
 * - before a write is proposed, the member it came to compares its own backend size with the limit (the server does
 *   that, with {@link quotaCost}) and, when full, has a NOSPACE alarm replicated;
 * - when an entry is applied, only the replicated alarms decide. Sizes differ between members, by fragmentation or by how
 *   far a compaction got; a verdict taken from them would let one member store what another refuses.
 * Source: etcd v3 API, Alarm, NOSPACE, quota cost.
 */
import type { Request, TxnOperation, TxnRequest } from "../request.ts";
import type { CommandRequest } from "./command.ts";

const putOverheadBytes = 256;
const leaseBytes = 64;

/** Bytes the request may add to the backend; 0: it may go on however full the backend is. */
export function quotaCost(request: Request | CommandRequest): number {
  switch (request.type) {
    case "put":
      return putOverheadBytes + request.key.length + request.value.length;
    case "txn":
      return Math.max(costOfBranch(request.success), costOfBranch(request.failure));
    case "leaseGrant":
      return leaseBytes;
    default:
      return 0;
  }
}

function costOfBranch(operations: readonly TxnOperation[]): number {
  let cost = 0;
  for (const operation of operations) {
    if (operation.type === "put" || operation.type === "txn") cost += quotaCost(operation);
  }
  return cost;
}

/** Both branches hold nothing but ranges, so the transaction is served like a read. No operations at all counts too. */
export function isReadOnly(request: TxnRequest): boolean {
  return request.success.every(isRange) && request.failure.every(isRange);
}

const isRange = (operation: TxnOperation): boolean => operation.type === "range";
