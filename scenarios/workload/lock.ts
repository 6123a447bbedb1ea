/*
 * Locks the way etcd's clients build them: each waiter keeps one key under its lease, the oldest key holds the lock,
 * and its create revision is the fence. Writes behind the fence name that revision: they happen only while the key
 * stands, whatever its owner believes.
 */
import { chance, oneOf } from "../chance.ts";
import type { PlannedCompare, PlannedKvOperation, PlannedOperation } from "../plan.ts";
import { type CallContext, type OperationSource, uniqueValue } from "./source.ts";

export interface LockOptions {
  readonly weight: number;
  readonly ttlSeconds: number;
}

/** Beyond the ids in lease.ts: a call grants at most one lease of either kind. */
const firstLockLeaseId = 8_000_000_000;
const lockNames: readonly [string, ...string[]] = ["a", "b"];

interface Turn {
  readonly lock: string;
  readonly lease: string;
  /** This waiter's own key. */
  readonly key: string;
  usesLeft: number;
}

/** One turn after the other: grant, wait in line, work, let go (or let the lease run out). */
export const locks = (options: LockOptions): OperationSource => ({
  name: "locks",
  weight: options.weight,
  begin: () => {
    let turn: Turn | undefined;
    let waiting = false;
    return (call) => {
      if (turn === undefined) {
        const lock = oneOf(call.random, lockNames);
        const lease = String(firstLockLeaseId + call.callId);
        turn = { lock, lease, key: `lock/${lock}/${lease}`, usesLeft: 4 + call.random.below(8) };
        waiting = false;
        return { op: "leaseGrant", lease, ttlSeconds: options.ttlSeconds };
      }
      if (!waiting) {
        waiting = true;
        return getInLine(turn, call);
      }
      turn.usesLeft -= 1;
      const operation = useOf(turn, call);
      if (turn.usesLeft <= 0) turn = undefined;
      return operation;
    };
  },
});

/** Everyone in line, the holder among them. */
const lineOf = (lock: string): PlannedKvOperation => ({ op: "range", key: `lock/${lock}/`, rangeEnd: `lock/${lock}0` });

function getInLine({ key, lease, lock }: Turn, call: CallContext): PlannedOperation {
  return {
    op: "txn",
    compares: [{ target: "create", result: "equal", key, operand: 0 }],
    success: [{ op: "put", key, value: uniqueValue(call), lease }, lineOf(lock)],
    failure: [lineOf(lock)],
  };
}

function useOf(turn: Turn, call: CallContext): PlannedOperation {
  const { key, lease, lock, usesLeft } = turn;
  const { random } = call;
  // Three in four let go; the others just vanish, and their lease must do it for them.
  if (usesLeft <= 0 && chance(random, 75)) return { op: "deleteRange", key };
  const choice = random.below(100);
  if (choice < 30) return { op: "leaseKeepAlive", lease };
  if (choice < 55) {
    return {
      op: "range",
      key: `lock/${lock}/`,
      rangeEnd: `lock/${lock}0`,
      limit: 1,
      sortOrder: "ascend",
      sortTarget: "create",
    };
  }
  const behindFence: PlannedKvOperation = { op: "put", key: `fenced/${lock}`, value: uniqueValue(call) };
  return { op: "txn", compares: fenceOf(key), success: [behindFence], failure: [lineOf(lock)] };
}

/** The key is the very one its owner made: put once, so its last change is its creation. */
const fenceOf = (key: string): PlannedCompare[] => [
  { target: "create", result: "equal", key, operand: { lastSeen: "mod" } },
  { target: "version", result: "equal", key, operand: 1 },
];
