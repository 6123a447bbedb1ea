import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lastWords } from "../../chaos/last-words.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "faultline-words-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function said(text: string): string | undefined {
  const path = join(folder, "n1.log");
  writeFileSync(path, text);
  return lastWords(path);
}

test("a panic is quoted, however long the stack behind it", () => {
  const stack = "goroutine 7 [running]:\n\tsome/file.go:1 +0x1\n".repeat(500);
  const panic = "panic: tocommit(5) is out of range [lastIndex(1)]. Was the raft log corrupted, truncated, or lost?";
  expect(said(`{"level":"info","msg":"ready"}\n${panic}\n\n${stack}`)).toBe(panic);
});

test("a fatal line of JSON is quoted by its message and its error", () => {
  const line = '{"level":"fatal","ts":"now","msg":"cannot go on","error":"the log is damaged"}';
  expect(said(`${line}\n{"level":"info","msg":"closing"}\n`)).toBe("cannot go on: the log is damaged");
});

test("without one the last line is quoted, and nothing when there is none", () => {
  expect(said('{"level":"info","msg":"one"}\n{"level":"info","msg":"two"}\n\n')).toBe("two");
  expect(said('{"level":"info","msg":"cut of')).toBe('{"level":"info","msg":"cut of');
  expect(said("\n")).toBeUndefined();
  expect(lastWords(join(folder, "absent.log"))).toBeUndefined();
});
