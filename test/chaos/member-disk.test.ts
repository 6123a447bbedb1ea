/*
 * The log disk's promises beyond its contract: group commit, failures that end it, and what a segment file looks like.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LogDisk, readSegments, rewriteDoubtful } from "../../chaos/member/disk.ts";
import { type LogOperation, type WriteId, writeIdOf } from "../../core/index.ts";

let directory = "";
let done: WriteId[] = [];
let failures: Error[] = [];
let batches = 0;
let disk: LogDisk;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "faultline-disk-"));
  done = [];
  failures = [];
  batches = 0;
  disk = new LogDisk({
    directory,
    fsync: true,
    onDone: (writeId) => done.push(writeId),
    onFailure: (error) => failures.push(error),
    onBatch: () => {
      batches += 1;
    },
  });
});
afterEach(async () => {
  await disk.close();
  rmSync(directory, { recursive: true });
});

const create = (segment: string): LogOperation => ({ type: "create", segment, expectedBytes: 4_000_000 });
const append = (segment: string, offset: number, text: string): LogOperation => ({
  type: "append",
  segment,
  offset,
  bytes: Buffer.from(text),
});

/** A batch begins with the end of the turn in which its first write came. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("writes of one turn share a batch", async () => {
  disk.write(writeIdOf(1), [create("a"), append("a", 0, "1")], true);
  disk.write(writeIdOf(2), [append("a", 1, "2")], true);
  await disk.settle();
  expect(batches).toBe(1);
  expect(done).toEqual([2]);
});

test("writes that arrive while a batch is on its way share the next one", async () => {
  disk.write(writeIdOf(1), [create("a"), append("a", 0, "1")], true);
  await turn();
  for (let number = 2; number <= 50; number++) {
    disk.write(writeIdOf(number), [append("a", number - 1, String(number % 10))], true);
  }
  await disk.settle();
  expect(batches).toBe(2);
  expect(done).toEqual([1, 50]);
  const [segment] = readSegments(directory);
  const expected = Array.from({ length: 50 }, (_none, position) => String((position + 1) % 10)).join("");
  expect(Buffer.from(segment?.bytes.subarray(0, 50) ?? []).toString()).toBe(expected);
});

test("a write reported done is never one that came after its sync began", async () => {
  disk.write(writeIdOf(1), [create("a"), append("a", 0, "1")], true);
  await turn();
  disk.write(writeIdOf(2), [append("a", 1, "2")], true);
  // The second is in the next batch, so the first report covers the first only.
  await disk.settle();
  expect(done[0]).toBe(1);
});

test("a write without sync is reported by the next one that asks", async () => {
  disk.write(writeIdOf(1), [create("a"), append("a", 0, "1")], false);
  await disk.settle();
  expect(done).toEqual([]);
  disk.write(writeIdOf(2), [], true);
  await disk.settle();
  expect(done).toEqual([2]);
});

test("more buffers than one call takes are all written", async () => {
  const operations: LogOperation[] = [create("a")];
  for (let offset = 0; offset < 3_000; offset++) operations.push(append("a", offset, String(offset % 10)));
  disk.write(writeIdOf(1), operations, true);
  await disk.settle();
  const [segment] = readSegments(directory);
  for (let offset = 0; offset < 3_000; offset++) {
    expect(segment?.bytes[offset]).toBe(48 + (offset % 10));
  }
});

test("a segment never written over: creating one that exists ends the disk and changes nothing", async () => {
  writeFileSync(join(directory, "a"), "precious");
  disk.write(writeIdOf(1), [create("a"), append("a", 0, "x")], true);
  await disk.settle();
  expect(failures).toHaveLength(1);
  expect(failures[0]?.message).toContain("EEXIST");
  expect(done).toEqual([]);
  expect(Buffer.from(readSegments(directory)[0]?.bytes ?? []).toString()).toBe("precious");
});

test("after a failure nothing is written and nothing reported", async () => {
  disk.write(writeIdOf(1), [append("missing", 0, "x")], true);
  disk.write(writeIdOf(2), [create("b"), append("b", 0, "x")], true);
  await disk.settle();
  disk.write(writeIdOf(3), [create("c")], true);
  await disk.settle();
  expect(failures).toHaveLength(1);
  expect(done).toEqual([]);
  expect(readSegments(directory)).toEqual([]);
});

test("doubtful bytes are written again as they are: nothing before, in or behind them changes", async () => {
  disk.write(writeIdOf(1), [create("a"), append("a", 0, "durable"), append("a", 7, "doubtful")], true);
  await disk.settle();
  const before = readSegments(directory);
  rewriteDoubtful(directory, [{ segment: "a", offset: 7 }]);
  rewriteDoubtful(directory, [{ segment: "a", offset: 0 }]);
  rewriteDoubtful(directory, [{ segment: "a", offset: 5_000_000 }]);
  expect(readSegments(directory)).toEqual(before);
});

test("space is set aside ahead, but never beyond what the segment is meant to hold", async () => {
  disk.write(writeIdOf(1), [create("a"), append("a", 0, "x")], true);
  disk.write(writeIdOf(2), [{ type: "create", segment: "b", expectedBytes: 100 }, append("b", 0, "x")], true);
  await disk.settle();
  expect(statSync(join(directory, "a")).size).toBe(1024 * 1024);
  expect(statSync(join(directory, "b")).size).toBe(100);
});
