import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Ranged, RangeIndex } from "../../core/watch/range-index.ts";
import { covers } from "../../core/watch/watcher.ts";

describe("range index", () => {
  it("finds exactly the members whose range covers the key, after any adding and removing", () => {
    const letters = ["\0", "a", "b", "c", "d", "\u00ff"];
    const keys = ["", ...letters, ...letters.flatMap((first) => letters.map((second) => first + second))];
    const key = fc.constantFrom(...keys);
    const range = fc.record({
      from: key,
      to: fc.option(key, { nil: undefined, freq: 6 }),
      singleKey: fc.constantFrom(false, false, false, true),
    });
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ type: fc.constant("add" as const), range }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant("remove" as const), which: fc.nat() }) },
    );
    const find = (index: RangeIndex<Ranged>, text: string): Ranged[] => {
      const found: (readonly Ranged[])[] = [];
      index.find(text, found);
      for (const group of found) expect(group).toEqual([...group].sort((x, y) => x.serial - y.serial));
      return found.flat().sort((x, y) => x.serial - y.serial);
    };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const index = new RangeIndex<Ranged>();
        let members: Ranged[] = [];
        for (const [serial, each] of steps.entries()) {
          if (each.type === "add") {
            const member = {
              serial,
              range: each.range.singleKey ? { ...each.range, to: each.range.from } : each.range,
            };
            members.push(member);
            index.add(member);
          } else {
            const member = members[each.which % Math.max(1, members.length)];
            if (member === undefined) continue;
            members = members.filter((other) => other !== member);
            index.remove(member);
            index.remove(member);
          }
          expect(index.isEmpty).toBe(members.length === 0);
          for (let position = serial % 3; position < keys.length; position += 3) {
            const text = keys[position] ?? "";
            const expected = members.filter((member) => covers(member.range, text));
            const found = find(index, text);
            if (found.length !== expected.length || found.some((member, nth) => member !== expected[nth])) {
              expect({ text, found }).toEqual({ text, found: expected });
            }
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
