/*
 * The compact form of a history that every check reads: one record an operation, keys numbered in byte order, times
 * as positions in the history. Built once, in two passes; nothing here judges.
 */
import {
  type CompareOperation,
  closedByClient,
  type HistoryEvent,
  type HistoryMeta,
  type KvOperation,
  type Operation,
  type OperationAnswer,
  type TxnOperation,
  type WatchOpenEvent,
  type WatchReplyEvent,
} from "../history.ts";

/** A number (revision, version) that a foreign format does not record; never compared. Texts use "". */
export const unreported = -1;
/** Return position of a call that was never answered, or whose outcome is open. Larger than every position. */
export const never = 0x3fff_ffff;

export interface CompiledCompare {
  readonly low: number;
  readonly high: number;
  readonly source: CompareOperation;
}
export interface CompiledTxn {
  readonly compares: readonly CompiledCompare[];
  readonly success: readonly Step[];
  readonly failure: readonly Step[];
  readonly nested: boolean;
}
export type StepKind = "range" | "put" | "delete" | "txn" | "compact" | "grant" | "revoke" | "other";

/** One operation with its keys as numbers. All kinds share one shape, which keeps the replay fast. */
export interface Step {
  readonly kind: StepKind;
  /** Keys low ≤ number < high. */
  readonly low: number;
  readonly high: number;
  /** put. */
  readonly value: string;
  /** put ("0": none), grant, revoke. */
  readonly lease: string;
  /** range (0: current), compact. */
  readonly revision: number;
  /** A current range of one key without options. */
  readonly plain: boolean;
  readonly txn: CompiledTxn | undefined;
  readonly source: Operation;
}

/**
 * ordered: its header carries the exact revision of its effect, and it must be linearizable.
 * read: serializable; may be stale. observation: its header only says that a revision existed.
 */
export type Role = "ordered" | "read" | "observation";

export interface Op {
  /** Position in {@link CompactHistory.ops}: order of calls. */
  readonly index: number;
  readonly id: number;
  readonly client: number;
  readonly member: string;
  /** Whose call it is; undefined: nobody's in particular. */
  readonly user: string | undefined;
  /** Id of the login whose token was shown. */
  readonly login: number | undefined;
  readonly role: Role;
  readonly step: Step;
  /** Positions in the history. */
  readonly call: number;
  readonly callMs: number;
  ret: number;
  retMs: number;
  outcome: "ok" | "failed" | "unknown";
  /** Header of the answer; {@link unreported} when the format has none. */
  revision: number;
  answer: OperationAnswer | undefined;
  /** Of a refusal; "" otherwise. */
  error: string;
}

export interface WatchReplyAt {
  readonly at: number;
  readonly reply: WatchReplyEvent;
}
export interface Watch {
  readonly open: WatchOpenEvent;
  readonly at: number;
  readonly replies: WatchReplyAt[];
  /** When its client asked for progress: positions and times. */
  readonly asked: { readonly at: number; readonly atMs: number }[];
  endAt: number;
  /** When its client closed it; undefined: it did not, the stream may have ended by itself. */
  closedMs: number | undefined;
}

/** What an operation is to the order: see {@link Columns}. */
export const fates = { open: 0, refused: 1, kept: 2, wrote: 3, revoked: 4, aside: 5 } as const;

/** The numbers of all operations side by side, for the passes that need nothing else. Indexed like `ops`. */
export interface Columns {
  /**
   * open: not answered. refused: without effect. kept, wrote, revoked: ordered and answered, and changed nothing,
   * something, or what only the state can tell. aside: answered, but not ordered.
   */
  readonly fate: Uint8Array;
  readonly call: Int32Array;
  readonly ret: Int32Array;
  readonly revision: Float64Array;
}

export interface CompactHistory {
  readonly events: readonly HistoryEvent[];
  readonly meta: HistoryMeta | undefined;
  readonly startRevision: number;
  /** In order of calls. */
  readonly ops: readonly Op[];
  /** In byte order; a key's number is its position. */
  readonly keys: readonly string[];
  readonly keyNumbers: ReadonlyMap<string, number>;
  readonly watches: readonly Watch[];
  readonly columns: Columns;
  /** Ordered operations that were answered or are open. */
  readonly orderedCount: number;
  /** No history of these operations can have more revisions: every write counts once, every lease ends once. */
  readonly writesMax: number;
  /** Some operation reads the past: a replay has to keep it. */
  readonly readsPast: boolean;
  /** Every answered ordered operation has a revision. */
  readonly revisioned: boolean;
  /** What does not fit together in the file itself (an answer without a call, …); first one only. */
  readonly malformed: string | undefined;
}

export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export function compileHistory(events: readonly HistoryEvent[]): CompactHistory {
  const keys = sortedKeys(events);
  const keyNumbers = new Map<string, number>();
  for (let number = 0; number < keys.length; number++) keyNumbers.set(keys[number] as string, number);
  const compiler = new Compiler(keys, keyNumbers);
  const ops: Op[] = [];
  const open = new OpTable(events.length);
  const watches: Watch[] = [];
  const watchByNumber = new Map<number, Watch>();
  let meta: HistoryMeta | undefined;
  let malformed: string | undefined;
  let revisioned = true;
  for (let at = 0; at < events.length; at++) {
    const event = events[at] as HistoryEvent;
    switch (event.type) {
      case "call": {
        const op = compiler.op(event, ops.length, at);
        if (open.get(op.id) !== undefined) malformed ??= `call ${op.id} appears twice`;
        open.set(op);
        ops.push(op);
        break;
      }
      case "return": {
        const op = open.get(event.id);
        if (op === undefined || op.retMs !== -1) {
          malformed ??= `the return of call ${event.id} has no open call`;
          break;
        }
        op.retMs = event.atMs;
        op.outcome = event.outcome;
        if (event.outcome !== "unknown") op.ret = at;
        if (event.outcome === "failed") op.error = event.error;
        if (event.outcome === "ok") {
          op.revision = event.revision;
          op.answer = event.answer;
          if (event.answer.op !== op.step.source.op) malformed ??= `call ${event.id} is answered by another kind`;
          if (op.role === "ordered" && event.revision === unreported) revisioned = false;
        }
        break;
      }
      case "watchOpen": {
        const watch: Watch = { open: event, at, replies: [], asked: [], endAt: never, closedMs: undefined };
        if (watchByNumber.has(event.watch)) malformed ??= `watch ${event.watch} is opened twice`;
        watches.push(watch);
        watchByNumber.set(event.watch, watch);
        break;
      }
      case "watchReply": {
        const watch = watchByNumber.get(event.watch);
        if (watch === undefined) malformed ??= `a reply of watch ${event.watch} comes before it was opened`;
        else watch.replies.push({ at, reply: event });
        break;
      }
      case "watchAsk":
        watchByNumber.get(event.watch)?.asked.push({ at, atMs: event.atMs });
        break;
      case "watchEnd": {
        const watch = watchByNumber.get(event.watch);
        if (watch === undefined) break;
        watch.endAt = Math.min(watch.endAt, at);
        if (event.reason === closedByClient) watch.closedMs = event.atMs;
        break;
      }
      case "meta":
        meta ??= event;
        break;
      default:
        break;
    }
  }
  const startRevision = meta?.startRevision ?? 1;
  const readsPast = compiler.readsPast;
  const numbers = columnsOf(ops);
  return { events, meta, startRevision, ops, keys, keyNumbers, watches, ...numbers, readsPast, revisioned, malformed };
}

function columnsOf(ops: readonly Op[]): Pick<CompactHistory, "columns" | "orderedCount" | "writesMax"> {
  const count = ops.length;
  const [fate, call, ret] = [new Uint8Array(count), new Int32Array(count), new Int32Array(count)];
  const revision = new Float64Array(count);
  let orderedCount = 0;
  let writesMax = 0;
  for (let index = 0; index < count; index++) {
    const op = ops[index] as Op;
    fate[index] = fateOf(op);
    call[index] = op.call;
    ret[index] = op.ret;
    revision[index] = op.revision;
    if (op.outcome === "failed") continue;
    if (op.role === "ordered") orderedCount++;
    if (op.step.kind === "grant" || mayWrite(op.step)) writesMax++;
  }
  return { columns: { fate, call, ret, revision }, orderedCount, writesMax };
}

function fateOf(op: Op): number {
  if (op.outcome === "failed") return fates.refused;
  if (op.outcome === "unknown" || op.answer === undefined) return fates.open;
  if (op.role !== "ordered") return fates.aside;
  const wrote = answerWrote(op.answer);
  return wrote === undefined ? fates.revoked : wrote ? fates.wrote : fates.kept;
}

/** Operations by id: a plain array while ids are small, which they are unless somebody else wrote the history. */
class OpTable {
  readonly #dense: (Op | undefined)[];
  readonly #sparse = new Map<number, Op>();

  constructor(size: number) {
    this.#dense = new Array<Op | undefined>(size + 1).fill(undefined);
  }

  get(id: number): Op | undefined {
    return id >= 0 && id < this.#dense.length ? this.#dense[id] : this.#sparse.get(id);
  }

  set(op: Op): void {
    if (op.id >= 0 && op.id < this.#dense.length && Number.isInteger(op.id)) this.#dense[op.id] = op;
    else this.#sparse.set(op.id, op);
  }
}

/** Position of the first key ≥ text. */
function lowerBound(keys: readonly string[], text: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < text) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Keys [low, high) that a key and a range end name. */
export function keyInterval(
  keys: readonly string[],
  key: string,
  rangeEnd: string | undefined,
): { low: number; high: number } {
  const low = lowerBound(keys, key);
  if (rangeEnd === undefined || rangeEnd === "") return { low, high: keys[low] === key ? low + 1 : low };
  const high = rangeEnd === "\0" ? keys.length : lowerBound(keys, rangeEnd);
  return { low, high: Math.max(low, high) };
}

/** Every key an operation names by itself; keys that appear only in answers belong to nobody. */
function sortedKeys(events: readonly HistoryEvent[]): string[] {
  const found = new Set<string>();
  for (let at = 0; at < events.length; at++) {
    const event = events[at] as HistoryEvent;
    if (event.type === "call") collectKeys(event.operation, found);
  }
  return [...found].sort(compareText);
}

function collectKeys(operation: Operation, into: Set<string>): void {
  switch (operation.op) {
    case "range":
    case "deleteRange":
      if (operation.rangeEnd === undefined || operation.rangeEnd === "") into.add(operation.key);
      return;
    case "put":
      into.add(operation.key);
      return;
    case "txn":
      for (const compare of operation.compares) if (compare.rangeEnd === undefined) into.add(compare.key);
      for (const inner of operation.success) collectKeys(inner, into);
      for (const inner of operation.failure) collectKeys(inner, into);
      return;
    default:
      return;
  }
}

class Compiler {
  readonly #keys: readonly string[];
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #plainRanges: (Step | undefined)[] = [];
  readsPast = false;

  constructor(keys: readonly string[], numbers: ReadonlyMap<string, number>) {
    this.#keys = keys;
    this.#numbers = numbers;
  }

  op(event: HistoryEvent & { readonly type: "call" }, index: number, at: number): Op {
    const { id, client, member, atMs: callMs, user, login } = event;
    return {
      index,
      id,
      client,
      member,
      user,
      login,
      role: roleOf(event.operation),
      step: this.step(event.operation),
      call: at,
      callMs,
      ret: never,
      retMs: -1,
      outcome: "unknown",
      revision: unreported,
      answer: undefined,
      error: "",
    };
  }

  step(source: Operation): Step {
    let kind: StepKind = "other";
    let low = 0;
    let high = 0;
    let value = "";
    let lease = "0";
    let revision = 0;
    let plain = false;
    let txn: CompiledTxn | undefined;
    switch (source.op) {
      case "range":
        kind = "range";
        plain = isPlain(source);
        if (plain) return this.#plainRange(source);
        ({ low, high } = this.#interval(source.key, source.rangeEnd));
        revision = source.revision ?? 0;
        if (revision > 0) this.readsPast = true;
        break;
      case "put":
        kind = "put";
        low = this.#numbers.get(source.key) ?? 0;
        high = low + 1;
        value = source.value;
        lease = source.lease ?? "0";
        break;
      case "deleteRange":
        kind = "delete";
        ({ low, high } = this.#interval(source.key, source.rangeEnd));
        break;
      case "txn":
        kind = "txn";
        txn = this.#txn(source);
        break;
      case "compact":
        kind = "compact";
        revision = source.revision;
        break;
      case "leaseGrant":
        kind = "grant";
        lease = source.lease;
        break;
      case "leaseRevoke":
        kind = "revoke";
        lease = source.lease;
        break;
      default:
        break;
    }
    return { kind, low, high, value, lease, revision, plain, txn, source };
  }

  /** Reads of one key are many and alike: one step serves all of them. */
  #plainRange(source: Operation & { readonly op: "range" }): Step {
    const low = this.#numbers.get(source.key) ?? 0;
    let step = this.#plainRanges[low];
    if (step === undefined) {
      const [value, lease, txn] = ["", "0", undefined];
      step = { kind: "range", low, high: low + 1, value, lease, revision: 0, plain: true, txn, source };
      this.#plainRanges[low] = step;
    }
    return step;
  }

  #interval(key: string, rangeEnd: string | undefined): { low: number; high: number } {
    if (rangeEnd === undefined || rangeEnd === "") {
      const low = this.#numbers.get(key) ?? 0;
      return { low, high: low + 1 };
    }
    return keyInterval(this.#keys, key, rangeEnd);
  }

  #txn(source: TxnOperation): CompiledTxn {
    const compares: CompiledCompare[] = [];
    for (const compare of source.compares) {
      const { low, high } = this.#interval(compare.key, compare.rangeEnd);
      compares.push({ low, high, source: compare });
    }
    const success = source.success.map((inner) => this.step(inner));
    const failure = source.failure.map((inner) => this.step(inner));
    const nested = success.some((inner) => inner.kind === "txn") || failure.some((inner) => inner.kind === "txn");
    return { compares, success, failure, nested };
  }
}

function isPlain(source: KvOperation & { readonly op: "range" }): boolean {
  return (
    (source.rangeEnd === undefined || source.rangeEnd === "") &&
    (source.revision ?? 0) <= 0 &&
    source.keysOnly !== true &&
    source.countOnly !== true
  );
}

/** A transaction of nothing but serializable ranges (or of nothing) is answered from local state, as etcd documents. */
function roleOf(operation: Operation): Role {
  switch (operation.op) {
    case "range":
      return operation.serializable === true ? "read" : "ordered";
    case "txn":
      return operation.success.every(isSerializableRange) && operation.failure.every(isSerializableRange)
        ? "read"
        : "ordered";
    case "leaseKeepAlive":
    case "leaseTimeToLive":
    case "hashKv":
    case "look":
    case "auth":
    case "login":
      return "observation";
    default:
      return "ordered";
  }
}

const isSerializableRange = (operation: KvOperation): boolean =>
  operation.op === "range" && operation.serializable === true;

/** Whether the answer says that something changed; undefined where only the state can tell (a revoke). */
export function answerWrote(answer: OperationAnswer): boolean | undefined {
  switch (answer.op) {
    case "put":
      return true;
    case "deleteRange":
      return answer.deleted > 0;
    case "txn":
      return answer.responses.some((inner) => answerWrote(inner) === true);
    case "leaseRevoke":
      return undefined;
    default:
      return false;
  }
}

/** Whether the step can change the store in some state. */
export function mayWrite(step: Step): boolean {
  switch (step.kind) {
    case "put":
    case "delete":
    case "revoke":
      return true;
    case "txn":
      return step.txn !== undefined && (step.txn.success.some(mayWrite) || step.txn.failure.some(mayWrite));
    default:
      return false;
  }
}
