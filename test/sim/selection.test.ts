import { expect, test } from "vitest";
import { scenarios } from "../../scenarios/index.ts";
import { chooseRuns, namesNear, parseSeeds, parseShard, shardOfRunner } from "../../sim/selection.ts";

const three = scenarios.slice(0, 3);
const shown = (runs: ReturnType<typeof chooseRuns>): string[] =>
  runs.map(({ scenario, seed }) => `${three.indexOf(scenario)}:${seed}`);

test("seeds are a count or a range", () => {
  expect(parseSeeds("5")).toEqual({ from: 1, to: 5 });
  expect(parseSeeds("7..9")).toEqual({ from: 7, to: 9 });
  for (const wrong of ["", "0", "9..7", "a", "1..", "-3", "1.5"]) expect(parseSeeds(wrong)).toBeUndefined();
});

test("one seed runs every chosen scenario; a range is spread over them", () => {
  expect(shown(chooseRuns({ scenarios: three, seeds: { seed: 4 }, shard: undefined }))).toEqual(["0:4", "1:4", "2:4"]);
  const spread = chooseRuns({ scenarios: three, seeds: { from: 1, to: 4 }, shard: undefined });
  expect(shown(spread)).toEqual(["1:1", "2:2", "0:3", "1:4"]);
});

test("shards share a range without overlap or gap", () => {
  const seeds = { from: 1, to: 20 };
  const all = shown(chooseRuns({ scenarios: three, seeds, shard: undefined }));
  const parts = [1, 2, 3].flatMap((index) =>
    shown(chooseRuns({ scenarios: three, seeds, shard: { index, count: 3 } })),
  );
  expect(parts.toSorted()).toEqual(all.toSorted());
});

test("a shard is written i/n, counted from 1", () => {
  expect(parseShard("2/8")).toEqual({ index: 2, count: 8 });
  for (const wrong of ["0/8", "9/8", "2", "2/", "a/b"]) expect(parseShard(wrong)).toBeUndefined();
});

test("a runner's own variables give the shard, whatever it counts from", () => {
  expect(shardOfRunner({ CI_NODE_INDEX: "2", CI_NODE_TOTAL: "4" })).toMatchObject({ index: 2, count: 4 });
  expect(shardOfRunner({ CIRCLE_NODE_INDEX: "0", CIRCLE_NODE_TOTAL: "4" })).toMatchObject({ index: 1, count: 4 });
  expect(shardOfRunner({ JOB_COMPLETION_INDEX: "3", JOB_COMPLETIONS: "4" })).toMatchObject({ index: 4, count: 4 });
  expect(shardOfRunner({ CI_NODE_INDEX: "1", CI_NODE_TOTAL: "1" })).toBeUndefined();
  expect(shardOfRunner({})).toBeUndefined();
});

test("a mistyped name is answered with the names it may have meant", () => {
  const known = ["leader-killed", "leader-cut-off", "steady"];
  expect(namesNear("leader-kiled", known)).toEqual(["leader-killed"]);
  expect(namesNear("leader", known)).toEqual(["leader-killed", "leader-cut-off"]);
  expect(namesNear("zzzzzz", known)).toEqual([]);
});
