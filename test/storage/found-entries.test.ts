import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { indexOf, noIndex, noTerm } from "../../core/ids.ts";
import { RaftLog } from "../../core/raft/log.ts";
import type { Entry, EntryList } from "../../core/raft/message.ts";
import { createLog, recoverLog } from "../../core/storage/log-store.ts";
import { entry, hardState, identity, MemoryDisk } from "./log-kit.ts";

const config = { segmentBytesMax: 1024 };

/** The entries as a disk with small segments holds them, and what should be there. */
function onDisk(writes: readonly { readonly back: number; readonly count: number }[], compactTo: number) {
  const { store, operations } = createLog(identity, config);
  const disk = new MemoryDisk(true);
  disk.carryOut(operations);
  const model: Entry[] = [];
  writes.forEach(({ back, count }, turn) => {
    model.length = Math.max(0, model.length - back);
    const from = model.length + 1;
    const added = Array.from({ length: count }, (_none, number) => {
      const text = number % 4 === 3 ? "" : `${turn}/${number} ${"x".repeat((turn * 31 + number * 17) % 90)}`;
      return entry(from + number, turn + 1, text);
    });
    model.push(...added);
    disk.carryOut(store.append({ hardState: hardState(turn + 1, undefined, 0), entries: added }));
  });
  const at = Math.min(compactTo, model.length);
  const place = model[at - 1];
  if (place !== undefined) disk.carryOut(store.compact(place));
  const log = recoverLog(disk.segments, config);
  if (!log.ok) throw new Error(log.reason);
  return { found: log.entries, model: model.slice(at), base: log.base };
}

const arbitraryWrites = fc.array(
  fc.record({ back: fc.integer({ min: 0, max: 3 }), count: fc.integer({ min: 1, max: 9 }) }),
  { minLength: 1, maxLength: 12 },
);

/** Everything one can ask of a list. */
function expectSame(list: EntryList, entries: readonly Entry[]): void {
  expect(list.length).toBe(entries.length);
  expect([...list]).toEqual(entries);
  for (let position = -entries.length - 1; position <= entries.length; position++) {
    expect(list.at(position)).toEqual(entries.at(position));
  }
}

describe("entries found on a disk", () => {
  test.prop([arbitraryWrites, fc.nat(30), fc.nat(60), fc.nat(60)])(
    "they are the entries that were written, and so is every part of them",
    (writes, compactTo, a, b) => {
      const { found, model } = onDisk(writes, compactTo);
      expectSame(found, model);
      const from = Math.min(a, model.length);
      const to = Math.max(from, Math.min(b, model.length));
      const part = found.slice(from, to);
      expectSame(part, model.slice(from, to));
      expectSame(part.slice(Math.min(1, part.length)), model.slice(from, to).slice(1));
    },
  );

  test.prop([arbitraryWrites, fc.array(fc.tuple(fc.nat(3), fc.nat(40), fc.nat(5)), { maxLength: 12 })])(
    "a log in memory is the same whether it began with them or with objects",
    (writes, steps) => {
      const { found, model, base } = onDisk(writes, 0);
      const logs = [found, model].map((entries) => {
        const start = { baseIndex: base.index, baseTerm: base.term, commitIndex: noIndex, appliedIndex: base.index };
        return new RaftLog({ ...start, entries });
      });
      let term = 100;
      for (const [action, at, count] of steps) {
        const shown = logs.map((log) => {
          const index = log.firstIndex + (at % Math.max(1, log.lastIndex - log.firstIndex + 1));
          if (action === 0) {
            const last = log.lastIndex;
            for (let more = 1; more <= count; more++) log.append(entry(last + more, term));
          } else if (action === 1 && index > log.commitIndex && index <= log.lastIndex) {
            log.merge([entry(index, term), entry(index + 1, term)]);
          } else if (action === 2 && index <= log.lastIndex) {
            log.commitTo(indexOf(index));
            log.takeUnwritten(noTerm);
            log.persisted(log.lastIndex, log.lastTerm);
            while (log.hasCommitted) log.takeCommitted(100);
            log.appliedTo(log.handedIndex);
          } else if (log.appliedIndex >= log.firstIndex) {
            log.compactTo(indexOf(Math.min(index, log.appliedIndex)));
          }
          return contentOf(log);
        });
        expect(shown[0]).toEqual(shown[1]);
        term += 1;
      }
    },
  );
});

const contentOf = (log: RaftLog) => ({
  first: log.firstIndex,
  last: log.lastIndex,
  lastTerm: log.lastTerm,
  terms: [log.termAt(indexOf(log.firstIndex - 1)), log.termAt(indexOf(log.firstIndex - 2))],
  entries: log.slice(log.firstIndex, log.lastIndex, Number.POSITIVE_INFINITY),
  some: log.lastIndex < log.firstIndex ? [] : log.slice(log.firstIndex, log.lastIndex, 60),
  hint: log.conflictHint(log.lastIndex, noTerm),
});
