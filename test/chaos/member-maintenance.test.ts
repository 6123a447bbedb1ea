/*
 * A backend that is copied while it is written: nothing is lost, the file becomes smaller, and a copy that cannot be
 * finished leaves the backend as it was.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type LmdbBackend, openBackend } from "../../chaos/member/backend.ts";
import { defragment } from "../../chaos/member/defragment.ts";
import { hashOfBackend } from "../../chaos/member/etcd-backend.ts";
import { utf8Encode } from "../../core/index.ts";

let directory: string;
let backend: LmdbBackend;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "faultline-defragment-"));
  backend = openBackend(directory).backend;
});
afterEach(() => {
  backend.close();
  rmSync(directory, { recursive: true, force: true });
});

const keyOf = (number: number): Uint8Array => utf8Encode(`k${String(number).padStart(6, "0")}`);
function fill(count: number): void {
  for (let number = 0; number < count; number++) backend.put("key", keyOf(number), new Uint8Array(200).fill(number));
  backend.put("meta", utf8Encode("consistent_index"), new Uint8Array(8));
  backend.commit();
}
const keys = (): number => {
  let count = 0;
  backend.scan("key", { from: new Uint8Array(1), to: undefined }, () => ++count > 0);
  return count;
};

test("a defragmented backend holds the same in less space, also after it is opened again", async () => {
  fill(20_000);
  for (let number = 1_000; number < 20_000; number++) backend.delete("key", keyOf(number));
  backend.commit();
  const before = await hashOfBackend(backend);
  const sizeBefore = backend.size().allocatedBytes;
  await defragment(backend);
  expect(await hashOfBackend(backend)).toBe(before);
  expect(backend.size().allocatedBytes).toBeLessThan(sizeBefore / 5);
  backend.close();
  backend = openBackend(directory).backend;
  expect(await hashOfBackend(backend)).toBe(before);
  expect(readdirSync(directory)).toEqual(["db-2"]);
});

test("what is written, removed and committed meanwhile is in the new file, what was not committed too", async () => {
  fill(10_000);
  const under = defragment(backend);
  await new Promise((resolve) => setImmediate(resolve));
  backend.put("key", keyOf(5), utf8Encode("new"));
  backend.put("key", keyOf(20_000), utf8Encode("late"));
  backend.delete("key", keyOf(9_999));
  backend.commit();
  backend.delete("key", keyOf(6));
  await under;
  expect(backend.get("key", keyOf(5))).toEqual(utf8Encode("new"));
  expect(backend.get("key", keyOf(20_000))).toEqual(utf8Encode("late"));
  expect(backend.get("key", keyOf(9_999))).toBeUndefined();
  expect(backend.get("key", keyOf(6))).toBeUndefined();
  expect(keys()).toBe(9_999);
});

test("a view opened before goes on reading what it saw", async () => {
  fill(100);
  const view = backend.openView();
  await defragment(backend);
  backend.put("key", keyOf(0), utf8Encode("new"));
  backend.commit();
  expect(view.get("key", keyOf(0))).toEqual(new Uint8Array(200));
  view.close();
});

test("a snapshot that is received ends a copy under way; while it is received none begins", async () => {
  fill(10_000);
  const under = defragment(backend);
  await new Promise((resolve) => setImmediate(resolve));
  const install = backend.beginInstall();
  install.put("key", keyOf(1), utf8Encode("installed"));
  await expect(under).rejects.toThrow("replaced by a snapshot");
  await expect(defragment(backend)).rejects.toThrow("being replaced already");
  install.finish();
  expect(keys()).toBe(1);
  await defragment(backend);
  expect(backend.get("key", keyOf(1))).toEqual(utf8Encode("installed"));
});

test("a reading that comes back after the backend was closed ends with a problem", async () => {
  fill(20_000);
  const view = backend.openView();
  const reading = hashOfBackend(view);
  const copying = defragment(backend);
  await new Promise((resolve) => setImmediate(resolve));
  backend.close();
  await expect(reading).rejects.toThrow("the backend is closed");
  await expect(copying).rejects.toThrow();
  view.close();
  backend = openBackend(directory).backend;
  expect(keys()).toBe(20_000);
});

test("a hash of the backend says nothing of the member's place in the log", async () => {
  fill(10);
  const before = await hashOfBackend(backend);
  backend.put("meta", utf8Encode("consistent_index"), new Uint8Array(8).fill(1));
  backend.put("meta", utf8Encode("term"), new Uint8Array(8).fill(1));
  expect(await hashOfBackend(backend)).toBe(before);
  backend.put("meta", utf8Encode("finishedCompactRev"), new Uint8Array(17));
  expect(await hashOfBackend(backend)).not.toBe(before);
});
