import { expect, test } from "vitest";
import { SimRandom } from "../../sim/random.ts";
import { randomSuite } from "../contract/random.suite.ts";

randomSuite({ name: "simulated", open: () => new SimRandom(17) });

test("a seed and a name give the same numbers on every engine", () => {
  const random = new SimRandom(1).fork("member/2").fork("election");
  expect([random.nextUint32(), random.nextUint32(), random.nextUint32(), random.below(1_000)]).toMatchInlineSnapshot(`
    [
      1712264028,
      404798515,
      3055778246,
      69,
    ]
  `);
});

test("seeds beyond 32 bits differ from their low halves", () => {
  expect(new SimRandom(2 ** 32 + 5).nextUint32()).not.toBe(new SimRandom(5).nextUint32());
});
