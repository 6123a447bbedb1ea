import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { emptyBytes } from "../../core/bytes.ts";
import { indexOf, noIndex, noTerm, termOf } from "../../core/ids.ts";
import { entryBytes, RaftLog } from "../../core/raft/log.ts";
import type { Entry } from "../../core/raft/message.ts";
import { arbitraryEntries } from "../kit/arbitraries.ts";

const entry = (index: number, term: number): Entry => ({
  index: indexOf(index),
  term: termOf(term),
  kind: "command",
  data: emptyBytes,
});

const logOf = (terms: readonly number[], options: { base?: [index: number, term: number]; applied?: number } = {}) => {
  const [baseIndex, baseTerm] = options.base ?? [0, 0];
  return new RaftLog({
    baseIndex: indexOf(baseIndex),
    baseTerm: termOf(baseTerm),
    entries: terms.map((term, position) => entry(baseIndex + 1 + position, term)),
    commitIndex: noIndex,
    appliedIndex: indexOf(options.applied ?? baseIndex),
  });
};

const termsOf = (log: RaftLog): readonly (number | undefined)[] => {
  const terms: (number | undefined)[] = [];
  for (let index = log.firstIndex as number; index <= log.lastIndex; index++) terms.push(log.termAt(indexOf(index)));
  return terms;
};

describe("terms at the borders", () => {
  test("the term at the base is known, below and beyond there is none, and none is not 0", () => {
    const log = logOf([3, 3, 4], { base: [5, 2] });
    expect(log.termAt(indexOf(5))).toBe(2);
    expect(log.termAt(indexOf(8))).toBe(4);
    expect(log.termAt(indexOf(4))).toBeUndefined();
    expect(log.termAt(indexOf(9))).toBeUndefined();
    expect(logOf([]).termAt(noIndex)).toBe(noTerm);
  });

  test("a log that is folded into its base still has the last term for votes", () => {
    const log = logOf([], { base: [9, 4] });
    expect(log.lastTerm).toBe(4);
    expect(log.isUpToDate({ lastIndex: indexOf(20), lastTerm: termOf(3) })).toBe(false);
    expect(log.isUpToDate({ lastIndex: indexOf(9), lastTerm: termOf(4) })).toBe(true);
    expect(log.isUpToDate({ lastIndex: indexOf(8), lastTerm: termOf(4) })).toBe(false);
    expect(log.isUpToDate({ lastIndex: indexOf(1), lastTerm: termOf(5) })).toBe(true);
  });

  test("what is found on disk may commit less than its hint says, never more than the log has", () => {
    const found = { baseIndex: noIndex, baseTerm: noTerm, entries: [entry(1, 1)], appliedIndex: noIndex };
    expect(new RaftLog({ ...found, commitIndex: indexOf(7) }).commitIndex).toBe(1);
    expect(() => new RaftLog({ ...found, commitIndex: noIndex, appliedIndex: indexOf(2) })).toThrow("ahead of the log");
    expect(() => new RaftLog({ ...found, entries: [entry(2, 1)], commitIndex: noIndex })).toThrow("a gap");
  });
});

describe("merging a leader's entries", () => {
  /** Slow twin: an array; the first difference cuts. */
  const slowMerge = (own: readonly Entry[], theirs: readonly Entry[]): readonly Entry[] => {
    const merged = [...own];
    for (const one of theirs) {
      if (merged[one.index - 1]?.term === one.term) continue;
      merged.length = one.index - 1;
      merged.push(one);
    }
    return merged;
  };

  const logs = fc
    .record({
      common: arbitraryEntries({ firstIndex: 1, lengthMax: 6 }),
      own: arbitraryEntries({ firstIndex: 1, lengthMax: 6 }),
      theirs: arbitraryEntries({ firstIndex: 1, lengthMax: 6 }),
      from: fc.nat(11),
      count: fc.nat(12),
    })
    .map(({ common, own, theirs, from, count }) => {
      const commonTerm = common[common.length - 1]?.term ?? 0;
      const extend = (tail: readonly Entry[], termOffset: number): Entry[] => [
        ...common,
        ...tail.map((one, position) => ({
          ...one,
          index: indexOf(common.length + 1 + position),
          // Even terms on one side, odd ones on the other: two leaders never share a term.
          term: termOf(commonTerm + 2 * one.term + termOffset),
        })),
      ];
      const leader = extend(theirs, 0);
      const start = Math.min(from, common.length);
      return { own: extend(own, 1), leader, append: leader.slice(start, start + count) };
    });

  test.prop([logs])("equals merging into a plain array, and takes what is new to the disk once", ({ own, append }) => {
    const log = new RaftLog({
      baseIndex: noIndex,
      baseTerm: noTerm,
      entries: own,
      commitIndex: noIndex,
      appliedIndex: noIndex,
    });
    log.merge(append);
    const expected = slowMerge(own, append);
    expect(log.lastIndex).toBe(expected.length);
    expect(log.slice(log.firstIndex, log.lastIndex, Number.POSITIVE_INFINITY)).toEqual(expected);
    const firstNew = expected.findIndex((one, position) => one.term !== own[position]?.term);
    expect(log.takeUnwritten(noTerm)).toEqual(firstNew < 0 ? [] : expected.slice(firstNew));
    expect(log.takeUnwritten(noTerm)).toEqual([]);
    expect(log.stableIndex).toBe(firstNew < 0 ? own.length : firstNew);
  });

  test.prop([logs])("one exchange of hints never skips below the agreement, and always moves on", ({ own, leader }) => {
    const follower = new RaftLog({ ...found, entries: own });
    const leading = new RaftLog({ ...found, entries: leader });
    let agreement = 0;
    while (agreement < own.length && own[agreement]?.term === leader[agreement]?.term) agreement++;
    for (let prevIndex = leader.length; prevIndex > agreement; prevIndex--) {
      if (follower.termAt(indexOf(prevIndex)) === leading.termAt(indexOf(prevIndex))) continue;
      const prevTerm = leading.termAt(indexOf(prevIndex)) ?? noTerm;
      const hintIndex = follower.conflictHint(indexOf(prevIndex), prevTerm);
      const hintTerm = follower.termAt(hintIndex) ?? noTerm;
      const next = leading.conflictHint(hintIndex, hintTerm);
      expect(Math.min(agreement, own.length)).toBeLessThanOrEqual(next);
      expect(Math.min(next, prevIndex - 1)).toBeLessThan(prevIndex);
    }
  });
  const found = { baseIndex: noIndex, baseTerm: noTerm, commitIndex: noIndex, appliedIndex: noIndex };

  test("a committed entry is never overwritten", () => {
    const log = logOf([1, 1, 2]);
    log.commitTo(indexOf(2));
    expect(() => log.merge([entry(2, 3)])).toThrow("a committed entry would be overwritten");
    log.merge([entry(3, 3)]);
    expect(termsOf(log)).toEqual([1, 1, 3]);
    expect(log.commitIndex).toBe(2);
  });

  test("entries that are compacted already are passed over", () => {
    const log = logOf([1, 1, 1]);
    log.commitTo(indexOf(3));
    log.takeCommitted(Number.POSITIVE_INFINITY);
    log.appliedTo(indexOf(3));
    log.compactTo(indexOf(2));
    log.merge([entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 2)]);
    expect(termsOf(log)).toEqual([1, 2]);
  });
});

describe("batches", () => {
  test.prop([arbitraryEntries({ firstIndex: 1, lengthMax: 12 }), fc.nat(120)])(
    "a slice holds one entry or as many as fit, and consecutive slices give the log",
    (entries, bytesMax) => {
      const log = new RaftLog({
        baseIndex: noIndex,
        baseTerm: noTerm,
        entries,
        commitIndex: noIndex,
        appliedIndex: noIndex,
      });
      const together: Entry[] = [];
      while (together.length < entries.length) {
        const slice = log.slice(indexOf(together.length + 1), log.lastIndex, bytesMax);
        const bytes = slice.reduce((sum, one) => sum + entryBytes(one), 0);
        expect(slice.length === 1 || bytes <= bytesMax).toBe(true);
        const next = entries[together.length + slice.length];
        if (next !== undefined) expect(bytes + entryBytes(next)).toBeGreaterThan(bytesMax);
        together.push(...slice);
      }
      expect(together).toEqual(entries);
    },
  );

  test("committed entries are handed out once, durable ones only, however small the batch", () => {
    const log = logOf([1, 1, 1]);
    log.append(entry(4, 1));
    log.append(entry(5, 1));
    log.commitTo(indexOf(5));
    const handed: number[] = [];
    const takeAll = (): void => {
      while (log.hasCommitted) handed.push(...log.takeCommitted(0).map((one) => one.index));
    };
    takeAll();
    expect(handed).toEqual([1, 2, 3]);
    log.takeUnwritten(noTerm);
    log.persisted(indexOf(5), termOf(1));
    takeAll();
    expect(handed).toEqual([1, 2, 3, 4, 5]);
  });
});

describe("what a finished write proves", () => {
  test("an entry that was overwritten and came back is durable only with its last write", () => {
    const log = logOf([1]);
    log.merge([entry(2, 2)]);
    log.takeUnwritten(termOf(2));
    log.merge([entry(2, 3)]);
    log.takeUnwritten(termOf(3));
    log.merge([entry(2, 2)].map((one) => ({ ...one, term: termOf(4) })));
    log.takeUnwritten(termOf(4));
    log.persisted(indexOf(2), termOf(2));
    expect(log.stableIndex).toBe(1);
    log.persisted(indexOf(2), termOf(3));
    expect(log.stableIndex).toBe(1);
    log.persisted(indexOf(2), termOf(4));
    expect(log.stableIndex).toBe(2);
  });

  test("the same entry written twice, with another one between, counts from the second write on", () => {
    const log = logOf([1]);
    const write = (term: number): void => {
      log.merge([entry(2, term)]);
      log.takeUnwritten(termOf(9));
    };
    write(2);
    write(3);
    write(2.5);
    // The entry of the first write returns: terms may repeat along one index, only the last entry's may not fall.
    log.merge([entry(2, 2)]);
    log.takeUnwritten(termOf(9));
    log.persisted(indexOf(2), termOf(2));
    expect(log.stableIndex).toBe(1);
    log.persisted(indexOf(2), termOf(3));
    log.persisted(indexOf(2), termOf(2.5));
    expect(log.stableIndex).toBe(1);
    log.persisted(indexOf(2), termOf(2));
    expect(log.stableIndex).toBe(2);
  });

  test("one notice may stand for earlier writes, and a write nobody knows proves nothing", () => {
    const log = logOf([]);
    for (const index of [1, 2, 3]) {
      log.append(entry(index, 1));
      log.takeUnwritten(termOf(index));
    }
    expect(log.persisted(indexOf(9), termOf(1))).toBeUndefined();
    expect(log.persisted(indexOf(2), termOf(1))).toBe(2);
    expect(log.stableIndex).toBe(2);
    expect(log.persisted(indexOf(1), termOf(1))).toBeUndefined();
    expect(log.persisted(indexOf(3), termOf(1))).toBe(3);
    expect(log.stableIndex).toBe(3);
  });
});

describe("installing a snapshot", () => {
  test("a log that holds its last entry keeps the tail; any other starts anew", () => {
    const keeping = logOf([1, 1, 2, 2]);
    keeping.install(indexOf(3), termOf(2));
    expect([keeping.lastIndex, keeping.commitIndex, keeping.appliedIndex]).toEqual([4, 3, 3]);
    const other = logOf([1, 1, 1, 1]);
    other.install(indexOf(3), termOf(2));
    expect([other.firstIndex, other.lastIndex, other.stableIndex, other.lastTerm]).toEqual([4, 3, 3, 2]);
  });

  test("one older than the applied state is refused, and so is one that contradicts a committed entry", () => {
    const log = logOf([1, 1, 1]);
    log.commitTo(indexOf(3));
    expect(() => log.install(indexOf(2), termOf(9))).toThrow("contradicts a committed entry");
    log.takeCommitted(Number.POSITIVE_INFINITY);
    expect(() => log.install(indexOf(3), termOf(1))).toThrow("older than the applied state");
  });

  test("writes from before it prove nothing about the new log", () => {
    const log = logOf([1]);
    log.merge([entry(2, 1), entry(3, 1)]);
    log.takeUnwritten(termOf(1));
    log.install(indexOf(2), termOf(2));
    log.append(entry(3, 2));
    log.persisted(indexOf(3), termOf(1));
    expect(log.stableIndex).toBe(2);
  });
});

describe("compaction", () => {
  test("only applied entries are forgotten, and the base keeps its term", () => {
    const log = logOf([1, 2, 3]);
    expect(() => log.compactTo(indexOf(1))).toThrow("before it was applied");
    log.commitTo(indexOf(3));
    log.takeCommitted(Number.POSITIVE_INFINITY);
    log.appliedTo(indexOf(3));
    log.compactTo(indexOf(2));
    log.compactTo(indexOf(1));
    expect([log.firstIndex, log.termAt(indexOf(2)), log.termAt(indexOf(1))]).toEqual([3, 2, undefined]);
  });
});
