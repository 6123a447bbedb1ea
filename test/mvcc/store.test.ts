import { describe, expect, test } from "vitest";
import { textOfBytes } from "../../core/bytes.ts";
import { leaseIdOf, revisionOf } from "../../core/ids.ts";
import type { Change } from "../../core/mvcc/change.ts";
import { bytes, TestMachine, texts } from "../kit/member-kit.ts";
import { deleteOf, putOf, rangeOf, txnOf } from "../kit/requests.ts";

const shown = (changes: readonly Change[]): string[] =>
  changes.map(
    ({ type, keyValue, subRevision }) => `${keyValue.modRevision}.${subRevision} ${type} ${textOfBytes(keyValue.key)}`,
  );

describe("revisions", () => {
  test("a fresh store is at revision 1 and the first write gives 2", () => {
    const member = new TestMachine();
    expect(member.revision).toBe(1);
    expect(member.do(putOf("a", "1")).result).toMatchObject({ ok: true, revision: 2 });
  });

  test("no change, no revision: empty delete, failed compare, grant, revoke without keys, compact, alarm", () => {
    const member = new TestMachine();
    member.do(putOf("a", "1"));
    member.answer({ type: "leaseGrant", leaseId: leaseIdOf(7n), ttlSeconds: 10 });
    member.answer({ type: "leaseRevoke", leaseId: leaseIdOf(7n) });
    member.answer(deleteOf("zzz"));
    member.answer(txnOf({ success: [deleteOf("zzz"), rangeOf("a")] }));
    member.answer({ type: "compact", revision: 2, physical: false });
    member.answer({ type: "alarm", action: "get", alarm: "none", memberId: 1n as never });
    expect(member.revision).toBe(2);
  });

  test("one request is one revision however many keys it touches, with sub-revisions in execution order (K10)", () => {
    const member = new TestMachine();
    const { changes } = member.do(txnOf({ success: [putOf("b"), putOf("a"), txnOf({ success: [putOf("c")] })] }));
    expect(shown(changes)).toEqual(["2.0 put b", "2.1 put a", "2.2 put c"]);
    expect(shown(member.do(deleteOf("\0", "\0")).changes)).toEqual(["3.0 delete a", "3.1 delete b", "3.2 delete c"]);
  });

  test("a put of the same value is still a change", () => {
    const member = new TestMachine();
    member.do(putOf("a", "1"));
    expect(member.do(putOf("a", "1")).changes).toHaveLength(1);
    expect(member.range(rangeOf("a")).keyValues[0]).toMatchObject({ version: 2, createRevision: 2, modRevision: 3 });
  });

  test("a key created again after a delete starts a new generation (K09)", () => {
    const member = new TestMachine();
    for (const request of [putOf("a", "1"), putOf("a", "2"), deleteOf("a"), putOf("a", "3")]) member.do(request);
    expect(member.range(rangeOf("a")).keyValues[0]).toMatchObject({ version: 1, createRevision: 5, modRevision: 5 });
  });

  test("a delete event carries only key and modRevision", () => {
    const member = new TestMachine();
    member.do(putOf("a", "1"));
    const expected = { key: bytes("a"), createRevision: 0, modRevision: 3, version: 0, value: bytes(""), lease: 0n };
    const { changes } = member.do(deleteOf("a"));
    expect(changes).toEqual([{ type: "delete", keyValue: expected, subRevision: 0 }]);
    expect(member.machine.store.changesFrom(revisionOf(3), 1).changes).toEqual(changes);
  });
});

describe("ranges", () => {
  const filled = (): TestMachine => {
    const member = new TestMachine();
    for (const [key, value] of ["a4", "b3", "c2", "d1"].map((text) => [...text]))
      member.do(putOf(key as string, value));
    return member;
  };

  test("an interval is key ≤ k < end, end may be open, and an end at or below the key gives nothing (K12)", () => {
    const member = filled();
    member.do(putOf("\xff", "5"));
    expect(texts(member.range(rangeOf("b", "d")).keyValues)).toEqual(["b=3", "c=2"]);
    expect(texts(member.range(rangeOf("c", "\0")).keyValues)).toEqual(["c=2", "d=1", "\xff=5"]);
    expect(texts(member.range(rangeOf("\0", "\0")).keyValues)).toHaveLength(5);
    expect(texts(member.range(rangeOf("\xff", "\0")).keyValues)).toEqual(["\xff=5"]);
    for (const end of ["b", "a", "\x00a"]) {
      expect(member.range(rangeOf("b", end))).toEqual({ type: "range", keyValues: [], more: false, count: 0 });
    }
  });

  test("an empty range end counts as absent", () => {
    expect(texts(filled().range(rangeOf("b", "")).keyValues)).toEqual(["b=3"]);
  });

  test("count ignores limit and filters, more does not; an exact page has no more (K13)", () => {
    const member = filled();
    const all = (more: object) => member.range(rangeOf("a", "\0", more));
    expect(all({ limit: 4 })).toMatchObject({ count: 4, more: false });
    expect(all({ limit: 3 })).toMatchObject({ count: 4, more: true });
    expect(all({ limit: 1, minModRevision: 5 })).toMatchObject({ count: 4, more: false });
    expect(all({ limit: 1, minModRevision: 4 })).toMatchObject({ count: 4, more: true });
    expect(all({ limit: 1, countOnly: true })).toEqual({ type: "range", keyValues: [], more: false, count: 4 });
  });

  test("an order sorts everything before the limit cuts, filters too (K25)", () => {
    const member = filled();
    const all = (more: object) => texts(member.range(rangeOf("a", "\0", { limit: 2, ...more })).keyValues);
    expect(all({ sortOrder: "ascend", sortTarget: "value" })).toEqual(["d=1", "c=2"]);
    expect(all({ sortOrder: "descend", sortTarget: "mod" })).toEqual(["d=1", "c=2"]);
    expect(all({ minCreateRevision: 4 })).toEqual(["c=2", "d=1"]);
    expect(all({ sortOrder: "descend" })).toEqual(["d=1", "c=2"]);
  });

  test("a sort target without an order sorts only the first limit + 1 keys", () => {
    const member = filled();
    const answer = member.range(rangeOf("a", "\0", { limit: 2, sortTarget: "value" }));
    expect(texts(answer.keyValues)).toEqual(["c=2", "b=3"]);
    expect(answer.more).toBe(true);
  });

  test("keys only drops the value after sorting by it and keeps all else", () => {
    const member = filled();
    const [first] = member.range(
      rangeOf("a", "\0", { keysOnly: true, sortOrder: "ascend", sortTarget: "value" }),
    ).keyValues;
    expect(first).toMatchObject({ key: bytes("d"), value: bytes(""), modRevision: 5, version: 1 });
  });

  test("a read at an old revision sees the keys of that revision, not today's (K07)", () => {
    const member = filled();
    member.do(deleteOf("a"));
    member.do(putOf("b", "9"));
    expect(texts(member.range(rangeOf("\0", "\0", { revision: 3 })).keyValues)).toEqual(["a=4", "b=3"]);
    expect(member.machine.range(rangeOf("a", undefined, { revision: 99 }))).toEqual({
      ok: false,
      refusal: "futureRevision",
    });
  });
});

describe("compaction", () => {
  test("reads below it are refused at once, at it they are answered; the same revision again is refused", () => {
    const member = new TestMachine();
    for (const value of ["1", "2", "3"]) member.do(putOf("a", value));
    expect(member.refusal({ type: "compact", revision: 9, physical: false })).toBe("futureRevision");
    expect(member.refusal({ type: "compact", revision: 3, physical: false })).toBeUndefined();
    expect(member.machine.range(rangeOf("a", undefined, { revision: 2 }))).toEqual({ ok: false, refusal: "compacted" });
    expect(texts(member.range(rangeOf("a", undefined, { revision: 3 })).keyValues)).toEqual(["a=2"]);
    expect(member.refusal({ type: "compact", revision: 3, physical: false })).toBe("compacted");
    member.settle();
    expect(texts(member.range(rangeOf("a", undefined, { revision: 3 })).keyValues)).toEqual(["a=2"]);
  });

  test("a store never compacted accepts revision 0 once, and remembers it over a restart", () => {
    const member = new TestMachine();
    expect(member.machine.hashKv(0)).toMatchObject({ compactRevision: -1 });
    expect(member.refusal({ type: "compact", revision: -1, physical: false })).toBe("compacted");
    expect(member.refusal({ type: "compact", revision: 0, physical: false })).toBeUndefined();
    member.machine.reload();
    expect(member.machine.hashKv(0)).toMatchObject({ compactRevision: 0 });
    expect(member.refusal({ type: "compact", revision: 0, physical: false })).toBe("compacted");
  });

  test("a tombstone exactly at the compacted revision is kept, so a watch from there sees the delete (K01)", () => {
    const member = new TestMachine();
    for (const request of [putOf("a", "1"), deleteOf("a"), putOf("b", "1")]) member.do(request);
    member.do({ type: "compact", revision: 3, physical: false });
    member.settle();
    expect(shown(member.machine.store.changesFrom(revisionOf(3), 10).changes)).toEqual(["3.0 delete a", "4.0 put b"]);
    member.do({ type: "compact", revision: 4, physical: false });
    member.settle();
    expect(member.machine.store.keyCount).toBe(1);
  });

  test("a key put and deleted in the compacted revision shows its delete alone, before and after the work is done", () => {
    const member = new TestMachine({ compactionEntriesPerTickMax: 1 });
    member.do(txnOf({ success: [txnOf({ success: [putOf("q")] }), txnOf({ success: [deleteOf("q")] })] }));
    expect(shown(member.machine.store.changesFrom(revisionOf(2), 10).changes)).toEqual(["2.0 put q", "2.1 delete q"]);
    member.do({ type: "compact", revision: 2, physical: false });
    for (let tick = 0; tick < 5; tick++) {
      expect(shown(member.machine.store.changesFrom(revisionOf(2), 10).changes)).toEqual(["2.1 delete q"]);
      member.machine.tick();
    }
  });

  test("the work is done in bounded pieces and a restart takes up what is left", () => {
    const member = new TestMachine({ compactionEntriesPerTickMax: 2 });
    for (let number = 0; number < 9; number++) member.do(putOf("a", `${number}`));
    member.do({ type: "compact", revision: 10, physical: true });
    const stored = (): number => {
      let count = 0;
      member.backend.scan("key", { from: bytes("\0"), to: undefined }, () => {
        count += 1;
        return true;
      });
      return count;
    };
    member.machine.tick();
    expect(stored()).toBe(7);
    expect(member.machine.store.compactedPhysically).toBe(-1);
    member.backend.sync();
    member.crash(0);
    expect(member.machine.store.compactRevision).toBe(10);
    member.settle();
    expect(stored()).toBe(1);
    expect(member.machine.store.compactedPhysically).toBe(10);
  });

  test("the current revision survives even when nothing is left of the keys", () => {
    const member = new TestMachine();
    for (const request of [putOf("a"), deleteOf("a"), putOf("b"), deleteOf("b")]) member.do(request);
    member.do({ type: "compact", revision: 5, physical: false });
    member.settle();
    member.machine.reload();
    expect(member.revision).toBe(5);
  });
});

describe("history", () => {
  test("is handed out in whole revisions, and names the next one (W24)", () => {
    const member = new TestMachine();
    member.do(txnOf({ success: [putOf("a"), putOf("b"), putOf("c")] }));
    member.do(putOf("d"));
    member.do(putOf("e"));
    const { store } = member.machine;
    const first = store.changesFrom(revisionOf(1), 1);
    expect(shown(first.changes)).toEqual(["2.0 put a", "2.1 put b", "2.2 put c"]);
    expect(first.next).toBe(3);
    expect(store.changesFrom(revisionOf(3), 2)).toMatchObject({ next: 5 });
    expect(store.changesFrom(revisionOf(5), 2)).toEqual({ changes: [], next: 5 });
    // However little may be read at once, one revision is, and whole.
    expect(store.changesFrom(revisionOf(1), 9, 1)).toEqual(first);
    expect(store.changesFrom(revisionOf(3), 9, 1)).toMatchObject({ next: 4 });
  });

  test("a previous value is absent when its revision is compacted", () => {
    const member = new TestMachine();
    for (const value of ["1", "2", "3"]) member.do(putOf("a", value));
    expect(member.machine.store.valueAt(bytes("a"), revisionOf(2))?.value).toEqual(bytes("1"));
    member.do({ type: "compact", revision: 3, physical: false });
    expect(member.machine.store.valueAt(bytes("a"), revisionOf(2))).toBeUndefined();
    expect(member.machine.store.valueAt(bytes("a"), revisionOf(3))?.value).toEqual(bytes("2"));
  });
});
