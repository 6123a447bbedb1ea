/*
 * Leases: each client grants one, attaches keys of its own, renews and asks for a while, takes a key off it now and
 * then, and at last revokes it or lets it run out. Lease ids are made of the granting call's number, so no two grants of a plan share one.
 */
import { between, chance } from "../chance.ts";
import type { PlannedOperation } from "../plan.ts";
import { type CallContext, type OperationSource, uniqueValue } from "./source.ts";

export interface LeaseOptions {
  readonly weight: number;
  /** Times to live are drawn within these; etcd raises what is below 1.5 election timeouts. */
  readonly ttlSeconds: { readonly min: number; readonly max: number };
  /** How often one lease is used before it is left alone; absent: 3 to 10 times. */
  readonly uses?: { readonly min: number; readonly max: number };
}

/** Beyond what anyone types by hand, and positive. */
const firstLeaseId = 7_000_000_000;

interface HeldLease {
  readonly id: string;
  usesLeft: number;
  keys: number;
}

export const leases = (options: LeaseOptions): OperationSource => ({
  name: "leases",
  weight: options.weight,
  begin: () => {
    let held: HeldLease | undefined;
    return (call) => {
      if (held === undefined) {
        held = {
          id: String(firstLeaseId + call.callId),
          usesLeft: between(call.random, options.uses ?? { min: 3, max: 10 }),
          keys: 0,
        };
        return { op: "leaseGrant", lease: held.id, ttlSeconds: between(call.random, options.ttlSeconds) };
      }
      held.usesLeft -= 1;
      const operation = useOf(held, call);
      if (held.usesLeft <= 0) held = undefined;
      return operation;
    };
  },
});

function useOf(held: HeldLease, call: CallContext): PlannedOperation {
  const lease = held.id;
  // Half the leases are left to run out after their last use.
  if (held.usesLeft <= 0 && chance(call.random, 50)) return { op: "leaseRevoke", lease };
  const choice = held.keys === 0 ? 0 : call.random.below(100);
  if (choice < 40) {
    held.keys += 1;
    return { op: "put", key: leasedKey(lease, held.keys), value: uniqueValue(call), lease };
  }
  if (choice < 65) return { op: "leaseKeepAlive", lease };
  if (choice < 80) return { op: "leaseTimeToLive", lease, keys: true };
  if (choice < 92) return { op: "range", key: leasedKey(lease, 0), rangeEnd: leasedKey(lease, 99) };
  // Put without a lease a key belongs to none: it must outlive the one it had.
  return { op: "put", key: leasedKey(lease, 1 + call.random.below(held.keys)), value: uniqueValue(call) };
}

/** Keys attached to a lease: of that lease alone, in one stretch. */
const leasedKey = (lease: string, number: number): string => `lease/${lease}/${String(number).padStart(2, "0")}`;
