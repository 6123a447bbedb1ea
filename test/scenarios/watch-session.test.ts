import { fc, test as property } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import type { WatchEvent, WatchReply } from "../../core/index.ts";
import { bytesOfText, clusterIdOf, leaseIdOf, memberIdOf, revisionOf, termOf, watchIdOf } from "../../core/index.ts";
import type { PlannedWatch } from "../../scenarios/plan.ts";
import { Recorder } from "../../scenarios/session/recorder.ts";
import { type WatchInput, type WatchOutput, WatchSession } from "../../scenarios/session/watch.ts";

const planned: PlannedWatch = {
  client: 6,
  home: 0,
  atMs: 0,
  key: "\0",
  rangeEnd: "\0",
  startRevision: 1,
  prevKv: false,
  noPut: false,
  noDelete: false,
  progressNotify: false,
  progressRequestMs: 0,
  slowByMs: 0,
};

const eventAt = (revision: number): WatchEvent => ({
  type: "put",
  keyValue: {
    key: bytesOfText("k"),
    value: bytesOfText(`v${revision}`),
    createRevision: revisionOf(2),
    modRevision: revisionOf(revision),
    version: 1,
    lease: leaseIdOf(0n),
  },
  prevKv: undefined,
});
const replyOf = (revision: number, parts: Partial<WatchReply> = {}): WatchReply => ({
  type: "watch",
  header: { clusterId: clusterIdOf(1n), memberId: memberIdOf(1n), revision: revisionOf(revision), raftTerm: termOf(2) },
  watchId: watchIdOf(0n),
  created: false,
  canceled: false,
  compactRevision: 0,
  cancelReason: "",
  fragment: false,
  events: [],
  ...parts,
});
const eventsOf = (...revisions: number[]): WatchReply =>
  replyOf(revisions[revisions.length - 1] ?? 1, { events: revisions.map(eventAt) });

class Conversation {
  readonly recorder = new Recorder({ plan: { clients: [], watches: [planned] } });
  readonly session: WatchSession;
  outputs: readonly WatchOutput[] = [];

  constructor(options: Partial<PlannedWatch> = {}) {
    const members = ["n1", "n2", "n3"];
    this.session = new WatchSession({ watch: { ...planned, ...options }, members, recorder: this.recorder });
  }

  feed(input: WatchInput): readonly WatchOutput[] {
    this.outputs = this.session.step(input);
    return this.outputs.filter((output) => output.type !== "wakeAt");
  }

  wake(nowMs: number): readonly WatchOutput[] {
    return this.feed({ type: "wake", nowMs });
  }

  reply(nowMs: number, reply: WatchReply, watch = 1): readonly WatchOutput[] {
    return this.feed({ type: "reply", nowMs, watch, reply });
  }

  get wakeAt(): number | undefined {
    return this.outputs.flatMap((output) => (output.type === "wakeAt" ? [output.atMs] : []))[0];
  }

  /** Start revisions of all streams asked for, undefined for "from now". */
  starts(): (number | undefined)[] {
    return this.recorder.history.flatMap((event) => (event.type === "watchOpen" ? [event.startRevision] : []));
  }

  revisionsSeen(): number[] {
    return this.recorder.history.flatMap((event) =>
      event.type === "watchReply" ? event.events.map(({ kv }) => kv.modRevision) : [],
    );
  }
}

describe("cancelling", () => {
  test("a watch is cancelled at its time, and begins again once its member has said that it is", () => {
    const talk = new Conversation({ cancelAfterMs: 300 });
    talk.wake(0);
    talk.reply(5, replyOf(9, { created: true }));
    talk.reply(6, eventsOf(2, 3));
    expect(talk.wake(299)).toEqual([]);
    expect(talk.wake(300)).toEqual([
      { type: "request", watch: 1, member: 0, request: { type: "watchCancel", watchId: watchIdOf(0n) } },
    ]);
    // What was on its way is taken as before.
    talk.reply(310, eventsOf(4));
    expect(talk.wake(900)).toEqual([]);
    talk.reply(901, replyOf(4, { canceled: true }));
    expect(talk.wake(1_100)).toMatchObject([{ type: "open", watch: 2, request: { startRevision: 5 } }]);
    expect(talk.revisionsSeen()).toEqual([2, 3, 4]);
  });

  test("none is cancelled any more once all is to be brought", () => {
    const talk = new Conversation({ cancelAfterMs: 300 });
    talk.wake(0);
    talk.feed({ type: "hurry", nowMs: 100 });
    expect(talk.wake(300)).toEqual([]);
    talk.feed({ type: "ended", nowMs: 400, watch: 1, reason: "connection lost" });
    talk.wake(600);
    expect(talk.wake(2_000)).toEqual([]);
  });
});

describe("opening and resuming", () => {
  test("a watch opens at its time and member, and is noted before", () => {
    const talk = new Conversation({ atMs: 40, home: 2 });
    expect(talk.wake(0)).toEqual([]);
    expect(talk.wakeAt).toBe(40);
    expect(talk.wake(40)).toMatchObject([
      { type: "open", watch: 1, member: 2, request: { type: "watchCreate", startRevision: 1, fragment: false } },
    ]);
    expect(talk.recorder.history).toEqual([
      {
        type: "watchOpen",
        watch: 1,
        client: 6,
        atMs: 40,
        member: "n3",
        key: "\0",
        rangeEnd: "\0",
        startRevision: 1,
        prevKv: false,
        noPut: false,
        noDelete: false,
        progressNotify: false,
      },
    ]);
  });

  test("after its stream ended a watch resumes behind the last event, on the next member, under a new number", () => {
    const talk = new Conversation();
    talk.wake(0);
    talk.reply(5, replyOf(9, { created: true }));
    talk.reply(6, eventsOf(2, 3, 4));
    expect(talk.feed({ type: "ended", nowMs: 10, watch: 1, reason: "connection lost" })).toEqual([]);
    const wakeAt = talk.wakeAt ?? 0;
    expect(wakeAt).toBeGreaterThan(10);
    expect(talk.wake(wakeAt)).toMatchObject([{ type: "open", watch: 2, member: 1, request: { startRevision: 5 } }]);
    expect(talk.recorder.history.slice(-2)).toMatchObject([
      { type: "watchEnd", watch: 1, reason: "connection lost" },
      { type: "watchOpen", watch: 2, member: "n2", startRevision: 5, resumes: 1 },
    ]);
  });

  test("a header ahead of the events is no proof: a watch with a start resumes from it until it saw something", () => {
    const talk = new Conversation({ startRevision: 3 });
    talk.wake(0);
    talk.reply(5, replyOf(90, { created: true }));
    talk.feed({ type: "ended", nowMs: 10, watch: 1, reason: "x" });
    talk.wake(500);
    expect(talk.starts()).toEqual([3, 3]);
  });

  test("a watch from now resumes behind the revision it was created at; uncreated, again from now", () => {
    const { startRevision: _, ...fromNow } = planned;
    for (const created of [false, true]) {
      const recorder = new Recorder({ plan: { clients: [], watches: [] } });
      const session = new WatchSession({ watch: fromNow, members: ["n1"], recorder });
      session.step({ type: "wake", nowMs: 0 });
      if (created) session.step({ type: "reply", nowMs: 1, watch: 1, reply: replyOf(7, { created: true }) });
      session.step({ type: "ended", nowMs: 2, watch: 1, reason: "x" });
      const [open] = session.step({ type: "wake", nowMs: 500 });
      expect(open).toMatchObject({ type: "open", request: { startRevision: created ? 8 : 0 } });
    }
  });

  test("a progress notice proves that everything up to it was seen", () => {
    const talk = new Conversation();
    talk.wake(0);
    talk.reply(1, eventsOf(2));
    talk.reply(2, replyOf(8));
    talk.feed({ type: "ended", nowMs: 3, watch: 1, reason: "x" });
    talk.wake(500);
    expect(talk.starts()).toEqual([1, 9]);
    expect(talk.recorder.history[2]).toMatchObject({ type: "watchReply", progress: true, revision: 8 });
  });

  test("a watch canceled by a compaction goes on at the compact revision, where it is", () => {
    const talk = new Conversation();
    talk.wake(0);
    expect(talk.reply(5, replyOf(60, { canceled: true, compactRevision: 50, cancelReason: "compacted" }))).toEqual([
      { type: "drained", watch: 1, member: 0, replies: 1 },
      { type: "close", watch: 1, member: 0 },
    ]);
    expect(talk.wake(500)).toMatchObject([{ type: "open", watch: 2, member: 0, request: { startRevision: 50 } }]);
  });

  test("replies and ends of an earlier stream are nobody's any more", () => {
    const talk = new Conversation();
    talk.wake(0);
    talk.feed({ type: "ended", nowMs: 1, watch: 1, reason: "x" });
    talk.wake(500);
    expect(talk.reply(501, eventsOf(2), 1)).toEqual([]);
    expect(talk.feed({ type: "ended", nowMs: 502, watch: 1, reason: "x" })).toEqual([]);
    expect(talk.revisionsSeen()).toEqual([]);
  });
});

describe("taking replies", () => {
  test("every reply taken is drained once, in order", () => {
    const talk = new Conversation();
    talk.wake(0);
    expect(talk.reply(1, eventsOf(2, 3))).toEqual([{ type: "drained", watch: 1, member: 0, replies: 1 }]);
    talk.reply(2, eventsOf(4));
    expect(talk.revisionsSeen()).toEqual([2, 3, 4]);
  });

  test("a slow watcher takes one reply each slowByMs, and drains no earlier", () => {
    const talk = new Conversation({ slowByMs: 100 });
    talk.wake(0);
    for (const [position, revision] of [2, 3, 4].entries()) {
      expect(talk.reply(10 + position, eventsOf(revision))).toEqual([]);
    }
    const taken: number[] = [];
    for (const nowMs of [109, 110, 200, 210, 310]) {
      taken.push(talk.wake(nowMs).length);
    }
    expect(taken).toEqual([0, 1, 0, 1, 1]);
    expect(talk.revisionsSeen()).toEqual([2, 3, 4]);
  });

  test("what came before the end of a stream is taken before the watch moves on", () => {
    const talk = new Conversation({ slowByMs: 1_000 });
    talk.wake(0);
    talk.reply(1, eventsOf(2));
    talk.reply(2, eventsOf(3));
    talk.feed({ type: "ended", nowMs: 3, watch: 1, reason: "x" });
    talk.wake(500);
    expect(talk.revisionsSeen()).toEqual([2, 3]);
    expect(talk.starts()).toEqual([1, 4]);
  });

  test("told to hurry, a slow watcher takes everything at once from then on", () => {
    const talk = new Conversation({ slowByMs: 10_000 });
    talk.wake(0);
    for (const revision of [2, 3, 4]) talk.reply(1, eventsOf(revision));
    expect(talk.feed({ type: "hurry", nowMs: 50 })).toHaveLength(3);
    expect(talk.reply(60, eventsOf(5))).toHaveLength(1);
  });

  test("closing takes what is there, ends the stream and opens no other", () => {
    const talk = new Conversation({ slowByMs: 10_000, progressRequestMs: 100 });
    talk.wake(0);
    talk.reply(1, eventsOf(2));
    const out = talk.feed({ type: "close", nowMs: 5 });
    expect(out.map((output) => output.type)).toEqual(["drained", "close"]);
    expect(talk.wakeAt).toBeUndefined();
    expect(talk.wake(10_000)).toEqual([]);
    expect(talk.recorder.history.at(-1)).toMatchObject({ type: "watchEnd", watch: 1 });
  });

  test("progress is asked for at its interval, on the open stream only", () => {
    const talk = new Conversation({ progressRequestMs: 200 });
    talk.wake(0);
    expect(talk.wake(200)).toEqual([{ type: "request", watch: 1, member: 0, request: { type: "watchProgress" } }]);
    expect(talk.wake(399)).toEqual([]);
    talk.feed({ type: "ended", nowMs: 400, watch: 1, reason: "x" });
    expect(talk.wake(401)).toEqual([]);
  });
});

// A fake cluster: three members share one log of revisions; a stream sends it in batches of random size from its
// start, and breaks at random. Whatever happens, the watcher sees each revision once, in order, and in the end all.
property.prop(
  [
    fc.integer({ min: 1, max: 60 }),
    fc.array(fc.record({ batch: fc.integer({ min: 1, max: 9 }), ends: fc.boolean(), progress: fc.boolean() }), {
      minLength: 1,
      maxLength: 60,
    }),
    fc.constantFrom(0, 30),
  ],
  { numRuns: 200 },
)("whatever streams break, a watcher sees every revision once and in order", (last, turns, slowByMs) => {
  const talk = new Conversation({ slowByMs });
  let nowMs = 0;
  let watch = 0;
  let sent = 1;
  const open = (outputs: readonly WatchOutput[]): void => {
    for (const output of outputs) {
      if (output.type !== "open") continue;
      watch = output.watch;
      sent = output.request.startRevision - 1;
    }
  };
  const send = (count: number): void => {
    const upTo = Math.min(last, sent + count);
    const revisions = Array.from({ length: upTo - sent }, (_, position) => sent + 1 + position).filter((r) => r > 1);
    sent = upTo;
    if (revisions.length > 0) talk.reply(nowMs, eventsOf(...revisions), watch);
  };
  open(talk.wake(nowMs));
  for (const turn of turns) {
    nowMs += 20;
    open(talk.wake(nowMs));
    send(turn.batch);
    if (turn.progress) talk.reply(nowMs, replyOf(Math.max(1, sent)), watch);
    if (turn.ends) {
      talk.feed({ type: "ended", nowMs, watch, reason: "x" });
      nowMs += 200;
      open(talk.wake(nowMs));
    }
  }
  send(last);
  talk.feed({ type: "close", nowMs });
  expect(talk.revisionsSeen()).toEqual(Array.from({ length: last - 1 }, (_, position) => position + 2));
});
