/*
 * The hub over the store it has in a member: what watches that are behind are sent, and how much is read for them.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { textOfBytes } from "../../core/bytes.ts";
import { defaultMemberConfig, type MemberConfig } from "../../core/config.ts";
import { streamIdOf } from "../../core/ids.ts";
import type { History, HistorySource } from "../../core/mvcc/change.ts";
import { WatchHub } from "../../core/watch/hub.ts";
import { TestMachine } from "../kit/member-kit.ts";
import { deleteOf, putOf, txnOf } from "../kit/requests.ts";
import { create, stream } from "./hub-kit.ts";

const other = streamIdOf(2);

/** A hub of two streams that take what they are sent when they are asked to, and what was read for them. */
function beside(member: TestMachine, config: Partial<MemberConfig> = {}) {
  const { store } = member.machine;
  const read = { looks: 0, changes: 0, bytes: 0 };
  const count = <Part extends History | undefined>(part: Part): Part => {
    read.looks += 1;
    for (const { keyValue } of part?.changes ?? []) {
      read.changes += 1;
      read.bytes += keyValue.value.length;
    }
    return part;
  };
  const source: HistorySource = {
    get currentRevision() {
      return store.currentRevision;
    },
    get compactRevision() {
      return store.compactRevision;
    },
    changesFrom: (from, revisionsMax, bytesMax) => count(store.changesFrom(from, revisionsMax, bytesMax)),
    changesOf: (keys, from, revisionsMax, bytesMax) => count(store.changesOf(keys, from, revisionsMax, bytesMax)),
    valueAt: (key, revision) => store.valueAt(key, revision),
  };
  const untaken = new Map([stream, other].map((id) => [id, 0]));
  const hub = new WatchHub({
    source,
    config: { ...defaultMemberConfig, ...config },
    emit: (id) => untaken.set(id, (untaken.get(id) ?? 0) + 1),
  });
  hub.open(stream);
  hub.open(other);
  /** @returns the replies that there were */
  const take = (id = stream): number => {
    const replies = untaken.get(id) ?? 0;
    untaken.set(id, 0);
    if (replies > 0) hub.drained(id, replies);
    return replies;
  };
  return { hub, read, take };
}

function filled(revisions: number, keyOf: (number: number) => string, value = "x"): TestMachine {
  const member = new TestMachine();
  for (let number = 0; number < revisions; number++) member.do(putOf(keyOf(number), value));
  return member;
}

const everything = ["", "\0"] as const;
const deletesOnly = { startRevision: 1, noPut: true };

describe("what is read", () => {
  test("in vain is bounded in bytes, too", () => {
    const member = filled(150, (number) => `k${number}`, "x".repeat(100_000));
    const { hub, read } = beside(member, { watchBytesPerCatchUpMax: 1_000_000 });
    hub.request(stream, create(...everything, deletesOnly));
    hub.tick(100);
    expect(read.bytes).toBeGreaterThan(1_000_000);
    expect(read.bytes).toBeLessThan(2_500_000);
  });

  test("of few keys is read once for all that watch them", () => {
    const { hub, read } = beside(filled(5_000, (number) => `k${number % 10}`));
    for (let watch = 0; watch < 100; watch++) hub.request(stream, create("k", "l", { startRevision: 2 }));
    hub.tick(100);
    expect(read).toMatchObject({ looks: 1, changes: 1_000 });
  });

  test("of many keys of which one changes all the time is read a thousand changes at a time", () => {
    const member = filled(20_999, (number) => (number < 999 ? `cold${number}` : "hot"));
    for (let number = 0; number < 999; number++) member.do(putOf(`cold${number}`, "y"));
    const { hub, read, take } = beside(member);
    hub.request(stream, create("c", "z", { startRevision: 1_001 }));
    hub.tick(100);
    while (take() > 0);
    expect(hub.counts.behind).toBe(0);
    expect(read.looks).toBeLessThan(30);
  });
});

describe("a watch that finds nothing", () => {
  test("does not keep one from going on that takes what it is sent", () => {
    const sent = (seeks: boolean): number => {
      const { hub, take } = beside(filled(30_000, (number) => `k${number % 2_000}`));
      if (seeks) hub.request(other, create(...everything, deletesOnly));
      hub.request(stream, create(...everything, { startRevision: 2 }));
      take();
      hub.tick(100);
      let replies = 0;
      for (let taken = take(); taken > 0; taken = take()) replies += taken;
      return replies;
    };
    expect(sent(true)).toBe(sent(false));
  });

  test("does not keep one waiting that is hardly behind", () => {
    const member = filled(60_000, (number) => `k${number % 2_000}`);
    const { hub, take } = beside(member);
    for (let watch = 0; watch < 30; watch++)
      hub.request(stream, create(...everything, { ...deletesOnly, startRevision: 1 + watch * 1_500 }));
    hub.tick(100);
    hub.request(other, create(...everything, { startRevision: member.revision }));
    expect(take(other)).toBe(1);
    hub.tick(200);
    expect(take(other)).toBe(1);
  });
});

test("every watch gets its changes, once, in order, whatever is compacted and whoever takes nothing", () => {
  const ranges: readonly (readonly [string, string | undefined])[] = [
    ...([["a", undefined], ["b", "c"], everything, ["a", "d"], ["w", "x"]] as const),
  ];
  const write = fc.record({ key: fc.constantFrom("a", "b", "ba", "c", "w0500"), deletes: fc.boolean() });
  const on = fc.nat(1);
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constant("write" as const),
        writes: fc.uniqueArray(write, { minLength: 1, maxLength: 3, selector: ({ key }) => key }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("watch" as const),
        on,
        range: fc.constantFrom(...ranges),
        back: fc.nat(25),
        filter: fc.constantFrom("none", "noPut", "noDelete"),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ type: fc.constant("drain" as const), on, count: fc.integer({ min: 1, max: 4 }) }),
    },
    { weight: 4, arbitrary: fc.record({ type: fc.constant("tick" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("compact" as const), back: fc.nat(12) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("piece" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("reload" as const) }) },
  );
  const limits = fc.record({
    watchRepliesMax: fc.integer({ min: 1, max: 6 }),
    watchRevisionsPerReplyMax: fc.integer({ min: 1, max: 4 }),
    watchersPerCatchUpMax: fc.integer({ min: 1, max: 3 }),
    watchStreamBytesMax: fc.integer({ min: 1, max: 30 }),
    watchVainReadsPerCatchUpMax: fc.integer({ min: 1, max: 20 }),
  });
  interface Owed {
    readonly start: number;
    readonly range: readonly [string, string | undefined];
    readonly filter: string;
    readonly got: string[];
    isOver: boolean;
  }
  let events = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), limits, fc.boolean(), (steps, limit, isWide) => {
      const member = new TestMachine({ compactionEntriesPerTickMax: 1, compactionPauseMs: 0 });
      const history: { readonly key: string; readonly main: number; readonly type: string }[] = [];
      const watches = new Map<string, Owed>();
      const untaken = [0, 0];
      const hub = new WatchHub({
        source: member.machine.store,
        config: { ...defaultMemberConfig, ...limit },
        emit: (streamId, reply) => {
          untaken[streamId - 1] = (untaken[streamId - 1] ?? 0) + 1;
          const watch = watches.get(`${streamId}/${reply.watchId}`);
          if (watch === undefined) return;
          if (reply.canceled) watch.isOver = true;
          for (const { type, keyValue } of reply.events)
            watch.got.push(`${keyValue.modRevision} ${type} ${textOfBytes(keyValue.key)}`);
        },
      });
      hub.open(stream);
      hub.open(other);
      const apply = (request: Parameters<TestMachine["do"]>[0]): void => {
        const { changes } = member.do(request);
        for (const { type, keyValue } of changes)
          history.push({ key: textOfBytes(keyValue.key), main: keyValue.modRevision, type });
        hub.notify(changes, member.machine.store.currentRevision);
      };
      // More keys than a part of few keys may have.
      for (let part = 0; isWide && part < 11; part++) {
        const keys = Array.from({ length: 100 }, (_none, number) => `w${String(100 * part + number).padStart(4, "0")}`);
        apply(txnOf({ success: keys.map((key) => putOf(key, "x")) }));
      }
      let nowMs = 0;
      const tick = (): void => {
        nowMs += 100;
        hub.tick(nowMs);
      };
      const drain = (at: number, count: number): void => {
        const replies = Math.min(count, untaken[at] ?? 0);
        if (replies === 0) return;
        untaken[at] = (untaken[at] ?? 0) - replies;
        hub.drained(streamIdOf(at + 1), replies);
      };
      const counts = [0, 0];
      for (const each of steps) {
        switch (each.type) {
          case "write":
            apply(
              txnOf({ success: each.writes.map(({ key, deletes }) => (deletes ? deleteOf(key) : putOf(key, "v"))) }),
            );
            break;
          case "watch": {
            const { range, filter } = each;
            const start = Math.max(1, member.revision - each.back, member.machine.store.compactRevision);
            watches.set(`${each.on + 1}/${counts[each.on]}`, { start, range, filter, got: [], isOver: false });
            counts[each.on] = (counts[each.on] ?? 0) + 1;
            const filters = { noPut: filter === "noPut", noDelete: filter === "noDelete" };
            hub.request(streamIdOf(each.on + 1), create(...range, { startRevision: start, ...filters }));
            break;
          }
          case "drain":
            drain(each.on, each.count);
            break;
          case "tick":
            tick();
            break;
          case "compact": {
            const revision = member.revision - each.back;
            if (revision > member.machine.store.compactRevision)
              member.do({ type: "compact", revision, physical: false });
            break;
          }
          case "piece":
            for (let piece = 0; piece < 5; piece++) member.machine.tick();
            break;
          case "reload":
            member.machine.reload();
            break;
        }
      }
      for (let round = 0; round < 3_000 && (round < 3 || hub.counts.behind > 0); round++) {
        for (const at of [0, 1]) drain(at, Number.POSITIVE_INFINITY);
        tick();
      }
      expect(hub.counts.behind).toBe(0);
      for (const { start, range, filter, got, isOver } of watches.values()) {
        const [from, to] = range;
        const isIn = (key: string): boolean =>
          to === undefined ? key === from : to === "\0" || (key >= from && key < to);
        const owed = history
          .filter(
            ({ key, main, type }) => main >= start && isIn(key) && filter !== (type === "put" ? "noPut" : "noDelete"),
          )
          .map(({ key, main, type }) => `${main} ${type} ${key}`);
        expect(got).toEqual(isOver ? owed.slice(0, got.length) : owed);
        events += got.length;
      }
    }),
    { numRuns: 300 },
  );
  // Or nothing would have been looked at.
  expect(events).toBeGreaterThan(1_000);
});
