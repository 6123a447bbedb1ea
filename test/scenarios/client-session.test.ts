import { describe, expect, test } from "vitest";
import type { Answer, KeyValue, Reply } from "../../core/index.ts";
import { bytesOfText, clusterIdOf, leaseIdOf, memberIdOf, refusals, revisionOf, termOf } from "../../core/index.ts";
import type { HistoryEvent } from "../../scenarios/history.ts";
import type { PlannedCall, PlannedClient, PlannedOperation } from "../../scenarios/plan.ts";
import { type ClientInput, type ClientOutput, ClientSession } from "../../scenarios/session/client.ts";
import { Recorder } from "../../scenarios/session/recorder.ts";

const members = ["n1", "n2", "n3"];
const put: PlannedOperation = { op: "put", key: "k", value: "v" };
const get: PlannedOperation = { op: "range", key: "k" };
const callsOf = (...operations: PlannedOperation[]): PlannedCall[] =>
  operations.map((operation, position) => ({ id: position + 1, atMs: 100 * position, operation }));

/** One session and a script that feeds it; `outputs` of the last input, `history` of all. */
class Conversation {
  readonly recorder: Recorder;
  readonly session: ClientSession;
  outputs: readonly ClientOutput[] = [];

  constructor(calls: readonly PlannedCall[], options: Partial<PlannedClient> = {}) {
    const client = { client: 4, home: 0, timeoutMs: 1_000, failover: true, calls, ...options };
    this.recorder = new Recorder({ plan: { clients: [client], watches: [] } });
    this.session = new ClientSession({ client, members, recorder: this.recorder });
  }

  /** Feeds one input and returns what was sent out, wakes left aside. */
  feed(input: ClientInput): readonly ClientOutput[] {
    this.outputs = this.session.step(input);
    return this.outputs.filter((output) => output.type !== "wakeAt");
  }

  wake(nowMs: number): readonly ClientOutput[] {
    return this.feed({ type: "wake", nowMs });
  }

  get wakeAt(): number | undefined {
    const wakes = this.outputs.flatMap((output) => (output.type === "wakeAt" ? [output.atMs] : []));
    expect(wakes.length).toBeLessThan(2);
    return wakes[0];
  }

  returns(): readonly HistoryEvent[] {
    return this.recorder.history.filter((event) => event.type === "return");
  }
}

const header = (revision: number) => ({
  clusterId: clusterIdOf(1n),
  memberId: memberIdOf(1n),
  revision: revisionOf(revision),
  raftTerm: termOf(3),
});
const ok = (answer: Answer, revision: number): Reply => ({ ok: true, header: header(revision), answer });
const pair = (key: string, value: string, modRevision: number, version = 1): KeyValue => ({
  key: bytesOfText(key),
  value: bytesOfText(value),
  createRevision: revisionOf(2),
  modRevision: revisionOf(modRevision),
  version,
  lease: leaseIdOf(0n),
});
const found = (revision: number, ...keyValues: KeyValue[]): Reply =>
  ok({ type: "range", keyValues, more: false, count: keyValues.length }, revision);
const putDone = (revision: number): Reply => ok({ type: "put", prevKv: undefined }, revision);

describe("calling", () => {
  test("each call is made at its time, to its home, and noted before it is sent", () => {
    const talk = new Conversation(callsOf(put, get), { home: 1 });
    const sent = talk.wake(0);
    expect(sent).toMatchObject([{ type: "call", callId: 1, member: 1, request: { type: "put" } }]);
    expect(talk.recorder.history).toEqual([{ type: "call", id: 1, client: 4, atMs: 0, member: "n2", operation: put }]);
    expect(talk.feed({ type: "reply", nowMs: 7, callId: 1, reply: putDone(2) })).toEqual([]);
    expect(talk.wakeAt).toBe(100);
    expect(talk.wake(99.5)).toEqual([]);
    expect(talk.wake(100)).toMatchObject([{ type: "call", callId: 2, member: 1, request: { type: "range" } }]);
    expect(talk.returns()).toEqual([
      { type: "return", id: 1, client: 4, atMs: 7, outcome: "ok", revision: 2, raftTerm: 3, answer: { op: "put" } },
    ]);
  });

  test("a client that is still busy calls as soon as it is free, one call in flight at a time", () => {
    const talk = new Conversation(callsOf(put, put));
    talk.wake(0);
    expect(talk.wake(150)).toEqual([]);
    expect(talk.feed({ type: "reply", nowMs: 300, callId: 1, reply: putDone(2) })).toMatchObject([{ callId: 2 }]);
  });

  test("wakes come early, late, twice or never asked for, and change nothing", () => {
    const talk = new Conversation(callsOf(put, put));
    for (const nowMs of [0, 0, 0, 1, 50]) talk.wake(nowMs);
    expect(talk.recorder.history).toHaveLength(1);
    talk.feed({ type: "reply", nowMs: 60, callId: 1, reply: putDone(2) });
    // The deadline of the first call passes while the second is in flight: not its deadline.
    talk.wake(100);
    talk.wake(1_000);
    expect(talk.returns()).toHaveLength(1);
  });

  test("a timer that fires a moment early is asked for again", () => {
    const talk = new Conversation([{ id: 1, atMs: 500, operation: put }]);
    talk.wake(0);
    expect(talk.wakeAt).toBe(500);
    expect(talk.wake(499)).toEqual([]);
    expect(talk.wakeAt).toBe(500);
  });

  test("the number of wakes on their way does not grow with the calls made", () => {
    const talk = new Conversation(callsOf(...Array.from({ length: 200 }, () => put)), { timeoutMs: 60_000 });
    const queue: number[] = [0];
    let woken = 0;
    let nowMs = 0;
    while (queue.length > 0 && talk.recorder.history.length < 400) {
      queue.sort((a, b) => a - b);
      nowMs = queue.shift() ?? nowMs;
      woken += 1;
      let outputs = talk.session.step({ type: "wake", nowMs });
      while (outputs.length > 0) {
        queue.push(...outputs.flatMap((output) => (output.type === "wakeAt" ? [output.atMs] : [])));
        const call = outputs.find((output) => output.type === "call");
        if (call?.type !== "call") break;
        outputs = talk.session.step({ type: "reply", nowMs: nowMs + 1, callId: call.callId, reply: putDone(2) });
      }
    }
    expect(talk.returns()).toHaveLength(200);
    expect(woken).toBeLessThan(450);
  });

  test("after stop nothing new is called; the call in flight may still end", () => {
    const talk = new Conversation(callsOf(put, put, put));
    talk.wake(0);
    talk.feed({ type: "stop", nowMs: 10 });
    expect(talk.session.finished).toBe(false);
    expect(talk.feed({ type: "reply", nowMs: 200, callId: 1, reply: putDone(2) })).toEqual([]);
    expect(talk.wakeAt).toBeUndefined();
    expect(talk.session.finished).toBe(true);
  });
});

describe("what an outcome means", () => {
  test("a time-out is unknown, gives the call up and retires the client number", () => {
    const talk = new Conversation(callsOf(put, put));
    talk.wake(0);
    expect(talk.wakeAt).toBe(1_000);
    expect(talk.wake(1_000)).toEqual([{ type: "abandon", callId: 1, member: 0 }]);
    expect(talk.returns()).toMatchObject([{ id: 1, client: 4, atMs: 1_000, outcome: "unknown" }]);
    talk.wake(1_050);
    expect(talk.recorder.history[2]).toMatchObject({ type: "call", id: 2, client: 5, member: "n2" });
    // The late answer is nobody's any more.
    const length = talk.recorder.history.length;
    talk.feed({ type: "reply", nowMs: 1_060, callId: 1, reply: putDone(9) });
    expect(talk.recorder.history).toHaveLength(length);
  });

  test("every refusal of the table is failed when it is definite, else unknown; only the latter retires the number", () => {
    for (const [name, refusal] of Object.entries(refusals)) {
      for (const asStatus of [false, true]) {
        const talk = new Conversation(callsOf(put, put));
        talk.wake(0);
        talk.feed(
          asStatus
            ? { type: "status", nowMs: 5, callId: 1, code: refusal.code, text: refusal.text }
            : { type: "reply", nowMs: 5, callId: 1, reply: { ok: false, refusal: name as keyof typeof refusals } },
        );
        const outcome = refusal.definite ? "failed" : "unknown";
        expect(talk.returns()).toMatchObject([{ id: 1, client: 4, outcome, error: refusal.text }]);
        talk.wake(500);
        expect(talk.recorder.history[2]).toMatchObject({ type: "call", client: refusal.definite ? 4 : 5 });
      }
    }
  });

  test("a status no table knows is unknown, even with a code that sounds harmless", () => {
    const talk = new Conversation(callsOf(put, put));
    talk.wake(0);
    talk.feed({ type: "status", nowMs: 5, callId: 1, code: "INVALID_ARGUMENT", text: "something else" });
    expect(talk.returns()).toMatchObject([{ outcome: "unknown", error: "INVALID_ARGUMENT: something else" }]);
  });

  test("no connection is failed, a lost one is unknown", () => {
    const talk = new Conversation(callsOf(put, put));
    talk.wake(0);
    talk.feed({ type: "connectionRefused", nowMs: 1, callId: 1 });
    talk.wake(100);
    talk.feed({ type: "connectionLost", nowMs: 120, callId: 2 });
    expect(talk.returns()).toMatchObject([
      { id: 1, outcome: "failed", error: "connection refused" },
      { id: 2, outcome: "unknown", error: "connection lost" },
    ]);
  });

  test("an answer of another kind than the call proves nothing", () => {
    const talk = new Conversation(callsOf(put));
    talk.wake(0);
    talk.feed({ type: "reply", nowMs: 5, callId: 1, reply: found(2) });
    expect(talk.returns()).toMatchObject([{ outcome: "unknown" }]);
  });
});

describe("failover", () => {
  const memberAfter = (result: ClientInput, options: Partial<PlannedClient> = {}): string => {
    const talk = new Conversation(callsOf(put, put), options);
    talk.wake(0);
    talk.feed(result);
    talk.wake(2_000);
    const event = talk.recorder.history.findLast((last) => last.type === "call");
    return event?.type === "call" ? event.member : "none";
  };

  test("a member that cannot serve is left for the next, round and round", () => {
    expect(memberAfter({ type: "connectionRefused", nowMs: 5, callId: 1 })).toBe("n2");
    expect(memberAfter({ type: "connectionRefused", nowMs: 5, callId: 1 }, { home: 2 })).toBe("n1");
    expect(memberAfter({ type: "reply", nowMs: 5, callId: 1, reply: { ok: false, refusal: "noLeader" } })).toBe("n2");
    expect(memberAfter({ type: "wake", nowMs: 1_000 })).toBe("n2");
  });

  test("a refusal of the request itself is no reason to move", () => {
    for (const refusal of ["compacted", "leaseNotFound", "noSpace", "duplicateKey"] as const) {
      expect(memberAfter({ type: "reply", nowMs: 5, callId: 1, reply: { ok: false, refusal } })).toBe("n1");
    }
  });

  test("a client without failover stays, whatever happens", () => {
    expect(memberAfter({ type: "connectionLost", nowMs: 5, callId: 1 }, { failover: false })).toBe("n1");
  });

  test("calls wait a moment after a failure instead of burning in an instant", () => {
    const talk = new Conversation(callsOf(put, put, put));
    talk.wake(500);
    expect(talk.feed({ type: "connectionRefused", nowMs: 500, callId: 1 })).toEqual([]);
    expect(talk.wakeAt).toBe(550);
  });
});

describe("placeholders", () => {
  /** Answers the calls in turn and returns what the last one asked. */
  const asked = (calls: readonly PlannedCall[], replies: readonly Reply[]): unknown => {
    const talk = new Conversation(calls);
    for (const [position, call] of calls.entries()) {
      talk.wake(call.atMs);
      const reply = replies[position];
      if (reply !== undefined) talk.feed({ type: "reply", nowMs: call.atMs + 1, callId: call.id, reply });
    }
    const event = talk.recorder.history.findLast((last) => last.type === "call");
    return event?.type === "call" ? event.operation : undefined;
  };
  const casOn = (target: "mod" | "version" | "value"): PlannedOperation => ({
    op: "txn",
    compares: [{ target, result: "equal", key: "k", operand: { lastSeen: target } }],
    success: [put],
    failure: [],
  });
  const operandOf = (operation: unknown): unknown =>
    (operation as { compares: { operand: unknown }[] }).compares[0]?.operand;

  test("never seen is revision 0, version 0, empty value: what etcd compares an absent key as", () => {
    expect(operandOf(asked(callsOf(casOn("mod")), []))).toBe(0);
    expect(operandOf(asked(callsOf(casOn("version")), []))).toBe(0);
    expect(operandOf(asked(callsOf(casOn("value")), []))).toBe("");
  });

  test("a read teaches modRevision, version and value; a read that finds nothing teaches absence", () => {
    const seen = found(9, pair("k", "x", 7, 3));
    expect(operandOf(asked(callsOf(get, casOn("mod")), [seen]))).toBe(7);
    expect(operandOf(asked(callsOf(get, casOn("version")), [seen]))).toBe(3);
    expect(operandOf(asked(callsOf(get, casOn("value")), [seen]))).toBe("x");
    expect(operandOf(asked(callsOf(get, get, casOn("mod")), [seen, found(12)]))).toBe(0);
  });

  test("an own put teaches its revision, its value and one version more", () => {
    const replies = [found(9, pair("k", "x", 7, 3)), putDone(11)];
    expect(operandOf(asked(callsOf(get, put, casOn("mod")), replies))).toBe(11);
    expect(operandOf(asked(callsOf(get, put, casOn("version")), replies))).toBe(4);
    expect(operandOf(asked(callsOf(get, put, casOn("value")), replies))).toBe("v");
  });

  test("the branch a transaction took teaches, the other does not", () => {
    const taken = (succeeded: boolean): Reply =>
      ok(
        {
          type: "txn",
          succeeded,
          responses: succeeded ? [{ revision: revisionOf(20), answer: { type: "put", prevKv: undefined } }] : [],
        },
        20,
      );
    expect(operandOf(asked(callsOf(casOn("mod"), casOn("mod")), [taken(true)]))).toBe(20);
    expect(operandOf(asked(callsOf(casOn("mod"), casOn("mod")), [taken(false)]))).toBe(0);
  });

  test("an older sight, from a member that lags, does not replace a newer one", () => {
    const serializable: PlannedOperation = { op: "range", key: "k", serializable: true };
    const replies = [putDone(11), found(8, pair("k", "x", 7, 3))];
    expect(operandOf(asked(callsOf(put, serializable, casOn("mod")), replies))).toBe(11);
  });

  test("revisionBack counts from the newest revision any answer carried, and never below 1", () => {
    const old: PlannedOperation = { op: "range", key: "k", limit: 2, revisionBack: 4 };
    expect(asked(callsOf(get, old), [found(30)])).toEqual({ op: "range", key: "k", limit: 2, revision: 26 });
    expect(asked(callsOf(old), [])).toEqual({ op: "range", key: "k", limit: 2, revision: 1 });
    expect(asked(callsOf(get, { op: "compact", revisionBack: 10 }), [found(30)])).toEqual({
      op: "compact",
      revision: 20,
    });
    expect(asked(callsOf(get, { op: "compact", revisionBack: 50 }), [found(30)])).toEqual({
      op: "compact",
      revision: 1,
    });
  });
});

describe("what is sent and what is kept", () => {
  test("a keep-alive goes out as a stream request and comes back as its time to live", () => {
    const talk = new Conversation(callsOf({ op: "leaseKeepAlive", lease: "77" }));
    expect(talk.wake(0)).toEqual([{ type: "keepAlive", callId: 1, member: 0, leaseId: 77n }]);
    const reply = { type: "leaseKeepAlive", header: header(5), leaseId: leaseIdOf(77n), ttlSeconds: 9 } as const;
    talk.feed({ type: "reply", nowMs: 3, callId: 1, reply });
    expect(talk.returns()).toMatchObject([
      { outcome: "ok", revision: 5, answer: { op: "leaseKeepAlive", ttlSeconds: 9 } },
    ]);
  });

  test("bytes pass unharmed, one character each, and ids as decimal texts", () => {
    const bytes = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));
    const talk = new Conversation(
      callsOf({ op: "put", key: bytes, value: bytes, lease: "9223372036854775807", prevKv: true }),
    );
    const [sent] = talk.wake(0);
    expect(sent).toMatchObject({
      request: { key: Uint8Array.from({ length: 256 }, (_, byte) => byte), lease: 9223372036854775807n, prevKv: true },
    });
    const prevKv = { ...pair(bytes, bytes, 3), lease: leaseIdOf(9223372036854775807n) };
    talk.feed({ type: "reply", nowMs: 1, callId: 1, reply: ok({ type: "put", prevKv }, 4) });
    expect(talk.returns()).toMatchObject([
      { answer: { op: "put", prevKv: { key: bytes, value: bytes, modRevision: 3, lease: "9223372036854775807" } } },
    ]);
  });

  test("events are handed to the sink as they happen, in order", () => {
    const sunk: HistoryEvent[] = [];
    const recorder = new Recorder({ plan: { clients: [], watches: [] }, sink: (event) => sunk.push(event) });
    recorder.record({ type: "phase", atMs: 0, phase: "safety" });
    expect(sunk).toEqual(recorder.history);
    expect([recorder.freshClient(), recorder.freshClient(), recorder.freshCall(), recorder.freshWatch()]).toEqual([
      1, 2, 1, 1,
    ]);
  });
});
