/*
 * The store as a sequential specification: slow, obvious, and written apart from everything that is fast. The state
 * is the list of all changes; every answer is worked out from it anew. For oracles and tiny histories only.
 * Source: etcd v3 API, revision model, KV and Lease.
 */
import type {
  CompareOperation,
  DeleteRangeOperation,
  HistoryKeyValue,
  KvOperation,
  Operation,
  OperationAnswer,
  RangeOperation,
  TxnOperation,
} from "../history.ts";

export interface KvChange {
  readonly revision: number;
  readonly key: string;
  /** undefined: deleted. */
  readonly kv: HistoryKeyValue | undefined;
}
export interface KvState {
  readonly revision: number;
  readonly compactRevision: number;
  readonly changes: readonly KvChange[];
  /** Leases that are alive. */
  readonly leases: readonly string[];
}
export type KvResult =
  | { readonly ok: true; readonly state: KvState; readonly answer: OperationAnswer }
  | { readonly ok: false; readonly refusal: KvRefusal };
export type KvRefusal = "compacted" | "futureRevision" | "leaseNotFound" | "leaseExists";

export const emptyKvState = (startRevision: number): KvState => ({
  revision: startRevision,
  compactRevision: 0,
  changes: [],
  leases: [],
});

/** Carries one operation out. The operations that only look at leases are not part of this model. */
export function applyKv(state: KvState, operation: Operation): KvResult {
  switch (operation.op) {
    case "range":
    case "put":
    case "deleteRange":
    case "txn":
      return applyRequest(state, operation);
    case "compact":
      if (operation.revision > state.revision) return { ok: false, refusal: "futureRevision" };
      if (operation.revision <= state.compactRevision && !(operation.revision === 0 && state.compactRevision === 0)) {
        return { ok: false, refusal: "compacted" };
      }
      return { ok: true, state: { ...state, compactRevision: operation.revision }, answer: { op: "compact" } };
    case "leaseGrant": {
      const { lease, ttlSeconds } = operation;
      if (state.leases.includes(lease)) return { ok: false, refusal: "leaseExists" };
      const answer: OperationAnswer = { op: "leaseGrant", lease, ttlSeconds };
      return { ok: true, state: { ...state, leases: [...state.leases, lease] }, answer };
    }
    case "leaseRevoke":
      if (!state.leases.includes(operation.lease)) return { ok: false, refusal: "leaseNotFound" };
      return { ok: true, state: endLease(state, operation.lease), answer: { op: "leaseRevoke" } };
    default:
      throw new Error(`not in this model: ${operation.op}`);
  }
}

/** A lease ends, by revoke or by expiry: its keys go, all in one revision. */
export function endLease(state: KvState, lease: string): KvState {
  const revision = state.revision + 1;
  const keys = [...contents(state, state.revision).values()].filter((kv) => kv.lease === lease).map((kv) => kv.key);
  const changes = keys.sort(byText).map((key): KvChange => ({ revision, key, kv: undefined }));
  return {
    ...state,
    leases: state.leases.filter((other) => other !== lease),
    changes: [...state.changes, ...changes],
    revision: changes.length > 0 ? revision : state.revision,
  };
}

/** What was there right after that revision, in key order. */
function contents(state: KvState, revision: number): ReadonlyMap<string, HistoryKeyValue> {
  const found = new Map<string, HistoryKeyValue>();
  for (const change of state.changes) {
    if (change.revision > revision) break;
    if (change.kv === undefined) found.delete(change.key);
    else found.set(change.key, change.kv);
  }
  return new Map([...found.entries()].sort(([a], [b]) => byText(a, b)));
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** A request works on a copy whose changes all get the revision behind the current one. */
function applyRequest(state: KvState, operation: KvOperation): KvResult {
  const work = new Work(state);
  const plan = new Map<TxnOperation, boolean>();
  choose(operation, contents(state, state.revision), plan);
  const refusal = refusalOf(operation, state, plan);
  if (refusal !== undefined) return { ok: false, refusal };
  const answer = work.execute(operation, plan);
  return { ok: true, state: work.result(), answer };
}

/** All comparisons, inner ones too, look at the state before anything runs. */
function choose(
  operation: KvOperation,
  before: ReadonlyMap<string, HistoryKeyValue>,
  plan: Map<TxnOperation, boolean>,
): void {
  if (operation.op !== "txn") return;
  const succeeded = operation.compares.every((compare) => holds(compare, before));
  plan.set(operation, succeeded);
  for (const inner of succeeded ? operation.success : operation.failure) choose(inner, before, plan);
}

function refusalOf(
  operation: KvOperation,
  state: KvState,
  plan: ReadonlyMap<TxnOperation, boolean>,
): KvRefusal | undefined {
  switch (operation.op) {
    case "range": {
      const revision = operation.revision ?? 0;
      if (revision > state.revision) return "futureRevision";
      return revision > 0 && revision < state.compactRevision ? "compacted" : undefined;
    }
    case "put": {
      const lease = operation.lease ?? "0";
      return lease === "0" || state.leases.includes(lease) ? undefined : "leaseNotFound";
    }
    case "deleteRange":
      return undefined;
    case "txn":
      for (const inner of plan.get(operation) === true ? operation.success : operation.failure) {
        const refusal = refusalOf(inner, state, plan);
        if (refusal !== undefined) return refusal;
      }
      return undefined;
  }
}

function holds(compare: CompareOperation, kvs: ReadonlyMap<string, HistoryKeyValue>): boolean {
  const inside = [...kvs.values()].filter((kv) => isInside(kv.key, compare));
  return inside.length === 0 ? holdsFor(compare, undefined) : inside.every((kv) => holdsFor(compare, kv));
}

function holdsFor(compare: CompareOperation, kv: HistoryKeyValue | undefined): boolean {
  if (compare.target === "value" && kv === undefined) return false;
  const stored = {
    version: BigInt(kv?.version ?? 0),
    create: BigInt(kv?.createRevision ?? 0),
    mod: BigInt(kv?.modRevision ?? 0),
    lease: BigInt(kv?.lease ?? "0"),
    value: kv?.value ?? "",
  }[compare.target];
  const given = compare.target === "value" ? String(compare.operand) : BigInt(compare.operand);
  return {
    equal: stored === given,
    notEqual: stored !== given,
    greater: stored > given,
    less: stored < given,
  }[compare.result];
}

function isInside(key: string, range: { readonly key: string; readonly rangeEnd?: string }): boolean {
  if (range.rangeEnd === undefined || range.rangeEnd === "") return key === range.key;
  return key >= range.key && (range.rangeEnd === "\0" || key < range.rangeEnd);
}

class Work {
  readonly #state: KvState;
  readonly #changes: KvChange[];
  #changed = false;

  constructor(state: KvState) {
    this.#state = state;
    this.#changes = [...state.changes];
  }

  result(): KvState {
    return { ...this.#state, changes: this.#changes, revision: this.#revision() };
  }

  #revision(): number {
    return this.#changed ? this.#state.revision + 1 : this.#state.revision;
  }

  #now(): ReadonlyMap<string, HistoryKeyValue> {
    return contents({ ...this.#state, changes: this.#changes }, this.#revision());
  }

  execute(operation: KvOperation, plan: ReadonlyMap<TxnOperation, boolean>): OperationAnswer {
    switch (operation.op) {
      case "range":
        return this.#range(operation);
      case "put": {
        const old = this.#now().get(operation.key);
        const revision = this.#state.revision + 1;
        this.#change(operation.key, {
          key: operation.key,
          value: operation.value,
          createRevision: old?.createRevision ?? revision,
          modRevision: revision,
          version: (old?.version ?? 0) + 1,
          lease: operation.lease ?? "0",
        });
        return operation.prevKv === true && old !== undefined ? { op: "put", prevKv: old } : { op: "put" };
      }
      case "deleteRange":
        return this.#delete(operation);
      case "txn": {
        const succeeded = plan.get(operation) === true;
        const responses: (OperationAnswer & { revision: number })[] = [];
        for (const inner of succeeded ? operation.success : operation.failure) {
          const answer = this.execute(inner, plan);
          responses.push({ ...answer, revision: inner.op === "txn" ? 0 : this.#revision() });
        }
        return { op: "txn", succeeded, responses };
      }
    }
  }

  #change(key: string, kv: HistoryKeyValue | undefined): void {
    this.#changed = true;
    this.#changes.push({ revision: this.#state.revision + 1, key, kv });
  }

  #delete(operation: DeleteRangeOperation): OperationAnswer {
    const found = [...this.#now().values()].filter((kv) => isInside(kv.key, operation));
    for (const kv of found) this.#change(kv.key, undefined);
    const answer = { op: "deleteRange", deleted: found.length } as const;
    return operation.prevKv === true ? { ...answer, prevKvs: found } : answer;
  }

  #range(operation: RangeOperation): OperationAnswer {
    const past = (operation.revision ?? 0) > 0;
    const kvs = past ? contents(this.#state, operation.revision ?? 0) : this.#now();
    const inside = [...kvs.values()].filter((kv) => isInside(kv.key, operation));
    const count = inside.length;
    if (operation.countOnly === true) return { op: "range", kvs: [], count, more: false };
    const limit = (operation.limit ?? 0) > 0 ? (operation.limit ?? 0) : Number.POSITIVE_INFINITY;
    const target = operation.sortTarget ?? "key";
    // Without an order but with a target etcd cuts first and sorts what is left.
    const fetched = operation.sortOrder === undefined ? inside.slice(0, limit + 1) : inside;
    const sorted = fetched.sort((a, b) => {
      const order = compareTarget(target, a, b);
      return (operation.sortOrder === "descend" ? -order : order) || byText(a.key, b.key);
    });
    const shown = sorted.slice(0, limit).map((kv) => (operation.keysOnly === true ? { ...kv, value: "" } : kv));
    return { op: "range", kvs: shown, count, more: count > limit };
  }
}

function compareTarget(
  target: NonNullable<RangeOperation["sortTarget"]>,
  a: HistoryKeyValue,
  b: HistoryKeyValue,
): number {
  const field = (kv: HistoryKeyValue): string | number =>
    ({ key: kv.key, value: kv.value, version: kv.version, create: kv.createRevision, mod: kv.modRevision })[target];
  const [left, right] = [field(a), field(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}
