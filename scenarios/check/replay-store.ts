/*
 * A store that follows a given order of operations and says at each whether the recorded answer is the right one.
 * It keeps one immutable record a key, so a step can be taken back and the past can be read. It decides nothing about
 * order. Semantics: etcd v3 API, KV and Lease; the slow twin is scenarios/model/kv.ts.
 */
import type { HistoryKeyValue, OperationAnswer, RangeOperation } from "../history.ts";
import {
  type CompactHistory,
  type CompiledCompare,
  type CompiledTxn,
  compareText,
  type Step,
  unreported,
} from "./operations.ts";

type TxnAnswer = OperationAnswer & { readonly op: "txn" };
type RangeAnswer = OperationAnswer & { readonly op: "range" };

/** What a replay can be set back to. */
export interface StoreMark {
  readonly trail: number;
  readonly revision: number;
  readonly compactRevision: number;
}
interface TrailEntry {
  /** Number of the key, or −1 for a lease. */
  readonly key: number;
  readonly record: HistoryKeyValue | undefined;
  readonly lease: string;
  readonly alive: boolean;
}
interface LeaseState {
  alive: boolean;
  readonly keys: Set<number>;
}
export interface StoreOptions {
  /** Old revisions can be read. */
  readonly keepPast: boolean;
  /** Steps can be taken back. */
  readonly keepTrail: boolean;
}

export class ReplayStore {
  revision: number;
  compactRevision = 0;
  /** Numbers of the keys the last step changed, in order of change. */
  readonly changed: number[] = [];
  /** What the last refused step should have answered; filled only while `explaining`. */
  mismatch: { readonly expected: string; readonly actual: string } | undefined;
  explaining = false;
  readonly #keys: readonly string[];
  readonly #records: (HistoryKeyValue | undefined)[];
  /** One bit a key: present. */
  readonly #present: Uint32Array;
  readonly #past: HistoryKeyValue[][] | undefined;
  readonly #trail: TrailEntry[] | undefined;
  readonly #leases = new Map<string, LeaseState>();
  /** Revision that changes of the running step get. */
  #writing = 0;

  constructor(history: Pick<CompactHistory, "keys" | "startRevision">, options: StoreOptions) {
    this.#keys = history.keys;
    this.revision = history.startRevision;
    this.#records = new Array<HistoryKeyValue | undefined>(history.keys.length).fill(undefined);
    this.#present = new Uint32Array((history.keys.length + 31) >>> 5);
    this.#past = options.keepPast ? history.keys.map(() => []) : undefined;
    this.#trail = options.keepTrail ? [] : undefined;
  }

  /**
   * Carries a step out. With an answer, only if that answer is the right one; without, only if the step would not be
   * refused.
   *
   * @returns false: refused, or answered differently; the store may then be half changed (see `undo`)
   */
  run(step: Step, answer: OperationAnswer | undefined): boolean {
    this.changed.length = 0;
    this.#writing = this.revision + 1;
    if (!this.#execute(step, answer, true)) return false;
    if (this.changed.length > 0) this.revision = this.#writing;
    return true;
  }

  /** The server ends a lease that has keys: its keys go in one revision. */
  expire(lease: string): boolean {
    const state = this.#leases.get(lease);
    if (state === undefined || !state.alive || state.keys.size === 0) return false;
    this.changed.length = 0;
    this.#writing = this.revision + 1;
    this.#endLease(lease, state);
    this.revision = this.#writing;
    return true;
  }

  record(key: number): HistoryKeyValue | undefined {
    return this.#records[key];
  }

  /** The key as it was right after that revision; needs `keepPast`. */
  recordAt(key: number, revision: number): HistoryKeyValue | undefined {
    const past = this.#past?.[key] ?? [];
    let low = 0;
    let high = past.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((past[middle] as HistoryKeyValue).modRevision <= revision) low = middle + 1;
      else high = middle;
    }
    const record = past[low - 1];
    return record === undefined || record.version === 0 ? undefined : record;
  }

  /** Judges a range at a revision in the past, also one that is compacted by now. */
  rangeAt(step: Step, answer: OperationAnswer, revision: number): boolean {
    return answer.op === "range" && this.#rangeAgrees(step, answer, revision);
  }

  /** Judges a read-only transaction on the state at a revision in the past. */
  txnAt(step: Step, answer: OperationAnswer, revision: number): boolean {
    if (answer.op !== "txn" || step.txn === undefined) return false;
    if (this.#holds(step.txn, revision) !== answer.succeeded) return this.#wrong("the other branch", "succeeded");
    const branch = answer.succeeded ? step.txn.success : step.txn.failure;
    return (
      branch.length === answer.responses.length &&
      branch.every((inner, position) => {
        const response = answer.responses[position];
        return response !== undefined && this.rangeAt(inner, response, inner.revision > 0 ? inner.revision : revision);
      })
    );
  }

  leaseAlive(lease: string): boolean {
    return this.#leases.get(lease)?.alive === true;
  }

  leaseKeys(lease: string): ReadonlySet<number> {
    return this.#leases.get(lease)?.keys ?? noKeys;
  }

  /** Leases that have keys, in order of ids. */
  leasesWithKeys(): string[] {
    const found: string[] = [];
    for (const [lease, state] of this.#leases) if (state.alive && state.keys.size > 0) found.push(lease);
    return found.sort(compareText);
  }

  mark(): StoreMark {
    return { trail: this.#trail?.length ?? 0, revision: this.revision, compactRevision: this.compactRevision };
  }

  undo(mark: StoreMark): void {
    const trail = this.#trail ?? [];
    while (trail.length > mark.trail) {
      const entry = trail.pop() as TrailEntry;
      if (entry.key >= 0) {
        this.#past?.[entry.key]?.pop();
        this.#setRecord(entry.key, entry.record);
      } else this.#lease(entry.lease).alive = entry.alive;
    }
    this.revision = mark.revision;
    this.compactRevision = mark.compactRevision;
  }

  #execute(step: Step, answer: OperationAnswer | undefined, outermost: boolean): boolean {
    switch (step.kind) {
      case "range":
        return this.#range(step, answer);
      case "put":
        return this.#put(step, answer);
      case "delete":
        return this.#delete(step, answer);
      case "txn":
        return this.#txn(step, answer, outermost);
      case "compact":
        if (step.revision > this.revision) return this.#wrong("refused: a future revision", "accepted");
        if (step.revision <= this.compactRevision && !(step.revision === 0 && this.compactRevision === 0)) {
          return this.#wrong(`refused: compacted to ${this.compactRevision} already`, "accepted");
        }
        this.compactRevision = step.revision;
        return true;
      case "grant":
        return this.#grant(answer?.op === "leaseGrant" ? answer.lease : step.lease);
      case "revoke": {
        const lease = this.#leases.get(step.lease);
        if (lease === undefined || !lease.alive) return this.#wrong("refused: no such lease", "accepted");
        this.#endLease(step.lease, lease);
        return true;
      }
      case "other":
        return true;
    }
  }

  #put(step: Step, answer: OperationAnswer | undefined): boolean {
    if (step.lease !== "0" && !this.leaseAlive(step.lease)) return this.#wrong("refused: no such lease", "accepted");
    const old = this.#records[step.low];
    if (answer !== undefined) {
      if (answer.op !== "put") return this.#wrong("put", answer.op);
      if (answer.prevKv !== undefined || (step.source.op === "put" && step.source.prevKv === true)) {
        if (!sameOptional(old, answer.prevKv)) return this.#wrong(kvText(old), kvText(answer.prevKv));
      }
    }
    this.#write(step.low, {
      key: this.#keys[step.low] as string,
      value: step.value,
      createRevision: old === undefined ? this.#writing : old.createRevision,
      modRevision: this.#writing,
      version: old === undefined ? 1 : old.version + 1,
      lease: step.lease,
    });
    return true;
  }

  #delete(step: Step, answer: OperationAnswer | undefined): boolean {
    if (answer !== undefined && answer.op !== "deleteRange") return this.#wrong("deleteRange", answer.op);
    const asked = step.source.op === "deleteRange" && step.source.prevKv === true;
    const previous = asked ? answer?.prevKvs : undefined;
    let deleted = 0;
    for (let key = this.#next(step.low, step.high); key < step.high; key = this.#next(key + 1, step.high)) {
      if (asked && answer !== undefined) {
        const shown = previous?.[deleted];
        if (!sameOptional(this.#records[key], shown)) {
          return this.#wrong(kvText(this.#records[key]), kvText(shown));
        }
      }
      deleted++;
      this.#write(key, undefined);
    }
    if (answer === undefined) return true;
    if (answer.deleted !== deleted) return this.#wrong(`${deleted} deleted`, `${answer.deleted} deleted`);
    return previous === undefined || previous.length === deleted || this.#wrong("no more", "more previous values");
  }

  #grant(lease: string): boolean {
    const state = this.#lease(lease);
    // A lease without keys can end without a trace, so granting its id again proves nothing; with keys it would show.
    if (state.alive && state.keys.size > 0) return this.#wrong("refused: the lease exists", "granted");
    this.#trail?.push({ key: -1, record: undefined, lease, alive: state.alive });
    state.alive = true;
    return true;
  }

  #txn(step: Step, answer: OperationAnswer | undefined, outermost: boolean): boolean {
    const txn = step.txn;
    if (txn === undefined) return false;
    if (answer !== undefined && answer.op !== "txn") return this.#wrong("txn", answer.op);
    // The whole path is chosen before anything runs: inner comparisons never see outer writes.
    if (outermost && txn.nested) {
      this.#path.length = 0;
      this.#choosePath(txn);
      this.#pathAt = 0;
    }
    const succeeded = txn.nested || !outermost ? this.#path[this.#pathAt++] === true : this.#holds(txn, undefined);
    if (answer !== undefined && answer.succeeded !== succeeded) {
      return this.#wrong(`succeeded = ${succeeded}`, `succeeded = ${answer.succeeded}`);
    }
    return this.#branch(succeeded ? txn.success : txn.failure, answer);
  }

  readonly #path: boolean[] = [];
  #pathAt = 0;

  #choosePath(txn: CompiledTxn): void {
    const succeeded = this.#holds(txn, undefined);
    this.#path.push(succeeded);
    for (const inner of succeeded ? txn.success : txn.failure) if (inner.txn !== undefined) this.#choosePath(inner.txn);
  }

  #branch(branch: readonly Step[], answer: TxnAnswer | undefined): boolean {
    if (answer !== undefined && answer.responses.length !== branch.length) {
      return this.#wrong(`${branch.length} responses`, `${answer.responses.length} responses`);
    }
    for (let position = 0; position < branch.length; position++) {
      const inner = branch[position] as Step;
      const response = answer?.responses[position];
      if (!this.#execute(inner, response, false)) return false;
      // An inner header is empty (0) for a nested transaction; elsewhere it is the revision up to that operation.
      const revision = this.changed.length > 0 ? this.#writing : this.revision;
      if (response !== undefined && response.revision > 0 && response.revision !== revision) {
        return this.#wrong(`inner revision ${revision}`, `inner revision ${response.revision}`);
      }
    }
    return true;
  }

  #holds(txn: CompiledTxn, revision: number | undefined): boolean {
    for (const compare of txn.compares) if (!this.#compareHolds(compare, revision)) return false;
    return true;
  }

  /** Every live key of the interval must satisfy it; an interval without keys counts as one missing key. */
  #compareHolds(compare: CompiledCompare, revision: number | undefined): boolean {
    let found = 0;
    for (let key = compare.low; key < compare.high; key++) {
      const record = revision === undefined ? this.#records[key] : this.recordAt(key, revision);
      if (record === undefined) continue;
      found++;
      if (!compareHolds(compare.source, record)) return false;
    }
    return found > 0 || compareHolds(compare.source, undefined);
  }

  #range(step: Step, answer: OperationAnswer | undefined): boolean {
    if (step.revision > 0) {
      if (step.revision > this.revision) return this.#wrong("refused: a future revision", "answered");
      if (step.revision < this.compactRevision) {
        return this.#wrong(`refused: compacted to ${this.compactRevision}`, "answered");
      }
    }
    if (answer === undefined) return true;
    if (answer.op !== "range") return this.#wrong("range", answer.op);
    if (step.plain) {
      const record = this.#records[step.low];
      const shown = answer.kvs[0];
      const count = record === undefined ? 0 : 1;
      if (answer.kvs.length > 1 || !sameOptional(record, shown)) return this.#wrong(kvText(record), kvText(shown));
      if (answer.count !== count) return this.#wrong(`count ${count}`, `count ${answer.count}`);
      return !answer.more || this.#wrong("no more", "more");
    }
    return this.#rangeAgrees(step, answer, step.revision > 0 ? step.revision : undefined);
  }

  /** The rules of etcd's Range in their order: count, count only, fetch, sort, limit, keys only. */
  #rangeAgrees(step: Step, answer: RangeAnswer, revision: number | undefined): boolean {
    const source = step.source as RangeOperation;
    let all: HistoryKeyValue[] = [];
    for (let key = step.low; key < step.high; key++) {
      if (revision === undefined) {
        key = this.#next(key, step.high);
        if (key >= step.high) break;
      }
      const record = revision === undefined ? this.#records[key] : this.recordAt(key, revision);
      if (record !== undefined) all.push(record);
    }
    if (answer.count !== all.length) return this.#wrong(`count ${all.length}`, `count ${answer.count}`);
    if (source.countOnly === true) {
      return (answer.kvs.length === 0 && !answer.more) || this.#wrong("only a count", "keys");
    }
    const limit = source.limit !== undefined && source.limit > 0 ? source.limit : all.length;
    const more = all.length > limit;
    const target = source.sortTarget ?? "key";
    if (source.sortOrder === undefined && target !== "key") all = all.slice(0, limit + 1);
    if (source.sortOrder !== undefined || target !== "key") {
      const sign = source.sortOrder === "descend" ? -1 : 1;
      all.sort((a, b) => sign * compareBy(target, a, b) || compareText(a.key, b.key));
    }
    if (answer.more !== more) return this.#wrong(`more = ${more}`, `more = ${answer.more}`);
    const length = Math.min(limit, all.length);
    if (answer.kvs.length !== length) return this.#wrong(`${length} keys`, `${answer.kvs.length} keys`);
    return this.#rowsAgree(all, answer.kvs, { target, keysOnly: source.keysOnly === true });
  }

  /** Rows with equal sort keys may come in any order; everything else is fixed. */
  #rowsAgree(
    expected: readonly HistoryKeyValue[],
    shown: readonly HistoryKeyValue[],
    form: { readonly target: NonNullable<RangeOperation["sortTarget"]>; readonly keysOnly: boolean },
  ): boolean {
    const rows = form.target === "key" ? undefined : new Map(expected.map((row) => [row.key, row]));
    for (let position = 0; position < shown.length; position++) {
      const actual = shown[position] as HistoryKeyValue;
      let row = expected[position];
      if (rows !== undefined && row !== undefined && row.key !== actual.key) {
        const other = rows.get(actual.key);
        if (other !== undefined && compareBy(form.target, other, row) === 0) row = other;
      }
      rows?.delete(actual.key);
      if (row !== undefined && form.keysOnly) row = { ...row, value: "" };
      if (!sameOptional(row, actual)) return this.#wrong(kvText(row), kvText(actual));
    }
    return true;
  }

  #endLease(lease: string, state: LeaseState): void {
    for (const key of [...state.keys].sort((a, b) => a - b)) this.#write(key, undefined);
    this.#trail?.push({ key: -1, record: undefined, lease, alive: state.alive });
    state.alive = false;
  }

  #write(key: number, record: HistoryKeyValue | undefined): void {
    this.changed.push(key);
    this.#trail?.push({ key, record: this.#records[key], lease: "", alive: false });
    if (this.#past !== undefined) {
      this.#past[key]?.push(record ?? tombstone(this.#keys[key] as string, this.#writing));
    }
    this.#setRecord(key, record);
  }

  #setRecord(key: number, record: HistoryKeyValue | undefined): void {
    const old = this.#records[key];
    if (old !== undefined && old.lease !== "0") this.#lease(old.lease).keys.delete(key);
    if (record !== undefined && record.lease !== "0") this.#lease(record.lease).keys.add(key);
    if ((old === undefined) !== (record === undefined)) {
      this.#present[key >>> 5] = (this.#present[key >>> 5] as number) ^ (1 << (key & 31));
    }
    this.#records[key] = record;
  }

  #lease(lease: string): LeaseState {
    let state = this.#leases.get(lease);
    if (state === undefined) {
      state = { alive: false, keys: new Set() };
      this.#leases.set(lease, state);
    }
    return state;
  }

  /** First present key ≥ `from`, or something ≥ `high`. */
  #next(from: number, high: number): number {
    if (from >= high) return high;
    let word = from >>> 5;
    let bits = (this.#present[word] as number) & (-1 << (from & 31));
    while (bits === 0) {
      word++;
      if (word << 5 >= high) return high;
      bits = this.#present[word] as number;
    }
    return (word << 5) + (31 - Math.clz32(bits & -bits));
  }

  #wrong(expected: string, actual: string): false {
    if (this.explaining) this.mismatch = { expected, actual };
    return false;
  }
}

const noKeys: ReadonlySet<number> = new Set();

const tombstone = (key: string, modRevision: number): HistoryKeyValue => ({
  key,
  value: "",
  createRevision: 0,
  modRevision,
  version: 0,
  lease: "0",
});

/** Equal in everything that both sides tell. */
export function sameKv(a: HistoryKeyValue, b: HistoryKeyValue): boolean {
  return (
    sameNumber(a.modRevision, b.modRevision) &&
    a.value === b.value &&
    a.key === b.key &&
    sameNumber(a.version, b.version) &&
    sameNumber(a.createRevision, b.createRevision) &&
    (a.lease === b.lease || a.lease === "" || b.lease === "")
  );
}

const sameNumber = (a: number, b: number): boolean => a === b || a === unreported || b === unreported;

function sameOptional(expected: HistoryKeyValue | undefined, actual: HistoryKeyValue | undefined): boolean {
  return expected === undefined || actual === undefined ? expected === actual : sameKv(expected, actual);
}

/** A missing key counts as 0, and satisfies no comparison of values at all. */
export function compareHolds(compare: CompiledCompare["source"], record: HistoryKeyValue | undefined): boolean {
  let order: number;
  switch (compare.target) {
    case "version":
      order = (record?.version ?? 0) - Number(compare.operand);
      break;
    case "create":
      order = (record?.createRevision ?? 0) - Number(compare.operand);
      break;
    case "mod":
      order = (record?.modRevision ?? 0) - Number(compare.operand);
      break;
    case "value":
      if (record === undefined) return false;
      order = compareText(record.value, String(compare.operand));
      break;
    case "lease":
      order = compareLeases(record?.lease ?? "0", String(compare.operand));
      break;
  }
  switch (compare.result) {
    case "equal":
      return order === 0;
    case "notEqual":
      return order !== 0;
    case "greater":
      return order > 0;
    case "less":
      return order < 0;
  }
}

function compareLeases(a: string, b: string): number {
  if (a === b) return 0;
  return BigInt(a) < BigInt(b) ? -1 : 1;
}

function compareBy(target: NonNullable<RangeOperation["sortTarget"]>, a: HistoryKeyValue, b: HistoryKeyValue): number {
  switch (target) {
    case "key":
      return compareText(a.key, b.key);
    case "version":
      return a.version - b.version;
    case "create":
      return a.createRevision - b.createRevision;
    case "mod":
      return a.modRevision - b.modRevision;
    case "value":
      return compareText(a.value, b.value);
  }
}

/** One key-value for people. */
export function kvText(kv: HistoryKeyValue | undefined): string {
  if (kv === undefined) return "absent";
  const numbers = kv.modRevision === unreported ? "" : ` (mod ${kv.modRevision}, version ${kv.version})`;
  return `${JSON.stringify(kv.key)} = ${JSON.stringify(kv.value)}${numbers}`;
}
