/*
 * Locks the way etcd's recipes build them: create the lock's key if it is absent, under a lease; write through the
 * fence only while that very creation stands; delete the key to let go.
 */
import { oneOf } from "../chance.ts";
import type { PlannedOperation } from "../plan.ts";
import { type CallContext, type OperationSource, uniqueValue } from "./source.ts";

/** Beyond the ids of {@link firstLeaseId} in lease.ts: a call grants at most one lease of either kind. */
const firstLockLeaseId = 8_000_000_000;
const lockKeys: readonly [string, ...string[]] = ["mutex/a", "mutex/b"];

export interface LockOptions {
  readonly weight: number;
  readonly ttlSeconds: number;
}

export const locks = (options: LockOptions): OperationSource => ({
  name: "locks",
  weight: options.weight,
  begin: ({ client }) => {
    let lease: string | undefined;
    let uses = 0;
    let key = lockKeys[0];
    return (call) => {
      uses += 1;
      if (lease === undefined || uses > 8) {
        lease = String(firstLockLeaseId + call.callId);
        uses = 0;
        key = oneOf(call.random, lockKeys);
        return { op: "leaseGrant", lease, ttlSeconds: options.ttlSeconds };
      }
      return stepOf({ call, key, lease, client, uses });
    };
  },
});

function stepOf(step: {
  readonly call: CallContext;
  readonly key: string;
  readonly lease: string;
  readonly client: number;
  readonly uses: number;
}): PlannedOperation {
  const { call, key, lease, client, uses } = step;
  const mine = { target: "lease", result: "equal", key, operand: lease } as const;
  if (uses <= 3) {
    return {
      op: "txn",
      compares: [{ target: "create", result: "equal", key, operand: 0 }],
      success: [{ op: "put", key, value: uniqueValue(call, `c${client}`), lease }],
      failure: [{ op: "range", key }],
    };
  }
  if (uses <= 6) {
    const fenced = { op: "put", key: `${key}/fenced`, value: uniqueValue(call) } as const;
    return { op: "txn", compares: [mine], success: [fenced], failure: [] };
  }
  return uses === 7
    ? { op: "leaseKeepAlive", lease }
    : { op: "txn", compares: [mine], success: [{ op: "deleteRange", key }], failure: [] };
}
