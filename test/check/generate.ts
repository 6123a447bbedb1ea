/*
 * Histories of a correct store with overlapping clients, from a seed, and faults put into them. Values are unique
 * unless asked otherwise. A fault makes most histories wrong but not all: the oracle decides.
 */
import type {
  CompareOperation,
  HistoryEvent,
  HistoryKeyValue,
  HistoryWatchEvent,
  KvOperation,
  Operation,
  OperationAnswer,
} from "../../scenarios/history.ts";
import { applyKv, emptyKvState, endLease, type KvState } from "../../scenarios/model/kv.ts";

/** A small generator of whole numbers; the seed is all it knows (mulberry32). */
export class Chance {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }
  percent(chance: number): boolean {
    return this.below(100) < chance;
  }
  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }
}

export const faultNames = [
  "none",
  "stale read",
  "lost write",
  "duplicated write",
  "wrong revision",
  "reordered",
  "ghost of a refused operation",
  "wrong count",
  "wrong version",
  "wrong value",
] as const;
export type InjectedFault = (typeof faultNames)[number];

export interface GenerateOptions {
  readonly operations: number;
  readonly clients: number;
  readonly keys: number;
  /** Percent of operations whose answer is lost. */
  readonly unknownPercent: number;
  readonly leases: boolean;
  readonly txns: boolean;
  readonly past: boolean;
  /** Some reads are serializable, and show one of the last few states. */
  readonly staleReads?: boolean;
  readonly watch: boolean;
  /** Percent of revisions that the watch leaves out. */
  readonly watchLossPercent: number;
  readonly uniqueValues: boolean;
  /** Answers without revisions. */
  readonly blind: boolean;
  readonly fault: InjectedFault;
}

interface Pending {
  readonly id: number;
  readonly client: number;
  readonly operation: Operation;
  readonly lost: boolean;
  applied: { readonly revision: number; readonly answer: OperationAnswer } | "refused" | undefined;
}

/** The answers come from the model, at a random moment between call and return. */
export function generate(seed: number, options: GenerateOptions): HistoryEvent[] {
  const chance = new Chance(seed);
  const events: HistoryEvent[] = [metaEvent];
  let state = emptyKvState(1);
  let pending: Pending[] = [];
  let nextId = 1;
  let nextClient = options.clients;
  let value = 0;
  const free = Array.from({ length: options.clients }, (_, client) => client);
  const open: Pending[] = [];
  let injected = options.fault === "none";
  let stale: KvState = state;
  const recent: KvState[] = [state];
  if (options.watch) events.push(watchOpen);
  const atMs = (): number => events.length * 10;
  const take = (from: Pending): void => {
    pending = pending.filter((other) => other !== from);
  };
  const note = (before: KvState): void => {
    recent.push(state);
    if (recent.length > 5) recent.shift();
    if (options.watch && state.revision > before.revision && !chance.percent(options.watchLossPercent))
      events.push(watchReply(state, atMs()));
  };
  while (nextId <= options.operations || pending.length > 0) {
    const move = chance.below(3);
    if (move === 0 && free.length > 0 && nextId <= options.operations) {
      const client = free.splice(chance.below(free.length), 1)[0] as number;
      value = options.uniqueValues ? value + 1 : chance.below(2);
      const drawn = drawOperation(chance, options, state, `v${value}`);
      const isStale = options.staleReads === true && drawn.op === "range" && !drawn.revision && chance.percent(50);
      const operation = isStale ? { ...drawn, serializable: true } : drawn;
      const call: Pending = {
        id: nextId++,
        client,
        operation,
        lost: chance.percent(options.unknownPercent),
        applied: undefined,
      };
      events.push({ type: "call", id: call.id, client, atMs: atMs(), member: "a", operation });
      pending.push(call);
    } else if (move === 1 && pending.length > 0) {
      const call = chance.pick(pending);
      if (call.applied === undefined && !(call.lost && chance.percent(30))) {
        const before = state;
        const skip = !injected && options.fault === "lost write" && chance.percent(30);
        const old = !injected && options.fault === "stale read" && call.operation.op === "range" && chance.percent(50);
        const isStale = call.operation.op === "range" && call.operation.serializable === true;
        const result = applyKv(isStale ? chance.pick(recent) : old ? stale : state, call.operation);
        if (!result.ok) call.applied = "refused";
        else if (isStale) call.applied = { revision: result.state.revision, answer: result.answer };
        else {
          call.applied = { revision: result.state.revision, answer: result.answer };
          if (skip && result.state.revision > state.revision) injected = true;
          else if (old) injected = true;
          else state = result.state;
          if (!injected && options.fault === "duplicated write" && result.state.revision > before.revision) {
            const again = applyKv(state, call.operation);
            if (again.ok && chance.percent(40)) {
              state = again.state;
              injected = true;
            }
          }
        }
        if (chance.percent(30)) stale = before;
        note(before);
      }
    } else if (move === 2 && pending.length > 0) {
      const call = chance.pick(pending);
      if (call.lost) {
        take(call);
        free.push(nextClient++);
        open.push(call);
        if (chance.percent(50)) {
          events.push({
            type: "return",
            id: call.id,
            client: call.client,
            atMs: atMs(),
            outcome: "unknown",
            error: "t",
          });
        }
      } else if (call.applied !== undefined) {
        take(call);
        free.push(call.client);
        const base = { type: "return", id: call.id, client: call.client, atMs: atMs() } as const;
        const ghost = !injected && options.fault === "ghost of a refused operation" && chance.percent(30);
        if (call.applied === "refused" || ghost) {
          if (ghost) injected = true;
          events.push({ ...base, outcome: "failed", error: "refused" });
        } else {
          const { answer, revision } = call.applied;
          events.push({ ...base, outcome: "ok", revision, raftTerm: 2, answer });
        }
      }
    } else if (open.length > 0 && chance.percent(10)) {
      const late = open.splice(chance.below(open.length), 1)[0] as Pending;
      if (late.applied === undefined) {
        const before = state;
        const result = applyKv(state, late.operation);
        if (result.ok) state = result.state;
        note(before);
      }
    } else if (options.leases && state.leases.length > 0 && chance.percent(15)) {
      const before = state;
      state = endLease(state, chance.pick(state.leases));
      note(before);
    }
  }
  const broken = injected ? events : injectLater(chance, events, options.fault);
  return options.blind ? broken.map(withoutRevisions) : broken;
}

const metaEvent: HistoryEvent = {
  type: "meta",
  format: 1,
  scenario: "generated",
  seed: 0,
  world: "sim",
  target: "model",
  members: ["a"],
  startRevision: 1,
};
const watchOpen: HistoryEvent = {
  type: "watchOpen",
  watch: 1,
  client: 1_000,
  atMs: 0,
  member: "a",
  key: "\0",
  rangeEnd: "\0",
  startRevision: 1,
  prevKv: false,
  noPut: false,
  noDelete: false,
  progressNotify: false,
};

function watchReply(state: KvState, atMs: number): HistoryEvent {
  const events = state.changes
    .filter((change) => change.revision === state.revision)
    .map((change): HistoryWatchEvent => {
      if (change.kv !== undefined) return { type: "put", kv: change.kv };
      const kv = {
        key: change.key,
        value: "",
        createRevision: 0,
        modRevision: change.revision,
        version: 0,
        lease: "0",
      };
      return { type: "delete", kv };
    });
  return {
    type: "watchReply",
    watch: 1,
    atMs,
    revision: state.revision,
    created: false,
    canceled: false,
    compactRevision: 0,
    progress: false,
    events,
  };
}

function drawOperation(chance: Chance, options: GenerateOptions, state: KvState, value: string): Operation {
  const key = `k${chance.below(options.keys)}`;
  const draw = chance.below(100);
  const lease = options.leases && chance.percent(40) && state.leases.length > 0 ? chance.pick(state.leases) : undefined;
  if (options.leases && draw < 12) {
    if (draw < 8 || state.leases.length === 0) {
      return { op: "leaseGrant", lease: String(1 + chance.below(1_000_000)), ttlSeconds: 5 };
    }
    return { op: "leaseRevoke", lease: chance.pick(state.leases) };
  }
  if (options.past && draw < 20 && state.revision > 1) {
    if (draw < 14) return { op: "compact", revision: 1 + chance.below(state.revision) };
    return { op: "range", key, revision: 1 + chance.below(state.revision) };
  }
  if (options.txns && draw < 45) return drawTxn(chance, key, value, options);
  if (draw < 55) return drawRange(chance, key, options);
  if (draw < 85) {
    const put = { op: "put", key, value } as const;
    return { ...put, ...(lease === undefined ? {} : { lease }), ...(chance.percent(20) ? { prevKv: true } : {}) };
  }
  return { op: "deleteRange", key, ...(chance.percent(20) ? { rangeEnd: "\0" } : {}), prevKv: chance.percent(30) };
}

function drawRange(chance: Chance, key: string, options: GenerateOptions): KvOperation {
  if (chance.percent(70)) return { op: "range", key };
  const target = chance.pick(
    options.blind ? (["key", "value"] as const) : (["key", "mod", "create", "version", "value"] as const),
  );
  return {
    op: "range",
    key,
    rangeEnd: "\0",
    ...(chance.percent(40) ? { limit: 1 + chance.below(2) } : {}),
    ...(chance.percent(40) ? { sortOrder: chance.pick(["ascend", "descend"] as const), sortTarget: target } : {}),
    ...(chance.percent(10) ? { countOnly: true } : {}),
    ...(chance.percent(10) ? { keysOnly: true } : {}),
  };
}

function drawTxn(chance: Chance, key: string, value: string, options: GenerateOptions): Operation {
  const other = `k${chance.below(options.keys)}`;
  const compare: CompareOperation = chance.pick([
    { target: "version", result: "equal", key, operand: 0 },
    { target: "value", result: "equal", key, operand: "v1" },
    { target: "create", result: "greater", key, operand: 0 },
    options.blind
      ? { target: "value", result: "notEqual", key, operand: "v2" }
      : { target: "mod", result: "less", key, operand: 4 },
  ] as const);
  const range: KvOperation = { op: "range", key };
  const put: KvOperation = { op: "put", key: other, value };
  const remove: KvOperation = { op: "deleteRange", key: other };
  return {
    op: "txn",
    compares: chance.percent(80) ? [compare] : [],
    success: chance.pick([[put], [range, put], [put, range], [remove]]),
    failure: chance.pick([[], [range], [remove], [{ op: "put", key, value }]]),
  };
}

/** Faults that change one answer or the order of two events. */
function injectLater(chance: Chance, events: readonly HistoryEvent[], fault: InjectedFault): HistoryEvent[] {
  const broken = [...events];
  const places = broken.flatMap((event, at) => (event.type === "return" && event.outcome === "ok" ? [at] : []));
  if (places.length === 0) return broken;
  const at = chance.pick(places);
  const event = broken[at];
  if (event?.type !== "return" || event.outcome !== "ok") return broken;
  if (fault === "wrong revision") {
    broken[at] = { ...event, revision: Math.max(1, event.revision + chance.pick([-2, -1, 1, 2])) };
  } else if (fault === "reordered") {
    // The return moves forward over what others did meanwhile: the interval becomes too narrow.
    const call = broken.findIndex((other) => other.type === "call" && other.id === event.id);
    const target = call + 1 + chance.below(Math.max(1, at - call));
    broken.splice(at, 1);
    broken.splice(Math.min(target, broken.length), 0, event);
  } else if (event.answer.op === "range") {
    const { answer } = event;
    const change = (kv: HistoryKeyValue): HistoryKeyValue =>
      fault === "wrong value"
        ? { ...kv, value: `v${chance.below(5)}` }
        : { ...kv, version: Math.max(1, kv.version + chance.pick([-1, 1])) };
    if (fault === "wrong count") broken[at] = { ...event, answer: { ...answer, count: answer.count + 1 } };
    else if (fault === "wrong value" || fault === "wrong version") {
      broken[at] = { ...event, answer: { ...answer, kvs: answer.kvs.map(change) } };
    }
  }
  return broken;
}

function withoutRevisions(event: HistoryEvent): HistoryEvent {
  if (event.type !== "return" || event.outcome !== "ok") return event;
  return { ...event, revision: -1, answer: blindAnswer(event.answer) };
}

function blindAnswer(answer: OperationAnswer): OperationAnswer {
  const hide = (kv: HistoryKeyValue): HistoryKeyValue => ({
    ...kv,
    createRevision: -1,
    modRevision: -1,
    version: -1,
  });
  switch (answer.op) {
    case "range":
      return { ...answer, kvs: answer.kvs.map(hide) };
    case "put":
      return answer.prevKv === undefined ? answer : { ...answer, prevKv: hide(answer.prevKv) };
    case "deleteRange":
      return answer.prevKvs === undefined ? answer : { ...answer, prevKvs: answer.prevKvs.map(hide) };
    case "txn":
      return {
        ...answer,
        responses: answer.responses.map((response) => ({ ...blindAnswer(response), revision: -1 })),
      };
    default:
      return answer;
  }
}
