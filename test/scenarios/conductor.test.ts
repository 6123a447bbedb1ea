import { describe, expect, test } from "vitest";
import { clusterIdOf, memberIdOf, type Reply, revisionOf, termOf } from "../../core/index.ts";
import type { CallEvent, HistoryEvent, OperationAnswer, ReturnEvent } from "../../scenarios/history.ts";
import type { Plan } from "../../scenarios/plan.ts";
import { Conductor, type ConductorOutput } from "../../scenarios/session/conductor.ts";
import { type FinalOutput, FinalSession } from "../../scenarios/session/final.ts";
import { Recorder } from "../../scenarios/session/recorder.ts";
import { at } from "../../scenarios/timeline.ts";

const plan: Plan = {
  format: "faultline-plan",
  version: 1,
  scenario: "x",
  seed: 1,
  members: ["n1", "n2", "n3"].map((name) => ({ name, config: {}, clockOffsetMs: 0, clockDriftPpm: 0 })),
  link: { minDelayMs: 0, maxDelayMs: 0, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0 },
  syncMs: { min: 0, max: 0 },
  faults: [at(30).healNetwork(), at(10).isolate("leader"), at(5_000).killAll()],
  clients: [],
  watches: [],
  phases: { safetyMs: 1_000, progressBoundMs: 2_000, settleMs: 300 },
  checks: [],
};

/** Runs the conductor on its own wakes until it asks for the final reads; what it did, with times. */
function conduct(of: Plan, during?: (recorder: Recorder, nowMs: number) => void): [number, ConductorOutput][] {
  const recorder = new Recorder({ plan: of });
  const conductor = new Conductor({ plan: of, recorder });
  const done: [number, ConductorOutput][] = [];
  const queue = [0];
  while (queue.length > 0 && !done.some(([, output]) => output.type === "beginFinal")) {
    queue.sort((a, b) => a - b);
    const nowMs = queue.shift() ?? 0;
    during?.(recorder, nowMs);
    for (const output of conductor.wake(nowMs)) {
      if (output.type === "wakeAt") queue.push(output.atMs);
      else done.push([nowMs, output]);
    }
  }
  expect(conductor.finalDone(99_999)).toEqual([{ type: "endRun" }]);
  expect(conductor.finalDone(99_999)).toEqual([]);
  done.push([-1, { type: "wakeAt", atMs: conductor.progressAfterMs ?? -1 }]);
  return done;
}

const write = { op: "put", key: "k", value: "v" } as const;
const call = (id: number, atMs: number): CallEvent => ({
  type: "call",
  id,
  client: 1,
  atMs,
  member: "n1",
  operation: write,
});
const accepted = (id: number, atMs: number): ReturnEvent & { outcome: "ok" } => ({
  type: "return",
  id,
  client: 1,
  atMs,
  outcome: "ok",
  revision: 2,
  raftTerm: 1,
  answer: { op: "put" },
});

describe("phases", () => {
  test("faults come at their times in the safety phase, then all is healed; without progress the bound is waited out", () => {
    expect(conduct(plan)).toEqual([
      [10, { type: "fault", fault: { fault: "isolate", target: "leader" } }],
      [30, { type: "fault", fault: { fault: "healNetwork" } }],
      [1_000, { type: "fault", fault: { fault: "healAll" } }],
      [3_000, { type: "stopClients" }],
      [3_300, { type: "beginFinal" }],
      [-1, { type: "wakeAt", atMs: -1 }],
    ]);
  });

  test("a core is healed first and everyone only after progress was seen", () => {
    const events: [number, HistoryEvent][] = [
      [1_000, call(1, 1_010)],
      [1_100, accepted(1, 1_050)],
    ];
    const done = conduct({ ...plan, phases: { ...plan.phases, core: ["n1", "n3"] } }, (recorder, nowMs) => {
      // Recorded between two wakes: after the first wake at 1000, before the next.
      while (events[0] !== undefined && nowMs > events[0][0])
        recorder.record((events.shift() as [number, HistoryEvent])[1]);
    });
    expect(done.slice(2)).toEqual([
      [1_000, { type: "fault", fault: { fault: "healCore", members: ["n1", "n3"] } }],
      [1_200, { type: "fault", fault: { fault: "healAll" } }],
      [1_200, { type: "stopClients" }],
      [1_500, { type: "beginFinal" }],
      [-1, { type: "wakeAt", atMs: 50 }],
    ]);
  });

  test("a write called before healing is no progress, though it is answered after", () => {
    let called = false;
    let answered = false;
    const done = conduct(plan, (recorder, nowMs) => {
      if (nowMs >= 30 && !called) recorder.record(call(1, 30));
      if (nowMs > 1_000 && !answered) recorder.record(accepted(1, nowMs));
      called ||= nowMs >= 30;
      answered ||= nowMs > 1_000;
    });
    expect(done.find(([, output]) => output.type === "stopClients")?.[0]).toBe(3_000);
  });
});

test("an answer that changed nothing is no progress, one that changed a key is", () => {
  const txn = { op: "txn", compares: [], success: [{ op: "range", key: "k" }, write], failure: [] } as const;
  const read = { op: "range", kvs: [], count: 0, more: false, revision: 2 } as const;
  const outcomes: [CallEvent, OperationAnswer, boolean][] = [
    [{ ...call(1, 0), operation: write }, { op: "put" }, true],
    [{ ...call(1, 0), operation: { op: "deleteRange", key: "k" } }, { op: "deleteRange", deleted: 0 }, false],
    [{ ...call(1, 0), operation: { op: "deleteRange", key: "k" } }, { op: "deleteRange", deleted: 1 }, true],
    [{ ...call(1, 0), operation: txn }, { op: "txn", succeeded: true, responses: [read] }, false],
    [
      { ...call(1, 0), operation: txn },
      { op: "txn", succeeded: true, responses: [read, { op: "put", revision: 2 }] },
      true,
    ],
    [{ ...call(1, 0), operation: { op: "range", key: "k" } }, read, false],
  ];
  for (const [called, answer, progress] of outcomes) {
    let recorded = false;
    const done = conduct(plan, (recorder, nowMs) => {
      if (recorded || nowMs <= 1_000) return;
      recorded = true;
      recorder.record({ ...called, atMs: nowMs });
      recorder.record({ ...accepted(1, nowMs), answer });
    });
    const stoppedMs = done.find(([, output]) => output.type === "stopClients")?.[0] ?? 0;
    expect([answer, stoppedMs < 3_000]).toEqual([answer, progress]);
  }
});

describe("final reads", () => {
  const header = (revision: number) => ({
    clusterId: clusterIdOf(1n),
    memberId: memberIdOf(1n),
    revision: revisionOf(revision),
    raftTerm: termOf(1),
  });
  const readAt = (revision: number): Reply => ({
    ok: true,
    header: header(revision),
    answer: { type: "range", keyValues: [], more: false, count: 0 },
  });
  const hashOf = (hash: number): Reply => ({
    ok: true,
    header: header(9),
    answer: { type: "hashKv", hash, compactRevision: 4, hashRevision: 9 },
  });

  class Final {
    readonly recorder = new Recorder({ plan: { clients: [], watches: [] } });
    /** Positions of members that nothing is owed by. */
    readonly gone = new Set<number>();
    readonly session = new FinalSession({
      members: ["n1", "n2"],
      recorder: this.recorder,
      isAsked: (member) => !this.gone.has(member),
    });
    outputs: readonly FinalOutput[] = this.session.step({ type: "wake", nowMs: 0 });

    get call(): Extract<FinalOutput, { type: "call" }> | undefined {
      return this.outputs.find((output) => output.type === "call");
    }

    answer(nowMs: number, reply: Reply): void {
      const callId = this.call?.callId ?? -1;
      this.outputs = this.session.step({ type: "reply", nowMs, callId, reply });
    }
  }

  test("one read of every key through each member, then each member's hash at the highest revision read", () => {
    const talk = new Final();
    expect(talk.call).toMatchObject({ member: 0, request: { type: "range", serializable: false, revision: 0 } });
    talk.answer(1, readAt(9));
    expect(talk.call).toMatchObject({ member: 1, request: { type: "range" } });
    talk.answer(2, readAt(8));
    expect(talk.call).toMatchObject({ member: 0, request: { type: "hashKv", revision: 9 } });
    talk.answer(3, hashOf(77));
    expect(talk.call).toMatchObject({ member: 1, request: { type: "hashKv", revision: 9 } });
    talk.answer(4, hashOf(78));
    expect(talk.outputs).toEqual([{ type: "finished", missing: [] }]);
    expect(talk.recorder.history.map((event) => event.type)).toEqual([
      "call",
      "return",
      "call",
      "return",
      "replica",
      "replica",
    ]);
    expect(talk.recorder.history.slice(4)).toMatchObject([
      { member: "n1", revision: 9, compactRevision: 4, hash: 77 },
      { member: "n2", revision: 9, compactRevision: 4, hash: 78 },
    ]);
  });

  test("a refusal is tried again; a time-out too, by another client", () => {
    const talk = new Final();
    talk.answer(1, { ok: false, refusal: "noLeader" });
    expect(talk.outputs).toEqual([{ type: "wakeAt", atMs: 201 }]);
    talk.outputs = talk.session.step({ type: "wake", nowMs: 201 });
    expect(talk.call?.member).toBe(0);
    talk.outputs = talk.session.step({ type: "wake", nowMs: 5_201 });
    expect(talk.outputs).toMatchObject([
      { type: "abandon", member: 0 },
      { type: "wakeAt", atMs: 5_401 },
    ]);
    talk.outputs = talk.session.step({ type: "wake", nowMs: 5_401 });
    const clients = talk.recorder.history.flatMap((event) => (event.type === "call" ? [event.client] : []));
    expect(clients).toEqual([1, 1, 2]);
    const calls = talk.recorder.history.flatMap((event) => (event.type === "call" ? [event.id] : []));
    expect(new Set(calls).size).toBe(3);
  });

  test("a step that cannot be done is named, and the others are done all the same", () => {
    const talk = new Final();
    let missing: readonly string[] | undefined;
    for (let nowMs = 0; missing === undefined && nowMs < 60_000; nowMs += 200) {
      const { call } = talk;
      if (call === undefined) talk.outputs = talk.session.step({ type: "wake", nowMs });
      else if (call.member !== 0) talk.answer(nowMs, call.request.type === "hashKv" ? hashOf(1) : readAt(9));
      else talk.outputs = talk.session.step({ type: "connectionRefused", nowMs, callId: call.callId });
      missing = talk.outputs.find((output) => output.type === "finished")?.missing;
    }
    expect(missing).toEqual(["read through n1: connection refused", "hash through n1: connection refused"]);
    expect(talk.recorder.history.filter((event) => event.type === "replica")).toHaveLength(1);
  });

  test("where the revision was compacted meanwhile the members are compared at a later one, but not for ever", () => {
    const talk = new Final();
    let missing: readonly string[] | undefined;
    let hashes = 0;
    const answer = (nowMs: number): void => {
      const { call } = talk;
      if (call === undefined) talk.outputs = talk.session.step({ type: "wake", nowMs });
      else if (call.request.type !== "hashKv") talk.answer(nowMs, readAt(9 + hashes));
      else {
        expect(call.request).toMatchObject({ revision: 9 + hashes });
        hashes += 1;
        talk.answer(nowMs, hashes < 3 ? { ok: false, refusal: "compacted" } : hashOf(1));
      }
      missing = talk.outputs.find((output) => output.type === "finished")?.missing;
    };
    for (let nowMs = 0; hashes < 3 && nowMs < 60_000; nowMs += 200) answer(nowMs);
    expect(hashes).toBe(3);
    expect(talk.recorder.history.filter((event) => event.type === "replica")).toMatchObject([
      { member: "n1", revision: 11 },
    ]);

    const never = new Final();
    missing = undefined;
    for (let nowMs = 0; missing === undefined && nowMs < 200_000; nowMs += 200) {
      const { call } = never;
      if (call === undefined) never.outputs = never.session.step({ type: "wake", nowMs });
      else never.answer(nowMs, call.request.type === "hashKv" ? { ok: false, refusal: "compacted" } : readAt(9));
      missing = never.outputs.find((output) => output.type === "finished")?.missing;
    }
    expect(missing).toHaveLength(2);
  });

  test("who leaves meanwhile owes nothing any more, and who comes is asked from then on", () => {
    const talk = new Final();
    talk.answer(1, { ok: false, refusal: "noLeader" });
    talk.gone.add(0);
    talk.outputs = talk.session.step({ type: "wake", nowMs: 201 });
    expect(talk.call).toMatchObject({ member: 1, request: { type: "range" } });
    talk.answer(202, readAt(9));
    expect(talk.call).toMatchObject({ member: 1, request: { type: "hashKv" } });
    talk.answer(203, hashOf(77));
    expect(talk.outputs).toEqual([{ type: "finished", missing: [] }]);

    const grown = new Final();
    grown.gone.add(1);
    grown.answer(1, { ok: false, refusal: "noLeader" });
    grown.gone.delete(1);
    grown.outputs = grown.session.step({ type: "wake", nowMs: 201 });
    grown.answer(202, readAt(9));
    expect(grown.call).toMatchObject({ member: 1, request: { type: "range" } });
  });
});
