import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Ranged, RangeIndex } from "../../core/watch/range-index.ts";
import { covers } from "../../core/watch/watcher.ts";

describe("range index", () => {
  it("finds exactly the members whose range covers the key, after any adding and removing", () => {
    const key = fc.string({ unit: fc.constantFrom("a", "b", "c", "\u00ff", "\0"), maxLength: 3 });
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          type: fc.constant("add" as const),
          from: key,
          to: fc.option(key, { nil: undefined }),
          singleKey: fc.boolean(),
        }),
      },
      { weight: 2, arbitrary: fc.record({ type: fc.constant("remove" as const), which: fc.nat() }) },
      { weight: 3, arbitrary: fc.record({ type: fc.constant("find" as const), key }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const index = new RangeIndex<Ranged>();
        let members: Ranged[] = [];
        let serial = 0;
        for (const each of steps) {
          if (each.type === "add") {
            const { from, to, singleKey } = each;
            serial += 1;
            const member = { serial, range: { from, to: singleKey ? from : to, singleKey } };
            members.push(member);
            index.add(member);
          } else if (each.type === "remove") {
            const member = members[each.which % Math.max(1, members.length)];
            if (member === undefined) continue;
            index.remove(member);
            members = members.filter((other) => other !== member);
            index.remove(member);
          } else {
            const found: (readonly Ranged[])[] = [];
            index.find(each.key, found);
            for (const group of found) expect(group).toEqual([...group].sort((a, b) => a.serial - b.serial));
            const expected = members.filter((member) => covers(member.range, each.key));
            expect(found.flat().sort((a, b) => a.serial - b.serial)).toEqual(expected);
          }
          expect(index.isEmpty).toBe(members.length === 0);
        }
      }),
      { numRuns: 300 },
    );
  });
});
