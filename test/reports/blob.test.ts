import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mergeBlobs, readBlob, type ShardBlob, writeBlob } from "../../reports/blob.ts";
import { summaryOf } from "../../reports/run-directory.ts";
import { syntheticRun } from "./synthetic.ts";

const blobOf = (index: number, count: number, seeds: readonly number[], change: Partial<ShardBlob> = {}) => ({
  path: `shard-${index}.json`,
  blob: {
    format: "faultline-shard",
    version: 1,
    tool: "faultline 0.1.0",
    commit: "abc",
    config: "all scenarios, seeds 0..9",
    shard: { index, count },
    runs: seeds.map((seed) => ({ ...summaryOf(syntheticRun({ operations: 10 })), seed })),
    ...change,
  } satisfies ShardBlob,
});

test("shards of one campaign become one list, in order of scenario and seed, whatever order they come in", () => {
  const runs = mergeBlobs([blobOf(2, 2, [9, 1, 3]), blobOf(1, 2, [4, 2])]);
  expect(runs.map(({ seed }) => seed)).toEqual([1, 2, 3, 4, 9]);
});

test("shards of different code, settings or counts are refused by name", () => {
  const whole = blobOf(1, 2, [0]);
  expect(() => mergeBlobs([whole, blobOf(2, 2, [1], { commit: "def" })])).toThrow(/shard-2\.json .*commit/);
  expect(() => mergeBlobs([whole, blobOf(2, 2, [1], { config: "other" })])).toThrow(/config/);
  expect(() => mergeBlobs([whole, blobOf(2, 3, [1])])).toThrow(/one of 3 shards/);
});

test("a missing shard and a doubled one are refused", () => {
  expect(() => mergeBlobs([blobOf(1, 3, [0]), blobOf(3, 3, [2])])).toThrow("shards 2 of 3 are missing");
  expect(() => mergeBlobs([blobOf(1, 2, [0]), blobOf(1, 2, [0])])).toThrow(/both shard 1/);
  expect(() => mergeBlobs([])).toThrow(/nothing to merge/);
});

test("a blob is read back as it was written, and other files are refused", () => {
  const directory = mkdtempSync(join(tmpdir(), "faultline-blob-"));
  try {
    const path = join(directory, "blob.json");
    const { blob } = blobOf(1, 1, [5]);
    writeBlob(path, blob);
    expect(readBlob(path)).toEqual(blob);
    writeFileSync(path, "{}");
    expect(() => readBlob(path)).toThrow(/not the result of a shard/);
    expect(() => readBlob(join(directory, "absent.json"))).toThrow(/absent\.json/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
