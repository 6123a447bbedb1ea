/*
 * Large histories of a correct store, from a seed, for benches and for tests of large histories.
 */
import type { HistoryEvent, HistoryKeyValue } from "../../scenarios/history.ts";
import { Chance } from "../check/generate.ts";

export interface Workload {
  readonly operations: number;
  readonly clients: number;
  readonly keys: number;
  readonly unknownPermille: number;
  readonly watch: boolean;
  /** Answers carry revisions. */
  readonly revisions: boolean;
  /** Reads that answer with the state of some time ago. */
  readonly staleReads: number;
}

/** Gets, puts, compare-and-sets and deletes of a correct store; each takes effect somewhere between call and return. */
export function history(seed: number, load: Workload): HistoryEvent[] {
  const chance = new Chance(seed);
  const events: HistoryEvent[] = [
    { type: "meta", format: 1, scenario: "", seed, world: "sim", target: "", members: [], startRevision: 1 },
  ];
  const watch: HistoryEvent[] = [];
  const state = new Map<string, HistoryKeyValue>();
  const old = new Map<string, HistoryKeyValue>();
  let revision = 1;
  let id = 0;
  const shown = (kv: HistoryKeyValue): HistoryKeyValue =>
    load.revisions ? kv : { ...kv, createRevision: -1, modRevision: -1, version: -1 };
  const write = (key: string, value: string | undefined): void => {
    revision++;
    const before = state.get(key);
    if (before !== undefined) old.set(key, before);
    const gone = { key, value: "", createRevision: 0, modRevision: revision, version: 0, lease: "0" };
    const put = {
      ...gone,
      value: value ?? "",
      createRevision: before?.createRevision ?? revision,
      version: (before?.version ?? 0) + 1,
    };
    if (value === undefined) state.delete(key);
    else state.set(key, put);
    if (load.watch)
      watch.push(reply(revision, value === undefined ? "delete" : "put", value === undefined ? gone : put));
  };
  const free = Array.from({ length: load.clients }, (_, client) => client);
  const busy: { readonly event: HistoryEvent | undefined; readonly client: number }[] = [];
  let staleAt = load.staleReads > 0 ? Math.floor(load.operations / (load.staleReads + 1)) : load.operations;
  const staleEvery = staleAt;
  while (id < load.operations || busy.length > 0) {
    if (free.length > 0 && id < load.operations && (busy.length === 0 || chance.below(2) === 0)) {
      const client = free.pop() as number;
      id++;
      const key = `k${chance.below(load.keys)}`;
      const draw = chance.below(100);
      const unknown = chance.below(1_000) < load.unknownPermille;
      const applied = !unknown || chance.percent(50);
      const current = state.get(key);
      const base = { id, client, atMs: id } as const;
      const back = { type: "return", ...base, outcome: "ok", raftTerm: 2 } as const;
      let answer: HistoryEvent | undefined;
      const header = (): number => (load.revisions ? revision : -1);
      if (draw < 50) {
        const stale = id > staleAt ? old.get(key) : undefined;
        if (stale !== undefined) staleAt += staleEvery;
        const kv = stale ?? current;
        events.push({ type: "call", ...base, member: "a", operation: { op: "range", key } });
        const kvs = kv === undefined ? [] : [shown(kv)];
        answer = { ...back, revision: header(), answer: { op: "range", kvs, count: kvs.length, more: false } };
      } else if (draw < 85) {
        events.push({ type: "call", ...base, member: "a", operation: { op: "put", key, value: `v${id}` } });
        if (applied) write(key, `v${id}`);
        answer = { ...back, revision: header(), answer: { op: "put" } };
      } else if (draw < 95) {
        const expected = chance.percent(70) ? current?.value : "none";
        const compare =
          expected === undefined
            ? ({ target: "version", result: "equal", key, operand: 0 } as const)
            : ({ target: "value", result: "equal", key, operand: expected } as const);
        const put = { op: "put", key, value: `v${id}` } as const;
        const operation = { op: "txn", compares: [compare], success: [put], failure: [] } as const;
        events.push({ type: "call", ...base, member: "a", operation });
        const succeeded = expected === undefined ? current === undefined : current?.value === expected;
        if (applied && succeeded) write(key, `v${id}`);
        const responses = succeeded ? [{ op: "put" as const, revision: header() }] : [];
        answer = { ...back, revision: header(), answer: { op: "txn", succeeded, responses } };
      } else {
        events.push({ type: "call", ...base, member: "a", operation: { op: "deleteRange", key } });
        if (applied && current !== undefined) write(key, undefined);
        const deleted = current === undefined ? 0 : 1;
        answer = { ...back, revision: header(), answer: { op: "deleteRange", deleted } };
      }
      busy.push({ event: unknown ? undefined : answer, client });
    } else if (busy.length > 0) {
      const [done] = busy.splice(chance.below(busy.length), 1);
      if (done?.event !== undefined) {
        events.push(done.event);
        free.push(done.client);
      } else free.push(load.clients + id);
    }
  }
  return load.watch ? [...events, watchOpen, ...watch] : events;
}

const watchOpen: HistoryEvent = {
  type: "watchOpen",
  watch: 1,
  client: -1,
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

const reply = (revision: number, type: "put" | "delete", kv: HistoryKeyValue): HistoryEvent => ({
  type: "watchReply",
  watch: 1,
  atMs: 0,
  revision,
  created: false,
  canceled: false,
  compactRevision: 0,
  progress: false,
  events: [{ type, kv }],
});
