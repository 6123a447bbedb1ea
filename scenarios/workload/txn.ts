/*
 * Transactions: compare-and-set on what the client last saw, and wider ones over several keys.
 */
import { chance, oneOf, someOf } from "../chance.ts";
import type { PlannedCompare, PlannedKvOperation } from "../plan.ts";
import { type CallContext, keysEnd, keysFrom, type OperationSource, uniqueValue } from "./source.ts";

/** If the key is as last seen, write it; else read it, so that the next try knows. */
export const compareAndSets = (weight: number): OperationSource => ({
  name: "compareAndSets",
  weight,
  begin:
    ({ keys }) =>
    (call) => {
      const key = oneOf(call.random, keys);
      return {
        op: "txn",
        compares: [asLastSeen(call.random, key)],
        success: [{ op: "put", key, value: uniqueValue(call) }],
        failure: [{ op: "range", key }],
      };
    },
});

function asLastSeen(random: CallContext["random"], key: string): PlannedCompare {
  const target = oneOf(random, ["mod", "mod", "version", "value"]);
  return { target, result: "equal", key, operand: { lastSeen: target } };
}

/** Several keys read and written at one revision; some with a compare over a stretch, some with one inside another. */
export const wideTxns = (weight: number): OperationSource => ({
  name: "wideTxns",
  weight,
  begin:
    ({ keys }) =>
    (call) => {
      const { random } = call;
      const compare: PlannedCompare = chance(random, 30)
        ? { target: "version", result: "greater", key: keysFrom, rangeEnd: keysEnd, operand: random.below(4) }
        : asLastSeen(random, oneOf(random, keys));
      return {
        op: "txn",
        compares: chance(random, 20) ? [] : [compare],
        success: branchOf(call, keys, "a"),
        failure: chance(random, 30) ? branchOf(call, keys, "b") : [{ op: "range", key: keysFrom, rangeEnd: keysEnd }],
      };
    },
});

/** Compares of every kind and outcome, of one key or a stretch; the lease a key hangs on among them. */
export const comparisons = (weight: number): OperationSource => ({
  name: "comparisons",
  weight,
  begin:
    ({ keys }) =>
    (call) => {
      const { random } = call;
      const key = oneOf(random, keys);
      return {
        op: "txn",
        compares: Array.from({ length: 1 + random.below(3) }, () => anyCompare(random, oneOf(random, keys))),
        success: [{ op: "put", key, value: uniqueValue(call) }],
        failure: chance(random, 50) ? [] : [{ op: "range", key }],
      };
    },
});

function anyCompare(random: CallContext["random"], key: string): PlannedCompare {
  const result = oneOf(random, ["equal", "greater", "less", "notEqual"]);
  const where = chance(random, 20) ? { key: keysFrom, rangeEnd: keysEnd } : { key };
  const target = oneOf(random, ["mod", "create", "version", "value", "lease"]);
  if (target === "lease") return { target, result, ...where, operand: "0" };
  // Creations are compared with changes seen: equal for what was put once.
  const lastSeen = target === "create" ? "mod" : target;
  return { target, result, ...where, operand: { lastSeen } };
}

/** Reads of several keys at one moment, by a quorum's leave or from one member alone. */
export const readOnlyTxns = (weight: number): OperationSource => ({
  name: "readOnlyTxns",
  weight,
  begin:
    ({ keys }) =>
    ({ random }) => {
      const serializable = chance(random, 40) ? { serializable: true } : {};
      const reads = someOf(random, keys, 1 + random.below(3)).map(
        (key) => ({ op: "range", key, ...serializable }) as const,
      );
      const all = { op: "range", key: keysFrom, rangeEnd: keysEnd, ...serializable } as const;
      return {
        op: "txn",
        compares: chance(random, 50) ? [] : [anyCompare(random, oneOf(random, keys))],
        success: reads,
        failure: [all],
      };
    },
});

/** Each key is written at most once in a branch: etcd refuses more. */
function branchOf(call: CallContext, keys: readonly [string, ...string[]], part: string): PlannedKvOperation[] {
  const { random } = call;
  const chosen = someOf(random, keys, 2 + random.below(3));
  const innerKey = chance(random, 15) ? chosen.pop() : undefined;
  const branch: PlannedKvOperation[] = chosen.map((key, position) =>
    chance(random, 25)
      ? { op: "deleteRange", key, prevKv: true }
      : { op: "put", key, value: uniqueValue(call, `${part}${position}`) },
  );
  if (chance(random, 40)) branch.push({ op: "range", key: keysFrom, rangeEnd: keysEnd });
  if (innerKey !== undefined) {
    // Its compare speaks of a key the outer branch may write: etcd evaluates it before anything is written.
    branch.push({
      op: "txn",
      compares: [asLastSeen(random, oneOf(random, keys))],
      success: [{ op: "put", key: innerKey, value: uniqueValue(call, `${part}i`) }],
      failure: [{ op: "range", key: innerKey }],
    });
  }
  return branch;
}
