import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KeyIndex } from "../../core/mvcc/key-index.ts";
import { type KeyInterval, TreeIndex } from "../../core/mvcc/tree-index.ts";

interface Revision {
  readonly main: number;
  readonly sub: number;
  readonly tombstone: boolean;
}

/** Puts and tombstones at rising revisions; two may share a main revision. */
const histories: fc.Arbitrary<Revision[]> = fc
  .array(fc.record({ step: fc.nat(3), tombstone: fc.boolean() }), { minLength: 1, maxLength: 20 })
  .map((steps) => {
    const history: Revision[] = [];
    let main = 1;
    let sub = 0;
    for (const { step, tombstone } of steps) {
      sub = step === 0 ? sub + 1 : 0;
      main += step;
      history.push({ main: main + 1, sub, tombstone });
    }
    return history;
  });

function indexOfHistory(history: readonly Revision[]): KeyIndex {
  const index = new KeyIndex("k");
  for (const { main, sub, tombstone } of history) {
    if (tombstone) index.tombstone(main, sub);
    else index.put(main, sub);
  }
  return index;
}

describe("the revisions of one key", () => {
  test("what is found at a revision is the newest change at or before it", () => {
    fc.assert(
      fc.property(histories, fc.nat(60), (history, at) => {
        const index = indexOfHistory(history);
        const expected = history.filter(({ main }) => main <= at).at(-1);
        const position = index.findAt(at);
        if (expected === undefined) expect(position).toBe(-1);
        else {
          expect(index.mainAt(position)).toBe(expected.main);
          expect(index.subAt(position)).toBe(expected.sub);
          expect(index.isTombstoneAt(position)).toBe(expected.tombstone);
        }
        expect(index.isLiveAt(at)).toBe(expected !== undefined && !expected.tombstone);
      }),
    );
  });

  test("a generation begins at the first put after a tombstone, with version 1", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const index = indexOfHistory(history);
        const lastTombstone = history.findLastIndex(({ tombstone }) => tombstone);
        const generation = history.slice(lastTombstone + 1);
        expect(index.version).toBe(generation.length);
        expect(index.createRevision).toBe(generation[0]?.main ?? 0);
        expect(index.isLive).toBe(generation.length > 0);
      }),
    );
  });

  test("a compaction keeps the newest change up to its revision, unless that is an older tombstone, and all later ones", () => {
    fc.assert(
      fc.property(histories, fc.nat(60), (history, at) => {
        const index = indexOfHistory(history);
        const newest = history.filter(({ main }) => main <= at).at(-1);
        const kept = history.filter(
          (change) => change.main > at || (change === newest && (!change.tombstone || change.main === at)),
        );
        for (const change of history) expect(index.keeps(at, change.main, change.sub)).toBe(kept.includes(change));
        expect(index.compact(at)).toBe(kept.length === 0);
        if (kept.length === 0) return;
        for (const change of history) expect(index.keeps(at, change.main, change.sub)).toBe(kept.includes(change));
        expect(index.newest).toBe(kept.length - 1);
        kept.forEach((change, position) => {
          expect([index.mainAt(position), index.subAt(position)]).toEqual([change.main, change.sub]);
        });
      }),
    );
  });

  test("revisions that do not go up are a broken invariant", () => {
    const index = indexOfHistory([{ main: 5, sub: 1, tombstone: false }]);
    expect(() => index.put(5, 1)).toThrow("only go up");
    expect(() => index.tombstone(4, 9)).toThrow("only go up");
  });
});

describe("all keys in byte order", () => {
  const names = fc.integer({ min: 0, max: 2_000 }).map((number) => `k${number.toString(36)}`);
  const steps = fc.array(fc.record({ add: fc.boolean(), name: names }), {
    minLength: 500,
    maxLength: 3_000,
    size: "max",
  });
  const intervals: fc.Arbitrary<KeyInterval> = fc.record({
    from: fc.oneof(fc.constant(""), names),
    to: fc.oneof(fc.constant(undefined), names),
  });

  const scanned = (tree: TreeIndex, interval: KeyInterval): string[] => {
    const found: string[] = [];
    const scan = tree.scan(interval);
    for (let key = scan.next(); key !== undefined; key = scan.next()) found.push(key.text);
    return found;
  };

  test("a scan gives exactly the keys of its interval, ascending, after any additions and removals", () => {
    fc.assert(
      fc.property(steps, intervals, (script, interval) => {
        const tree = new TreeIndex();
        const present = new Set<string>();
        for (const { add, name } of script) {
          if (present.has(name) === add) continue;
          if (add) {
            tree.add(new KeyIndex(name));
            present.add(name);
          } else {
            tree.remove(name);
            present.delete(name);
          }
        }
        const inside = ({ from, to }: KeyInterval) =>
          [...present]
            .filter((name) => name >= from && (to === undefined || name < to))
            .sort((a, b) => (a < b ? -1 : 1));
        expect(tree.size).toBe(present.size);
        expect(scanned(tree, interval)).toEqual(inside(interval));
        expect(scanned(tree, { from: "", to: undefined })).toEqual(inside({ from: "", to: undefined }));
      }),
      { numRuns: 60 },
    );
  });

  test("an index whose keys were loaded together is the one they were added to one by one", () => {
    fc.assert(
      fc.property(fc.uniqueArray(names, { maxLength: 600 }), steps, intervals, (loaded, script, interval) => {
        const [tree, reference] = [new TreeIndex(), new TreeIndex()];
        const present = new Set(loaded);
        tree.load([...loaded].sort((a, b) => (a < b ? -1 : 1)).map((name) => new KeyIndex(name)));
        for (const name of loaded) reference.add(new KeyIndex(name));
        for (const [number, { add, name }] of script.entries()) {
          // Some keys are changed that nobody asked for before.
          if (number % 3 === 0 && tree.get(name)?.text !== reference.get(name)?.text)
            throw new Error(`${name} differs`);
          if (present.has(name) === add) continue;
          if (add) present.add(name);
          else present.delete(name);
          for (const index of [tree, reference]) {
            if (add) index.add(new KeyIndex(name));
            else index.remove(name);
          }
          if (tree.size !== present.size) throw new Error(`${tree.size} keys, not ${present.size}`);
        }
        expect(scanned(tree, interval)).toEqual(scanned(reference, interval));
        expect(loaded.map((name) => tree.get(name)?.text)).toEqual(loaded.map((name) => reference.get(name)?.text));
        expect(tree.size).toBe(present.size);
      }),
      { numRuns: 60 },
    );
  });

  test("keys that do not ascend are not loaded, nor are any into an index that has some", () => {
    const tree = new TreeIndex();
    const keys = ["b", "a"].map((name) => new KeyIndex(name));
    expect(() => tree.load(keys)).toThrow("ascend");
    expect(() => tree.load([new KeyIndex("a"), new KeyIndex("a")])).toThrow("ascend");
    tree.load([new KeyIndex("a")]);
    expect(() => tree.load([new KeyIndex("b")])).toThrow("empty");
    expect(() => tree.add(new KeyIndex("a"))).toThrow("once");
  });

  test("keys added in ascending order, and all removed again, leave nothing behind", () => {
    const tree = new TreeIndex();
    const all = Array.from({ length: 2_000 }, (_, number) => `k${String(number).padStart(5, "0")}`);
    for (const name of all) tree.add(new KeyIndex(name));
    expect(scanned(tree, { from: "", to: undefined })).toEqual(all);
    for (const name of all) tree.remove(name);
    expect(scanned(tree, { from: "", to: undefined })).toEqual([]);
    tree.add(new KeyIndex("z"));
    expect(scanned(tree, { from: "a", to: undefined })).toEqual(["z"]);
  });
});
