/*
 * What a member may rely on from its backend, simulated or real: ordered maps that read their own pending writes,
 * stable views, atomic installs, and after a crash some prefix of the commits that reaches the last synced one.
 */
import { describe, expect, test } from "vitest";
import { bytesOfText, textOfBytes } from "../../core/bytes.ts";
import type { Backend, BackendReader, Bucket } from "../../core/ports.ts";
import { type Contract, testsOf } from "./contract.ts";

export interface BackendSubject {
  /** The backend of the present life; another object after a crash is fine. */
  readonly backend: Backend;
  commit(): Promise<void>;
  /** Commits, and makes every commit durable. */
  sync(): Promise<void>;
  /** Ends the process, with `powerLoss` the machine too, and opens the backend again. */
  crash(how: { readonly powerLoss: boolean }): Promise<void>;
  close(): Promise<void>;
}

export type BackendContract = Contract<BackendSubject>;

const key = bytesOfText;

function contentsOf(reader: BackendReader, bucket: Bucket, from = "", to?: string): string[] {
  const found: string[] = [];
  reader.scan(bucket, { from: key(from), to: to === undefined ? undefined : key(to) }, (at, value) => {
    found.push(`${textOfBytes(at)}=${textOfBytes(value)}`);
    return true;
  });
  return found;
}

/** Made of texts while the bytes are lent. */
function lentContentsOf(reader: BackendReader, bucket: Bucket, from = "", to?: string): string[] {
  const found: string[] = [];
  reader.scanLent(bucket, { from: key(from), to: to === undefined ? undefined : key(to) }, (at, value) => {
    found.push(`${textOfBytes(at)}=${textOfBytes(value)}`);
    return true;
  });
  return found;
}

function put(backend: Backend, bucket: Bucket, entries: { readonly [name: string]: string }): void {
  for (const [name, value] of Object.entries(entries)) backend.put(bucket, key(name), key(value));
}

export function backendSuite(contract: BackendContract): void {
  const { powerTest, withSubject: withBackend } = testsOf(contract);

  describe(`backend: ${contract.name}`, () => {
    test("reads see the own pending batch", () =>
      withBackend(1, async ({ backend }) => {
        put(backend, "key", { b: "1", a: "2" });
        expect(backend.get("key", key("a"))).toEqual(key("2"));
        expect(contentsOf(backend, "key")).toEqual(["a=2", "b=1"]);
        backend.put("key", key("a"), key("3"));
        backend.delete("key", key("b"));
        expect(backend.get("key", key("b"))).toBeUndefined();
        expect(contentsOf(backend, "key")).toEqual(["a=3"]);
      }));

    test("pending and committed writes merge into one ordered scan", () =>
      withBackend(1, async (subject) => {
        const { backend } = subject;
        put(backend, "key", { a: "1", c: "1", e: "1" });
        await subject.commit();
        put(backend, "key", { b: "2", c: "2", f: "2" });
        backend.delete("key", key("e"));
        expect(contentsOf(backend, "key")).toEqual(["a=1", "b=2", "c=2", "f=2"]);
      }));

    test("a scan covers from ≤ key < to in unsigned byte order, and stops when told", () =>
      withBackend(1, async ({ backend }) => {
        put(backend, "key", { "\xff": "5", "\x7f": "3", "\x80": "4", a: "1", ab: "2" });
        expect(contentsOf(backend, "key", "a", "\x80")).toEqual(["a=1", "ab=2", "\x7f=3"]);
        expect(contentsOf(backend, "key", "\x80")).toEqual(["\x80=4", "\xff=5"]);
        expect(contentsOf(backend, "key", "ab", "ab")).toEqual([]);
        let visits = 0;
        backend.scan("key", { from: key("a"), to: undefined }, () => {
          visits += 1;
          return visits < 2;
        });
        expect(visits).toBe(2);
      }));

    test("a scan of lent bytes shows what a scan shows, values of every size among them, in the backend and in a view", () =>
      withBackend(1, async (subject) => {
        const { backend } = subject;
        for (let size = 0; size < 300; size++) {
          backend.put("key", key(String(1000 + size).repeat(1 + (size % 5))), new Uint8Array(size).fill(size));
        }
        for (const size of [4_095, 4_096, 4_097, 70_000, 3_000_000]) {
          backend.put("key", key(`2${size}`), new Uint8Array(size).fill(size));
        }
        await subject.commit();
        put(backend, "key", { "1007": "between", "1010": "instead", z: "last" });
        backend.delete("key", key("1020"));
        const view = backend.openView();
        const shown = contentsOf(backend, "key", "1003", "1250");
        expect(shown.length).toBeGreaterThan(200);
        expect(lentContentsOf(backend, "key", "1003", "1250")).toEqual(shown);
        expect(lentContentsOf(view, "key")).toEqual(contentsOf(backend, "key"));
        view.close();
        let visits = 0;
        backend.scanLent("key", { from: key("1"), to: undefined }, () => ++visits < 7);
        expect(visits).toBe(7);
      }));

    test("buckets do not see each other", () =>
      withBackend(1, async ({ backend }) => {
        put(backend, "key", { a: "1" });
        put(backend, "meta", { a: "2" });
        backend.delete("lease", key("a"));
        expect(backend.get("key", key("a"))).toEqual(key("1"));
        expect(contentsOf(backend, "meta")).toEqual(["a=2"]);
        expect(contentsOf(backend, "lease")).toEqual([]);
      }));

    test("a value may be empty, which is not the same as absent", () =>
      withBackend(1, async ({ backend }) => {
        put(backend, "key", { a: "" });
        expect(backend.get("key", key("a"))).toEqual(new Uint8Array(0));
        expect(backend.get("key", key("b"))).toBeUndefined();
      }));

    test("the longest key is 511 bytes", () =>
      withBackend(1, async (subject) => {
        const { backend } = subject;
        const longest = "k".repeat(511);
        put(backend, "key", { [longest]: "1" });
        await subject.sync();
        expect(backend.get("key", key(longest))).toEqual(key("1"));
      }));

    test("deleting while scanning does not disturb the scan", () =>
      withBackend(1, async ({ backend }) => {
        for (let number = 100; number < 200; number++) put(backend, "key", { [`${number}`]: "x" });
        const seen: string[] = [];
        backend.scan("key", { from: key("1"), to: undefined }, (at) => {
          seen.push(textOfBytes(at));
          if (seen.length % 3 !== 0) backend.delete("key", at);
          return true;
        });
        expect(seen).toHaveLength(100);
        expect(contentsOf(backend, "key")).toHaveLength(33);
      }));

    test("a view shows the instant it was opened, pending writes included, whatever comes later", () =>
      withBackend(1, async (subject) => {
        const { backend } = subject;
        put(backend, "key", { a: "1" });
        await subject.commit();
        put(backend, "key", { b: "1" });
        const view = backend.openView();
        put(backend, "key", { a: "2", c: "2" });
        backend.delete("key", key("b"));
        await subject.sync();
        expect(contentsOf(view, "key")).toEqual(["a=1", "b=1"]);
        expect(view.get("key", key("c"))).toBeUndefined();
        view.close();
        expect(contentsOf(backend, "key")).toEqual(["a=2", "c=2"]);
      }));

    test("an install shows nothing until it is finished, then replaces everything", () =>
      withBackend(1, async (subject) => {
        put(subject.backend, "key", { a: "1" });
        put(subject.backend, "meta", { m: "1" });
        const install = subject.backend.beginInstall();
        install.put("key", key("z"), key("9"));
        expect(contentsOf(subject.backend, "key")).toEqual(["a=1"]);
        install.finish();
        expect(contentsOf(subject.backend, "key")).toEqual(["z=9"]);
        expect(contentsOf(subject.backend, "meta")).toEqual([]);
        await subject.sync();
        await subject.crash({ powerLoss: false });
        expect(contentsOf(subject.backend, "key")).toEqual(["z=9"]);
      }));

    test("an aborted install leaves no trace, and a new one begins empty", () =>
      withBackend(1, async ({ backend }) => {
        put(backend, "key", { a: "1" });
        const aborted = backend.beginInstall();
        aborted.put("key", key("x"), key("1"));
        aborted.abort();
        expect(contentsOf(backend, "key")).toEqual(["a=1"]);
        backend.beginInstall().put("key", key("y"), key("1"));
        const second = backend.beginInstall();
        second.put("key", key("z"), key("1"));
        second.finish();
        expect(contentsOf(backend, "key")).toEqual(["z=1"]);
      }));

    test("writes go on after an install", () =>
      withBackend(1, async (subject) => {
        const install = subject.backend.beginInstall();
        install.put("key", key("b"), key("1"));
        install.finish();
        put(subject.backend, "key", { a: "2" });
        await subject.sync();
        await subject.crash({ powerLoss: false });
        expect(contentsOf(subject.backend, "key")).toEqual(["a=2", "b=1"]);
      }));

    test("after the end of the process what was synced is there and what was never committed is not", () =>
      withBackend(1, async (subject) => {
        put(subject.backend, "key", { a: "1" });
        await subject.sync();
        put(subject.backend, "key", { a: "2", b: "2" });
        await subject.crash({ powerLoss: false });
        expect(contentsOf(subject.backend, "key")).toEqual(["a=1"]);
      }));

    powerTest("after a power loss it holds a prefix of the commits, at least to the last synced", async () => {
      const reached = new Set<number>();
      for (let seed = 1; seed <= 30; seed++) {
        await withBackend(seed, async (subject) => {
          for (let commit = 1; commit <= 6; commit++) {
            put(subject.backend, "key", { all: `${commit}`, [`only${commit}`]: "x" });
            put(subject.backend, "meta", { index: `${commit}` });
            if (commit === 3) await subject.sync();
            else await subject.commit();
          }
          put(subject.backend, "key", { pending: "x" });
          await subject.crash({ powerLoss: true });
          const last = Number(textOfBytes(subject.backend.get("meta", key("index")) ?? key("0")));
          expect(last).toBeGreaterThanOrEqual(3);
          const expected = [`all=${last}`];
          for (let commit = 1; commit <= last; commit++) expected.push(`only${commit}=x`);
          expect(contentsOf(subject.backend, "key")).toEqual(expected);
          reached.add(last);
        });
      }
      expect(reached.size).toBeGreaterThanOrEqual(1);
    });

    powerTest("an install that was not synced is there whole or not at all", async () => {
      for (let seed = 1; seed <= 20; seed++) {
        await withBackend(seed, async (subject) => {
          put(subject.backend, "key", { a: "1", b: "1" });
          await subject.sync();
          const install = subject.backend.beginInstall();
          install.put("key", key("x"), key("2"));
          install.put("meta", key("y"), key("2"));
          install.finish();
          await subject.crash({ powerLoss: true });
          const whole = [contentsOf(subject.backend, "key"), contentsOf(subject.backend, "meta")];
          const old = [["a=1", "b=1"], []];
          const installed = [["x=2"], ["y=2"]];
          expect([JSON.stringify(old), JSON.stringify(installed)]).toContain(JSON.stringify(whole));
        });
      }
    });

    test("size grows with what is stored", () =>
      withBackend(1, async (subject) => {
        const before = subject.backend.size();
        for (let number = 0; number < 500; number++) put(subject.backend, "key", { [`k${number}`]: "v".repeat(500) });
        await subject.sync();
        const after = subject.backend.size();
        expect(after.allocatedBytes).toBeGreaterThan(before.allocatedBytes);
        expect(after.usedBytes).toBeGreaterThan(before.usedBytes + 200_000);
        expect(after.allocatedBytes).toBeGreaterThanOrEqual(after.usedBytes);
      }));
  });
}
