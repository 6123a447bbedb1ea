/*
 * The judge of orders. Whoever found an order (witness, search, a guess), it is a proof of linearizability only if it
 * passes here: every answered operation once, no refused one, nobody before an operation that had returned before he
 * was called, and a replay in which each answer, revisions included, is the right one. Nothing in here searches.
 */
import { type CompactHistory, fates, never, type Op } from "./operations.ts";
import { ReplayStore } from "./replay-store.ts";

/** ≥ 0: position in `ops`. −1 − i: the server ends lease `expiries[i]`, whose keys go in one revision. */
export interface Order {
  readonly entries: ArrayLike<number>;
  readonly expiries: readonly string[];
}

export interface OrderFault {
  readonly rule:
    | "missing"
    | "twice"
    | "never-called"
    | "real-time"
    | "seen-too-early"
    | "wrong-answer"
    | "wrong-revision";
  /** The operation that is wrong, and the one it clashes with. */
  readonly op: Op | undefined;
  readonly other: Op | undefined;
  readonly revision: number;
  readonly expected: string;
  readonly actual: string;
}

/**
 * @param seenAt earliest position at which anything (a watch, a stale read, a header) showed that a revision existed,
 *   indexed by revision; beyond its end: never
 * @returns undefined when the order proves the history linearizable
 */
export function verifyOrder(history: CompactHistory, order: Order, seenAt: ArrayLike<number>): OrderFault | undefined {
  const { ops } = history;
  const store = new ReplayStore(history, { keepPast: history.readsPast, keepTrail: false });
  store.explaining = true;
  const placed = new Uint8Array(ops.length);
  let latest: Op | undefined;
  for (let position = 0; position < order.entries.length; position++) {
    const entry = order.entries[position] as number;
    const before = store.revision;
    if (entry < 0) {
      if (!store.expire(order.expiries[-1 - entry] ?? "")) return fault("wrong-answer", undefined, undefined, before);
    } else {
      const op = ops[entry];
      if (op === undefined || op.role !== "ordered" || op.outcome === "failed") {
        return fault("never-called", op, undefined, before);
      }
      if (placed[entry] === 1) return fault("twice", op, undefined, before);
      placed[entry] = 1;
      // The latest call so far must not come after this return: its operation would have to be behind this one.
      if (latest === undefined || op.call > latest.call) latest = op;
      if (latest.call > op.ret) return fault("real-time", op, latest, before);
      if (!store.run(op.step, op.answer)) {
        const { expected, actual } = store.mismatch ?? { expected: "", actual: "" };
        return fault("wrong-answer", op, undefined, before, expected, actual);
      }
      if (op.revision >= 0 && op.outcome === "ok" && op.revision !== store.revision) {
        const { revision } = store;
        return fault("wrong-revision", op, undefined, revision, `revision ${revision}`, `revision ${op.revision}`);
      }
    }
    if (store.revision !== before && latest !== undefined && (seenAt[store.revision] ?? never) < latest.call) {
      return fault("seen-too-early", latest, undefined, store.revision);
    }
  }
  const { fate } = history.columns;
  for (let index = 0; index < placed.length; index++) {
    const kind = fate[index] as number;
    if (placed[index] === 0 && kind >= fates.kept && kind <= fates.revoked) {
      return fault("missing", ops[index], undefined, store.revision);
    }
  }
  for (let revision = store.revision + 1; revision < seenAt.length; revision++) {
    if ((seenAt[revision] as number) < never) return fault("missing", undefined, undefined, revision);
  }
  return undefined;
}

function fault(
  rule: OrderFault["rule"],
  op: Op | undefined,
  other: Op | undefined,
  revision: number,
  expected = "",
  actual = "",
): OrderFault {
  return { rule, op, other, revision, expected, actual };
}
