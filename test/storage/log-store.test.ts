import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { indexOf, memberIdOf } from "../../core/ids.ts";
import type { LogOperation } from "../../core/output.ts";
import { createLog, type LogStore, neverBegun, recoverLog } from "../../core/storage/log-store.ts";
import { base, entry, hardState, identity, MemoryDisk, ModelLog, recovered, textOf } from "./log-kit.ts";

const config = { segmentBytesMax: 1024 };

function newLog(preallocate = false): { store: LogStore; disk: MemoryDisk } {
  const { store, operations } = createLog(identity, config);
  const disk = new MemoryDisk(preallocate);
  disk.carryOut(operations);
  return { store, disk };
}

const entriesFrom = (first: number, last: number, term: number, text?: string) =>
  Array.from({ length: last - first + 1 }, (_, position) => entry(first + position, term, text));

describe("log store", () => {
  it("what was appended is what is recovered", () => {
    const { store, disk } = newLog();
    disk.carryOut(store.append({ hardState: hardState(1, 0xa1, 0), entries: [entry(1, 1), entry(2, 1, "")] }));
    disk.carryOut(store.append({ hardState: hardState(1, 0xa1, 2), entries: [] }));
    const log = recoverLog(disk.segments, config);
    expect(log.ok && [...log.entries]).toEqual([entry(1, 1), entry(2, 1, "")]);
    expect(log).toMatchObject({
      ok: true,
      identity,
      base: base(0, 0),
      hardState: hardState(1, 0xa1, 2),
      operations: [],
      notes: [],
    });
  });

  it("a new log is empty, and its first segment is named after sequence 0 and index 1", () => {
    const { disk } = newLog();
    expect(disk.segments.map((segment) => segment.name)).toEqual(["0000000000000000-0000000000000001.wal"]);
    expect(recovered(disk.segments, 1024)).toEqual(new ModelLog().content);
  });

  it("an entry written again cuts off what stood at its index and after it", () => {
    const { store, disk } = newLog();
    disk.carryOut(store.append({ hardState: undefined, entries: entriesFrom(1, 9, 1) }));
    disk.carryOut(store.append({ hardState: undefined, entries: entriesFrom(4, 5, 2) }));
    expect(recovered(disk.segments, 1024)).toMatchObject({
      entries: [...entriesFrom(1, 3, 1), ...entriesFrom(4, 5, 2)],
    });
  });

  it("a segment is closed before it grows beyond its size, and an entry larger than a segment gets one of its own", () => {
    const { store, disk } = newLog();
    const operations: LogOperation[] = [];
    for (let index = 1; index <= 40; index++) {
      const text = index === 20 ? "x".repeat(3000) : "y".repeat(100);
      operations.push(...store.append({ hardState: undefined, entries: [entry(index, 1, text)] }));
    }
    disk.carryOut(operations);
    const sizes = disk.segments.map((segment) => segment.bytes.length);
    expect(sizes.filter((size) => size > 1024)).toHaveLength(1);
    expect(operations.filter((operation) => operation.type === "create")).toHaveLength(sizes.length - 1);
    for (const operation of operations) {
      if (operation.type === "create") expect(operation.expectedBytes).toBe(1024);
    }
    const content = recovered(disk.segments, 1024);
    expect(typeof content === "string" ? content : content.entries.length).toBe(40);
  });

  it("one large write is spread over segments", () => {
    const { store, disk } = newLog();
    disk.carryOut(
      store.append({ hardState: hardState(3, undefined, 0), entries: entriesFrom(1, 60, 3, "z".repeat(60)) }),
    );
    expect(disk.segments.length).toBeGreaterThan(4);
    for (const segment of disk.segments) expect(segment.bytes.length).toBeLessThanOrEqual(1024);
    expect(recovered(disk.segments, 1024)).toMatchObject({ entries: entriesFrom(1, 60, 3, "z".repeat(60)) });
  });

  it("term and vote survive when every segment they were first written in is dropped", () => {
    const { store, disk } = newLog();
    disk.carryOut(store.append({ hardState: hardState(7, 0xb2, 0), entries: [] }));
    for (let index = 1; index <= 100; index++) {
      disk.carryOut(store.append({ hardState: undefined, entries: [entry(index, 7, "v".repeat(50))] }));
      store.persisted(store.end);
    }
    disk.carryOut(store.compact(base(100, 7)));
    store.persisted(store.end);
    disk.carryOut(store.append({ hardState: undefined, entries: [entry(101, 7)] }));
    expect(disk.segments).toHaveLength(1);
    expect(recovered(disk.segments, 1024)).toEqual({
      base: base(100, 7),
      hardState: hardState(7, 0xb2, 100),
      entries: [entry(101, 7)],
    });
  });

  it("no segment is dropped before what allows it is durable", () => {
    const { store, disk } = newLog();
    disk.carryOut(store.append({ hardState: undefined, entries: entriesFrom(1, 60, 1, "v".repeat(50)) }));
    store.persisted(store.end);
    const compaction = store.compact(base(60, 1));
    expect(compaction.some((operation) => operation.type === "remove")).toBe(false);
    disk.carryOut(compaction);
    const durable = store.end;
    const meanwhile = store.append({ hardState: undefined, entries: [entry(61, 1)] });
    expect(meanwhile.some((operation) => operation.type === "remove")).toBe(false);
    disk.carryOut(meanwhile);
    store.persisted(durable);
    const after = store.append({ hardState: undefined, entries: [entry(62, 1)] });
    expect(after.filter((operation) => operation.type === "remove").length).toBeGreaterThan(2);
  });

  it("without news of durability, segments are dropped one compaction later", () => {
    const { store, disk } = newLog();
    disk.carryOut(store.append({ hardState: undefined, entries: entriesFrom(1, 60, 1, "v".repeat(50)) }));
    const first = store.compact(base(50, 1));
    disk.carryOut(first);
    expect(first.some((operation) => operation.type === "remove")).toBe(false);
    disk.carryOut(store.append({ hardState: undefined, entries: [entry(61, 1)] }));
    disk.carryOut(store.compact(base(60, 1)));
    expect(disk.segments.length).toBeLessThan(5);
    expect(recovered(disk.segments, 1024)).toMatchObject({ base: base(60, 1), entries: [entry(61, 1)] });
  });

  it("a segment whose entries are overwritten in a later one stays as long as the entries before it count", () => {
    const { store, disk } = newLog();
    disk.carryOut(store.append({ hardState: undefined, entries: entriesFrom(1, 30, 1, "v".repeat(50)) }));
    disk.carryOut(store.append({ hardState: undefined, entries: entriesFrom(5, 30, 2, "w".repeat(50)) }));
    for (const index of [4, 5, 12, 20]) {
      disk.carryOut(store.compact(base(index, index < 5 ? 1 : 2)));
      store.persisted(store.end);
      disk.carryOut(store.append({ hardState: undefined, entries: [] }));
      expect(recovered(disk.segments, 1024)).toMatchObject({
        base: base(index, index < 5 ? 1 : 2),
        entries: entriesFrom(index + 1, 30, 2, "w".repeat(50)),
      });
    }
  });

  it("a log that is reset begins after the snapshot and forgets what was there", () => {
    const { store, disk } = newLog();
    disk.carryOut(
      store.append({ hardState: hardState(2, undefined, 3), entries: entriesFrom(1, 40, 2, "v".repeat(50)) }),
    );
    disk.carryOut(store.reset(base(1000, 5), hardState(6, 0xa1, 1000)));
    store.persisted(store.end);
    disk.carryOut(store.append({ hardState: undefined, entries: [entry(1001, 6)] }));
    expect(disk.segments).toHaveLength(1);
    expect(recovered(disk.segments, 1024)).toEqual({
      base: base(1000, 5),
      hardState: hardState(6, 0xa1, 1000),
      entries: [entry(1001, 6)],
    });
  });

  it("a start that never got as far as a log is told from a damaged one", () => {
    const first = "0000000000000000-0000000000000001.wal";
    const { disk } = newLog();
    const whole = disk.segments[0]?.bytes ?? new Uint8Array();
    expect(neverBegun([])).toBe(true);
    for (let length = 0; length < whole.length; length++) {
      expect(neverBegun([{ name: first, bytes: whole.slice(0, length) }])).toBe(true);
      const zeroed = new Uint8Array(1024);
      zeroed.set(whole.slice(0, length));
      expect(neverBegun([{ name: first, bytes: zeroed }])).toBe(true);
    }
    expect(neverBegun([{ name: first, bytes: whole }])).toBe(false);
    const { operations } = createLog(identity, config, [{ name: first, bytes: whole.slice(0, 9) }]);
    const again = new MemoryDisk(true, [{ name: first, bytes: whole.slice(0, 9) }]);
    again.carryOut(operations);
    expect(recovered(again.segments, 1024)).toEqual(new ModelLog().content);
  });

  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant("append" as const),
        back: fc.nat(6),
        count: fc.nat(5),
        newTerm: fc.boolean(),
        size: fc.oneof(fc.nat(40), fc.integer({ min: 200, max: 1500 })),
        vote: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
        changesState: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("compact" as const), back: fc.nat(8) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("reset" as const), ahead: fc.integer({ min: 1, max: 9 }) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("restart" as const) }) },
  );

  it("any sequence of writes, compactions, resets and restarts leaves what a plain list would hold", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), fc.boolean(), (steps, preallocate, tells) => {
        let { store, disk } = newLog(preallocate);
        const model = new ModelLog();
        let term = 1;
        let durable = store.end;
        for (const each of steps) {
          if (each.type === "append") {
            if (each.newTerm) term += 1;
            const lowest = model.content.base.index + 1;
            const first = Math.max(lowest, model.last.index + 1 - (each.newTerm ? each.back : 0));
            const entries = Array.from({ length: each.count }, (_, position) =>
              entry(first + position, term, "d".repeat(each.size)),
            );
            // A commit index never lies beyond the log.
            const state = each.changesState ? hardState(term, each.vote, lowest - 1) : undefined;
            disk.carryOut(store.append({ hardState: state, entries }));
            model.append({ hardState: state, entries });
          } else if (each.type === "compact") {
            const index = model.last.index - each.back;
            const at = model.termAt(index);
            if (at !== undefined) {
              disk.carryOut(store.compact(base(index, at)));
              model.compact(base(index, at));
            }
          } else if (each.type === "reset") {
            const to = base(model.last.index + each.ahead, term);
            disk.carryOut(store.reset(to, hardState(term, undefined, to.index)));
            model.reset(to, hardState(term, undefined, to.index));
          } else {
            const log = recoverLog(disk.segments, config);
            if (!log.ok) throw new Error(log.reason);
            expect(log.notes).toEqual([]);
            disk.carryOut(log.operations);
            store = log.store;
            durable = store.end;
          }
          if (tells) store.persisted(durable);
          durable = store.end;
          expect(textOf(recovered(disk.segments, 1024))).toBe(textOf(model.content));
        }
      }),
      { numRuns: 200 },
    );
  });

  it("the identity of the log is that of its member", () => {
    const other = { clusterId: identity.clusterId, memberId: memberIdOf(0xffff_ffff_ffff_fffen) };
    const { operations } = createLog(other, config);
    const disk = new MemoryDisk(false);
    disk.carryOut(operations);
    expect(recoverLog(disk.segments, config)).toMatchObject({ ok: true, identity: other, base: { index: indexOf(0) } });
  });
});
