/*
 * Hand-made histories: short words for events. Positions are the order of the words; times are given or counted in
 * steps of 10 ms.
 */
import {
  closedByClient,
  type HistoryEvent,
  type HistoryKeyValue,
  type HistoryWatchEvent,
  type Operation,
  type OperationAnswer,
  type WatchOpenEvent,
  type WatchReplyEvent,
} from "../../scenarios/history.ts";

export class Recorder {
  readonly events: HistoryEvent[] = [
    {
      type: "meta",
      format: 1,
      scenario: "hand-made",
      seed: 0,
      world: "sim",
      target: "faultline",
      members: ["a", "b", "c"],
      startRevision: 1,
    },
  ];
  #nowMs = 0;

  at(ms: number): this {
    this.#nowMs = ms - 10;
    return this;
  }

  call(id: number, operation: Operation, member = "a"): this {
    return this.add({ type: "call", id, client: id, atMs: this.#tick(), member, operation });
  }

  /** A call of a user, with the token of that login if one is named. */
  callOf(id: number, user: string, operation: Operation, login?: number): this {
    const shown = login === undefined ? { user } : { user, login };
    return this.add({ type: "call", id, client: id, atMs: this.#tick(), member: "a", operation, ...shown });
  }

  ok(id: number, revision: number, answer: OperationAnswer): this {
    return this.add({
      type: "return",
      id,
      client: id,
      atMs: this.#tick(),
      outcome: "ok",
      revision,
      raftTerm: 2,
      answer,
    });
  }

  fail(id: number, error = "refused"): this {
    return this.add({ type: "return", id, client: id, atMs: this.#tick(), outcome: "failed", error });
  }

  lost(id: number): this {
    return this.add({ type: "return", id, client: id, atMs: this.#tick(), outcome: "unknown", error: "timed out" });
  }

  /** A put that is called and answered with nothing in between. */
  put(id: number, key: string, value: string, revision: number, lease?: string): this {
    const operation = { op: "put", key, value, ...(lease === undefined ? {} : { lease }) } as const;
    return this.call(id, operation).ok(id, revision, { op: "put" });
  }

  get(id: number, key: string, revision: number, kv?: HistoryKeyValue, serializable = false, member = "a"): this {
    return this.call(id, { op: "range", key, ...(serializable ? { serializable } : {}) }, member).ok(
      id,
      revision,
      found(kv),
    );
  }

  watch(watch: number, options: Partial<WatchOpenEvent> = {}): this {
    return this.add({
      type: "watchOpen",
      watch,
      client: 100 + watch,
      atMs: this.#tick(),
      member: "a",
      ...(options.key === undefined ? { key: "\0", rangeEnd: "\0" } : { key: options.key }),
      startRevision: 1,
      prevKv: false,
      noPut: false,
      noDelete: false,
      progressNotify: false,
      ...options,
    });
  }

  reply(
    watch: number,
    revision: number,
    events: readonly HistoryWatchEvent[],
    rest: Partial<WatchReplyEvent> = {},
  ): this {
    return this.add({
      type: "watchReply",
      watch,
      atMs: this.#tick(),
      revision,
      created: false,
      canceled: false,
      compactRevision: 0,
      progress: false,
      events,
      ...rest,
    });
  }

  add(event: HistoryEvent): this {
    this.events.push(event);
    return this;
  }

  /** The client asks for progress on that watch. */
  ask(watch: number): this {
    return this.add({ type: "watchAsk", watch, atMs: this.#tick() });
  }

  /** The client ends that watch. */
  closeWatch(watch: number): this {
    return this.add({ type: "watchEnd", watch, atMs: this.#tick(), reason: closedByClient });
  }

  /** Nothing is broken from now on. */
  healAll(): this {
    return this.add({ type: "fault", atMs: this.#tick(), fault: "healAll", members: [], result: "done", detail: "" });
  }

  phase(phase: "safety" | "liveness" | "final"): this {
    return this.add({ type: "phase", atMs: this.#tick(), phase });
  }

  #tick(): number {
    this.#nowMs += 10;
    return this.#nowMs;
  }
}

export const found = (kv?: HistoryKeyValue): OperationAnswer => ({
  op: "range",
  kvs: kv === undefined ? [] : [kv],
  count: kv === undefined ? 0 : 1,
  more: false,
});

/** A key that was put once, or `version` times since `createRevision`. */
export const kv = (
  key: string,
  value: string,
  modRevision: number,
  rest: Partial<HistoryKeyValue> = {},
): HistoryKeyValue => ({ key, value, createRevision: modRevision, modRevision, version: 1, lease: "0", ...rest });

export const putEvent = (pair: HistoryKeyValue, prevKv?: HistoryKeyValue): HistoryWatchEvent => ({
  type: "put",
  kv: pair,
  ...(prevKv === undefined ? {} : { prevKv }),
});
export const deleteEvent = (key: string, modRevision: number, prevKv?: HistoryKeyValue): HistoryWatchEvent => ({
  type: "delete",
  kv: { key, value: "", createRevision: 0, modRevision, version: 0, lease: "0" },
  ...(prevKv === undefined ? {} : { prevKv }),
});
