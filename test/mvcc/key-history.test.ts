/*
 * What changed of a few keys, found by the index: the same as reading all history and keeping what is theirs.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { textOfBytes } from "../../core/bytes.ts";
import { revisionOf } from "../../core/ids.ts";
import type { Change } from "../../core/mvcc/change.ts";
import { TestMachine } from "../kit/member-kit.ts";
import { deleteOf, putOf, txnOf } from "../kit/requests.ts";

const shown = (changes: readonly Change[]): string[] =>
  changes.map(
    ({ type, keyValue, subRevision }) =>
      `${keyValue.modRevision}.${subRevision} ${type} ${textOfBytes(keyValue.key)} ${textOfBytes(keyValue.value)}`,
  );

const single = (key: string) => ({ from: key, to: `${key}\0` });
const all = Number.POSITIVE_INFINITY;

describe("the changes of some keys", () => {
  test("are those that reading everything finds, in parts too, beside a compaction that is under way", () => {
    const key = fc.constantFrom("a", "b", "ba", "c", "d");
    const write = fc.record({ key, deletes: fc.boolean() });
    const limits = fc.record({ revisions: fc.integer({ min: 1, max: 5 }), bytes: fc.integer({ min: 1, max: 60 }) });
    const inputs = fc.record({
      requests: fc.array(fc.array(write, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 30 }),
      range: fc.constantFrom(single("a"), single("b"), { from: "a", to: "c" }, { from: "b", to: undefined }),
      compactBack: fc.option(fc.nat(10), { nil: undefined }),
      pieces: fc.nat(6),
      restarts: fc.boolean(),
      limits,
    });
    let compared = 0;
    fc.assert(
      fc.property(inputs, ({ requests, range, compactBack, pieces, restarts, limits: { revisions, bytes } }) => {
        const member = new TestMachine({ compactionEntriesPerTickMax: 1 });
        for (const [number, writes] of requests.entries()) {
          // One request after another within it: a key may change twice in one revision.
          const steps = writes.map((each) => (each.deletes ? deleteOf(each.key) : putOf(each.key, `v${number}`)));
          member.do(txnOf({ success: steps.map((step) => txnOf({ success: [step] })) }));
        }
        if (compactBack !== undefined) {
          const revision = Math.max(1, member.revision - compactBack);
          member.do({ type: "compact", revision, physical: false });
          for (let piece = 0; piece < pieces; piece++) member.machine.tick();
        }
        if (restarts) member.machine.reload();
        const { store } = member.machine;
        const isIn = (text: string): boolean => text >= range.from && (range.to === undefined || text < range.to);
        for (let from = Math.max(1, store.compactRevision); from <= store.currentRevision; from++) {
          const expected = store
            .changesFrom(revisionOf(from), all)
            .changes.filter(({ keyValue }) => isIn(textOfBytes(keyValue.key)));
          const found: Change[] = [];
          for (let next = revisionOf(from); next <= store.currentRevision; ) {
            const part = store.changesOf(range, next, revisions, bytes);
            if (part === undefined) throw new Error("five keys are not too many");
            expect(part.next).toBeGreaterThan(next);
            expect(new Set(part.changes.map(({ keyValue }) => keyValue.modRevision)).size).toBeLessThanOrEqual(
              revisions,
            );
            found.push(...part.changes);
            next = part.next;
          }
          expect(shown(found)).toEqual(shown(expected));
          compared += expected.length;
        }
      }),
      { numRuns: 300 },
    );
    // Or nothing would have been looked at.
    expect(compared).toBeGreaterThan(1_000);
  });

  test("of one that changes all the time come in parts that end where they say", () => {
    const member = new TestMachine();
    member.do(txnOf({ success: [putOf("cold", "1"), putOf("hot", "1")] }));
    for (let number = 0; number < 5_000; number++) member.do(putOf("hot", "2"));
    member.do(putOf("cold", "2"));
    const { store } = member.machine;
    const first = store.changesOf({ from: "c", to: "z" }, revisionOf(2), all, all);
    // A thousand of all keys together at most: what comes after the last of them has to wait.
    expect(first?.changes).toHaveLength(1_000);
    expect(first?.next).toBe(1_001);
    expect(store.changesOf(single("cold"), revisionOf(2), all, all)).toMatchObject({
      changes: [{ keyValue: { modRevision: 2 } }, { keyValue: { modRevision: 5_003 } }],
      next: 5_004,
    });
    expect(store.changesOf(single("absent"), revisionOf(2), all, all)).toEqual({ changes: [], next: 5_004 });
  });

  test("are not looked for where there are too many keys", () => {
    const member = new TestMachine();
    for (let number = 0; number < 1_001; number++) member.do(putOf(`key${number}`));
    const { store } = member.machine;
    expect(store.changesOf({ from: "k", to: undefined }, revisionOf(2), all, all)).toBeUndefined();
    expect(store.changesOf({ from: "key1", to: "key2" }, revisionOf(2), all, all)?.changes).toHaveLength(112);
  });
});
