import { beforeEach, describe, expect, it } from "vitest";
import { revisionOf, streamIdOf, watchIdOf } from "../../core/ids.ts";
import { cancel, create, line, progress, stageOf, stream } from "./hub-kit.ts";

let { store, hub, replies, write, tick, taken } = stageOf();

function begin(...changed: Parameters<typeof stageOf>): void {
  ({ store, hub, replies, write, tick, taken } = stageOf(...changed));
}

beforeEach(() => begin());

describe("creating and cancelling", () => {
  it("a created reply carries the current revision and comes before any event", () => {
    write(["a", "1"]);
    hub.request(stream, create("a", undefined, { startRevision: 2 }));
    tick();
    write(["a", "2"]);
    expect(taken()).toEqual(["#0 @2 created", "#0 @2 a=1@2", "#0 @3 a=2@3"]);
  });

  it("ids are given from 0, grow, pass over those a client chose, and are not used again after a cancel", () => {
    hub.request(stream, create("a", undefined, { watchId: watchIdOf(1n) }));
    hub.request(stream, create("a", undefined));
    hub.request(stream, create("a", undefined));
    hub.request(stream, cancel(2));
    hub.request(stream, create("a", undefined));
    expect(taken()).toEqual(["#1 @1 created", "#0 @1 created", "#2 @1 created", "#2 @1 canceled", "#3 @1 created"]);
  });

  it("an id in use, an empty range and a negative start are refused on id −1 and the stream goes on", () => {
    hub.request(stream, create("a", undefined, { watchId: watchIdOf(7n) }));
    hub.request(stream, create("a", undefined, { watchId: watchIdOf(7n) }));
    hub.request(stream, create("b", "b"));
    hub.request(stream, create("b", "a"));
    hub.request(stream, create("a", undefined, { startRevision: -1 }));
    write(["a", "1"]);
    expect(taken()).toEqual([
      "#7 @1 created",
      '#-1 @1 created canceled "mvcc: duplicate watch ID provided on the WatchStream"',
      '#-1 @1 created canceled "mvcc: watcher range is empty"',
      '#-1 @1 created canceled "mvcc: watcher range is empty"',
      '#-1 @1 created canceled "etcdserver: mvcc: required revision has been compacted"',
      "#7 @2 a=1@2",
    ]);
  });

  it("after a cancel is answered nothing of that id follows, and an unknown id is not answered", () => {
    write(["a", "1"]);
    hub.request(stream, create("a", undefined));
    hub.request(stream, create("a", undefined, { startRevision: 2 }));
    hub.request(stream, cancel(0));
    hub.request(stream, cancel(1));
    hub.request(stream, cancel(0));
    hub.request(stream, cancel(9));
    write(["a", "2"]);
    tick();
    expect(taken()).toEqual(["#0 @2 created", "#1 @2 created", "#0 @2 canceled", "#1 @2 canceled"]);
  });

  it("an empty key is the key of one zero byte, and with a zero byte as end it is every key", () => {
    hub.request(stream, create("", undefined));
    hub.request(stream, create("", "\0"));
    hub.request(stream, create("b", "\0"));
    write(["a", "1"], ["b", "2"], ["\0", "3"]);
    expect(taken().slice(3)).toEqual(["#0 @2 \0=3@2", "#1 @2 a=1@2 b=2@2 \0=3@2", "#2 @2 b=2@2"]);
  });

  it("requests on a closed stream are ignored, and its watches are gone", () => {
    hub.request(stream, create("a", undefined));
    hub.request(stream, create("a", undefined, { startRevision: 1 }));
    hub.close(stream);
    hub.request(stream, create("a", undefined));
    write(["a", "1"]);
    tick();
    expect(taken()).toEqual(["#0 @1 created", "#1 @1 created"]);
  });
});

describe("events", () => {
  it("a synced watch gets one reply for each revision, with its events in the order they were made", () => {
    hub.request(stream, create("a", "c"));
    write(["b", "1"], ["x", "2"], ["a", "3"], ["b", undefined]);
    write(["x", "4"]);
    write(["a", undefined]);
    expect(taken()).toEqual(["#0 @1 created", "#0 @2 b=1@2 a=3@2 b deleted@2", "#0 @4 a deleted@4"]);
  });

  it("filters drop their kind of event, and a revision without events gives no reply", () => {
    hub.request(stream, create("a", undefined, { noPut: true }));
    hub.request(stream, create("a", undefined, { noDelete: true }));
    hub.request(stream, create("a", undefined, { noPut: true, noDelete: true }));
    write(["a", "1"]);
    write(["a", undefined]);
    expect(taken().slice(3)).toEqual(["#1 @2 a=1@2", "#0 @3 a deleted@3"]);
  });

  it("watches with different filters never share a list of events", () => {
    hub.request(stream, create("a", "z"));
    hub.request(stream, create("a", "z", { noDelete: true }));
    hub.request(stream, create("a", "z"));
    write(["a", "1"], ["b", undefined], ["c", "2"]);
    const lists = replies.slice(3).map(({ reply }) => reply.events);
    expect(lists.map((events) => events.length)).toEqual([3, 2, 3]);
    expect(new Set(lists).size).toBe(3);
  });

  it("the previous value is the key one revision before, also when the key changes twice in one revision", () => {
    hub.request(stream, create("a", undefined, { prevKv: true }));
    write(["a", "1"]);
    write(["a", "2"], ["a", "3"]);
    write(["a", undefined]);
    expect(taken().slice(1)).toEqual(["#0 @2 a=1@2", "#0 @3 a=2@3(was 1) a=3@3(was 1)", "#0 @4 a deleted@4(was 3)"]);
  });

  it("the previous value is left out when the revision before is compacted", () => {
    write(["a", "1"]);
    write(["a", "2"]);
    store.compactRevision = revisionOf(3);
    hub.request(stream, create("a", undefined, { prevKv: true, startRevision: 3 }));
    tick();
    expect(taken()).toEqual(["#0 @3 created", "#0 @3 a=2@3"]);
  });

  it("a watch that starts in the future is silent until then", () => {
    hub.request(stream, create("a", undefined, { startRevision: 4 }));
    write(["a", "2"]);
    write(["a", "3"]);
    write(["a", "4"]);
    expect(taken()).toEqual(["#0 @1 created", "#0 @4 a=4@4"]);
  });

  it("history comes in replies of so many revisions, none of them split, with the current revision in the header", () => {
    begin({ watchRevisionsPerReplyMax: 2 });
    for (let revision = 2; revision <= 6; revision++) write(["a", "x"], ["b", "y"], ["a", "z"]);
    hub.request(stream, create("a", undefined, { startRevision: 1 }));
    tick();
    tick();
    tick();
    tick();
    write(["a", "w"]);
    expect(taken()).toEqual([
      "#0 @6 created",
      "#0 @6 a=x@2 a=z@2 a=x@3 a=z@3",
      "#0 @6 a=x@4 a=z@4 a=x@5 a=z@5",
      "#0 @6 a=x@6 a=z@6",
      "#0 @7 a=w@7",
    ]);
  });

  it("watches that begin at different revisions share a look at history, and each gets its own part", () => {
    for (let revision = 2; revision <= 5; revision++) write(["a", "x"]);
    for (const startRevision of [4, 2, 5, 3]) hub.request(stream, create("a", undefined, { startRevision }));
    taken();
    tick();
    expect(taken()).toEqual([
      "#1 @5 a=x@2 a=x@3 a=x@4 a=x@5",
      "#3 @5 a=x@3 a=x@4 a=x@5",
      "#0 @5 a=x@4 a=x@5",
      "#2 @5 a=x@5",
    ]);
  });

  it("only so many watches catch up in one round, and every one gets its turn", () => {
    begin({ watchersPerCatchUpMax: 2, watchRevisionsPerReplyMax: 1 });
    for (let revision = 2; revision <= 4; revision++) write(["a", "x"]);
    for (let each = 0; each < 5; each++) hub.request(stream, create("a", undefined, { startRevision: 2 }));
    taken();
    const rounds: string[][] = [];
    for (let round = 0; round < 3; round++) {
      tick();
      rounds.push(taken().map((text) => text.split(" ")[0] ?? ""));
    }
    expect(rounds).toEqual([
      ["#0", "#1"],
      ["#2", "#3"],
      ["#4", "#0"],
    ]);
  });
});

describe("between two looks at the clock", () => {
  it("only so many bytes are sent to watches that are behind, and a round is finished before the next begins", () => {
    // A reply counts for three: the second one is beyond the bound.
    begin({ watchBytesPerCatchUpMax: 4, watchRevisionsPerReplyMax: 1 });
    for (let revision = 2; revision <= 4; revision++) write(["a", "x"]);
    for (let each = 0; each < 3; each++) hub.request(stream, create("a", undefined, { startRevision: 2 }));
    taken();
    const rounds: string[][] = [];
    for (let round = 0; round < 5; round++) {
      tick();
      rounds.push(taken().map((text) => text.split(" ")[0] ?? ""));
    }
    expect(rounds).toEqual([["#0", "#1"], ["#2"], ["#0", "#1"], ["#2"], ["#0", "#1"]]);
  });

  it("a stream that reads is served no more than what is left for all", () => {
    begin({ watchBytesPerCatchUpMax: 4, watchRevisionsPerReplyMax: 1 });
    for (let revision = 2; revision <= 9; revision++) write(["a", "x"]);
    hub.request(stream, create("a", undefined, { startRevision: 2 }));
    taken();
    tick();
    const replies = (): number => {
      const count = taken().length;
      hub.drained(stream, count);
      return count;
    };
    expect([replies(), replies(), replies()]).toEqual([1, 1, 0]);
    tick();
    expect([replies(), replies(), replies()]).toEqual([1, 1, 0]);
  });

  it("a watch that finds nothing looks on at once, until enough was read in vain", () => {
    begin({ watchStreamBytesMax: 2, watchVainReadsPerCatchUpMax: 5 });
    for (let revision = 2; revision <= 13; revision++) write(["a", "x"]);
    hub.request(stream, create("a", "z", { startRevision: 2, noPut: true }));
    write(["a", undefined]);
    taken();
    const rounds: string[][] = [];
    for (let round = 0; round < 3; round++) {
      tick();
      rounds.push(taken());
    }
    // Two revisions are a look: three looks, and three, and the last.
    expect(rounds).toEqual([[], [], ["#0 @14 a deleted@14"]]);
  });

  it("a watch of few keys is spared the history of the others, unless that is short", () => {
    begin({ watchRevisionsPerReplyMax: 4, watchVainReadsPerCatchUpMax: 1 });
    write(["mine", "1"]);
    for (let revision = 3; revision <= 99; revision++) write(["other", "x"], ["more", "x"], ["rest", "x"]);
    write(["mine", "2"]);
    hub.request(stream, create("mine", undefined, { startRevision: 1 }));
    hub.request(stream, create("", "\0", { startRevision: 1, noPut: true }));
    hub.request(stream, create("mine", "ming", { startRevision: 1 }));
    taken();
    tick();
    expect(taken()).toEqual(["#0 @100 mine=1@2 mine=2@100", "#2 @100 mine=1@2 mine=2@100"]);
    expect(hub.counts.behind).toBe(1);
  });

  it("watches of the same part of history are given the same events, not copies", () => {
    begin({});
    write(["a", "x"], ["b", "y"]);
    hub.request(stream, create("a", "z", { startRevision: 2 }));
    hub.request(stream, create("a", undefined, { startRevision: 2 }));
    hub.request(stream, create("a", undefined, { startRevision: 2, prevKv: true }));
    taken();
    tick();
    const eventsOf = (watchId: bigint) => replies.find(({ reply }) => reply.watchId === watchId)?.reply.events;
    const [all, one, withPrevious] = [eventsOf(0n), eventsOf(1n), eventsOf(2n)];
    expect(all).toHaveLength(2);
    expect(one?.[0]).toBe(all?.[0]);
    expect(withPrevious?.[0]).not.toBe(all?.[0]);
  });
});

describe("a client that does not read", () => {
  it("its watches fall behind, and go on without loss or repetition when it reads again", () => {
    begin({ watchRepliesMax: 3 });
    hub.request(stream, create("a", undefined));
    hub.request(stream, create("b", undefined));
    for (let revision = 2; revision <= 9; revision++) write(["a", `${revision}`], ["c", "0"]);
    tick();
    expect(taken()).toEqual(["#0 @1 created", "#1 @1 created", "#0 @2 a=2@2"]);
    hub.drained(stream, 3);
    write(["a", "10"]);
    write(["b", "11"]);
    expect(taken()).toEqual(["#0 @9 a=3@3 a=4@4 a=5@5 a=6@6 a=7@7 a=8@8 a=9@9", "#0 @10 a=10@10", "#1 @11 b=11@11"]);
  });

  it("other streams are not held up", () => {
    begin({ watchRepliesMax: 1 });
    const other = streamIdOf(2);
    hub.open(other);
    hub.request(stream, create("a", undefined));
    hub.request(other, create("a", undefined));
    hub.drained(other, 1);
    write(["a", "1"]);
    expect(replies.map(({ streamId, reply }) => `${streamId}: ${line(reply)}`).slice(2)).toEqual(["2: #0 @2 a=1@2"]);
  });

  it("is held no more bytes than its stream may hold, and one reply; the rest comes from history, in parts", () => {
    begin({ watchStreamBytesMax: 40 });
    hub.request(stream, create("a", undefined));
    const large = "x".repeat(25);
    for (let revision = 2; revision <= 7; revision++) write(["a", large]);
    tick();
    const sizes = () => taken().map((text) => `${text.slice(0, 5)} ${text.split(large).length - 1}`);
    expect(sizes()).toEqual(["#0 @1 0", "#0 @2 1", "#0 @3 1"]);
    hub.drained(stream, 3);
    expect(sizes()).toEqual(["#0 @7 2"]);
    hub.drained(stream, 1);
    expect(sizes()).toEqual(["#0 @7 2"]);
  });

  it("all streams together hold no more bytes than they may; who reads gets on, one reply at a time", () => {
    begin({ watchBytesMax: 100 });
    const other = streamIdOf(2);
    hub.open(other);
    hub.request(stream, create("a", undefined));
    hub.request(other, create("a", undefined));
    const large = "x".repeat(45);
    for (let revision = 2; revision <= 5; revision++) {
      write(["a", large]);
      hub.drained(other, 9);
    }
    const of = (id: bigint | number): number =>
      replies.filter(({ streamId, reply }) => streamId === id && line(reply).includes(large)).length;
    expect([of(stream), of(other)]).toEqual([3, 4]);
    hub.close(stream);
    for (let revision = 6; revision <= 8; revision++) write(["a", large]);
    expect(of(other)).toBe(7);
  });

  it("a revision is not split when the stream fills up in the middle of its watches", () => {
    begin({ watchRepliesMax: 3 });
    hub.request(stream, create("a", undefined));
    hub.request(stream, create("a", "c"));
    write(["a", "1"], ["b", "2"]);
    expect(taken()).toEqual(["#0 @1 created", "#1 @1 created", "#0 @2 a=1@2"]);
    hub.drained(stream, 3);
    expect(taken()).toEqual(["#1 @2 a=1@2 b=2@2"]);
  });
});

describe("compaction", () => {
  it("a watch that begins before the compacted revision is created, then cancelled with header revision 0", () => {
    write(["a", "1"]);
    write(["a", "2"]);
    store.compactRevision = revisionOf(3);
    hub.request(stream, create("a", undefined, { startRevision: 2 }));
    hub.request(stream, create("a", undefined, { startRevision: 3 }));
    tick();
    expect(taken()).toEqual(["#0 @3 created", "#1 @3 created", "#0 @0 canceled compacted=3", "#1 @3 a=2@3"]);
  });

  it("the id of a watch cancelled by a compaction stays known: it is taken, and a cancel is answered", () => {
    write(["a", "1"]);
    store.compactRevision = revisionOf(2);
    hub.request(stream, create("a", undefined, { startRevision: 1, watchId: watchIdOf(5n) }));
    tick();
    hub.request(stream, create("a", undefined, { watchId: watchIdOf(5n) }));
    write(["a", "2"]);
    hub.request(stream, cancel(5));
    hub.request(stream, cancel(5));
    expect(taken()).toEqual([
      "#5 @2 created",
      "#5 @0 canceled compacted=2",
      '#-1 @2 created canceled "mvcc: duplicate watch ID provided on the WatchStream"',
      "#5 @3 canceled",
    ]);
  });

  it("a synced watch is never cancelled by a compaction, however long it was idle", () => {
    hub.request(stream, create("a", undefined));
    for (let revision = 2; revision <= 9; revision++) write(["b", "x"]);
    store.compactRevision = revisionOf(9);
    tick();
    write(["a", "1"]);
    expect(taken()).toEqual(["#0 @1 created", "#0 @10 a=1@10"]);
  });

  it("a watch that fell behind is cancelled when compaction overtakes it", () => {
    begin({ watchRepliesMax: 1 });
    hub.request(stream, create("a", undefined));
    write(["a", "1"]);
    write(["a", "2"]);
    store.compactRevision = revisionOf(3);
    hub.drained(stream, 1);
    expect(taken()).toEqual(["#0 @1 created", "#0 @0 canceled compacted=3"]);
  });
});

describe("progress", () => {
  it("a request is answered at once, on id −1, when every watch of the stream is synced", () => {
    write(["a", "1"]);
    hub.request(stream, create("a", undefined));
    hub.request(stream, progress);
    hub.request(stream, progress);
    expect(taken()).toEqual(["#0 @2 created", "#-1 @2", "#-1 @2"]);
  });

  it("a request while a watch is behind is answered after everything up to its revision was sent", () => {
    write(["a", "1"]);
    hub.request(stream, create("b", undefined));
    hub.request(stream, create("a", undefined, { startRevision: 1 }));
    hub.request(stream, progress);
    expect(taken()).toEqual(["#0 @2 created", "#1 @2 created"]);
    tick();
    expect(taken()).toEqual(["#1 @2 a=1@2", "#-1 @2"]);
    tick();
    expect(taken()).toEqual([]);
  });

  it("a request on a stream without watches is not answered, also not later", () => {
    hub.request(stream, progress);
    hub.request(stream, create("a", undefined));
    tick();
    expect(taken()).toEqual(["#0 @1 created"]);
  });

  it("a request waits for room in the stream", () => {
    begin({ watchRepliesMax: 1 });
    hub.request(stream, create("a", undefined));
    hub.request(stream, progress);
    expect(taken()).toEqual(["#0 @1 created"]);
    hub.drained(stream, 1);
    expect(taken()).toEqual(["#-1 @1"]);
  });

  it("an idle synced watch that asked for it is told the revision once an interval, one that had events is not", () => {
    begin({ watchProgressMs: 1000 });
    hub.request(stream, create("a", undefined, { progressNotify: true }));
    hub.request(stream, create("b", undefined, { progressNotify: true }));
    hub.request(stream, create("c", undefined));
    hub.request(stream, create("c", undefined, { progressNotify: true, startRevision: 50 }));
    tick();
    write(["a", "1"]);
    taken();
    for (let ticks = 0; ticks < 11; ticks++) tick();
    expect(taken()).toEqual(["#1 @2"]);
    for (let ticks = 0; ticks < 11; ticks++) tick();
    expect(taken()).toEqual(["#0 @2", "#1 @2"]);
  });
});

describe("a store that was replaced", () => {
  it("synced watches read what they missed from the new store", () => {
    hub.request(stream, create("a", undefined));
    write(["a", "1"]);
    store.write(["a", "2"]);
    store.write(["b", "3"], ["a", "4"]);
    hub.reset();
    tick();
    write(["a", "5"]);
    expect(taken()).toEqual(["#0 @1 created", "#0 @2 a=1@2", "#0 @4 a=2@3 a=4@4", "#0 @5 a=5@5"]);
  });

  it("a watch that was idle for long misses nothing that was compacted before, and goes on", () => {
    hub.request(stream, create("a", undefined));
    for (let revision = 2; revision <= 9; revision++) write(["b", "x"]);
    store.compactRevision = revisionOf(9);
    store.write(["a", "1"]);
    hub.reset();
    tick();
    expect(taken()).toEqual(["#0 @1 created", "#0 @10 a=1@10"]);
  });

  it("a watch whose missed history is compacted in the new store is cancelled", () => {
    hub.request(stream, create("a", undefined));
    write(["a", "1"]);
    store.write(["a", "2"]);
    store.write(["a", "3"]);
    store.compactRevision = revisionOf(4);
    hub.reset();
    tick();
    expect(taken()).toEqual(["#0 @1 created", "#0 @2 a=1@2", "#0 @0 canceled compacted=4"]);
  });
});
