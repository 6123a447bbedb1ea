/*
 * Files in bbolt's form: what was written is read again, in order, and every damage is a problem with a name, never a
 * wrong entry or an endless loop. etcd's own tool agrees that they are sound.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { BboltFile, BboltProblem } from "../../chaos/member/bbolt/reader.ts";
import { BboltWriter } from "../../chaos/member/bbolt/writer.ts";
import { compareBytes, crc32c } from "../../core/index.ts";
import { whyNoEtcdctl } from "../kit/real-members.ts";

type Content = readonly { readonly name: string; readonly entries: readonly (readonly [Uint8Array, Uint8Array])[] }[];

function written(content: Content): Uint8Array {
  let bytes = new Uint8Array(0);
  const writer = new BboltWriter({
    write(piece, position) {
      if (position + piece.length > bytes.length) {
        const longer = new Uint8Array(position + piece.length);
        longer.set(bytes);
        bytes = longer;
      }
      bytes.set(piece, position);
    },
  });
  for (const { name, entries } of content) {
    const bucket = writer.bucket(name);
    for (const [key, value] of entries) bucket.put(key, value);
    bucket.end();
  }
  expect(writer.finish()).toBe(bytes.length);
  return bytes;
}

const fileOf = (bytes: Uint8Array): BboltFile =>
  new BboltFile({ sizeBytes: bytes.length, read: (position, length) => bytes.subarray(position, position + length) });

function contentOf(file: BboltFile): Content {
  return file.buckets.map((name) => {
    const entries: [Uint8Array, Uint8Array][] = [];
    file.scan(name, (key, value) => {
      entries.push([key.slice(), value.slice()]);
      return true;
    });
    return { name, entries };
  });
}

/** Short enough to compare and to print. */
const textOf = (content: Content): string[] =>
  content.map(
    ({ name, entries }) =>
      `${name}: ${entries.map(([key, value]) => `${Buffer.from(key).toString("hex")}=${value.length}/${crc32c(value)}`).join(" ")}`,
  );

const entriesOf = (sizes: { readonly keyMax: number; readonly valueMax: number; readonly count: number }) =>
  fc
    .uniqueArray(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: sizes.keyMax }), fc.nat(sizes.valueMax)), {
      maxLength: sizes.count,
      selector: ([key]) => Buffer.from(key).toString("hex"),
    })
    .map((entries) =>
      entries
        .map(([key, length]): [Uint8Array, Uint8Array] => [key, new Uint8Array(length).fill(key[0] ?? 0)])
        .sort(([a], [b]) => compareBytes(a, b)),
    );
const contents = fc
  .tuple(
    entriesOf({ keyMax: 20, valueMax: 300, count: 400 }),
    entriesOf({ keyMax: 1000, valueMax: 20, count: 40 }),
    entriesOf({ keyMax: 20, valueMax: 300_000, count: 4 }),
  )
  .map(([small, longKeys, large]) => [
    { name: "alpha", entries: small },
    { name: "beta", entries: longKeys },
    { name: "empty", entries: [] },
    { name: "gamma", entries: large },
  ]);

describe("bbolt", () => {
  test.prop([contents], { numRuns: 100 })("what was written is read again and the file is sound", (content) => {
    const bytes = written(content);
    expect(bytes.length % 4096).toBe(0);
    const file = fileOf(bytes);
    expect(file.check()).toEqual([]);
    expect(textOf(contentOf(file))).toEqual(textOf(content));
    expect(file.sizeBytes).toBe(bytes.length);
  });

  test.prop([contents, fc.nat(), fc.integer({ min: 1, max: 255 })], { numRuns: 200 })(
    "a changed byte is harmless or a problem with a name",
    (content, where, change) => {
      const bytes = written(content);
      // Headers and elements are where a change can lead astray: look at the first bytes of pages.
      const page = where % (bytes.length / 4096);
      const at = page * 4096 + (where % 64);
      bytes[at] = (bytes[at] ?? 0) ^ change;
      try {
        const file = fileOf(bytes);
        file.check();
        contentOf(file);
      } catch (error) {
        expect(error).toBeInstanceOf(BboltProblem);
      }
    },
  );

  test("many entries need several levels of branches", () => {
    const entries = Array.from({ length: 30_000 }, (_none, number): [Uint8Array, Uint8Array] => {
      const key = new Uint8Array(17);
      new DataView(key.buffer).setUint32(4, number);
      return [key, new Uint8Array(100)];
    });
    const file = fileOf(written([{ name: "key", entries }]));
    expect(file.check()).toEqual([]);
    let count = 0;
    file.scan("key", () => ++count > 0);
    expect(count).toBe(30_000);
  });

  test("what is no bbolt file, or ends early, is refused", () => {
    expect(() => fileOf(new Uint8Array(0))).toThrow("invalid database");
    expect(() => fileOf(new Uint8Array(20_000))).toThrow("invalid database");
    const bytes = written([{ name: "key", entries: [[new Uint8Array(1), new Uint8Array(9000)]] }]);
    expect(() => fileOf(bytes.subarray(0, bytes.length - 4096))).toThrow("file size too small");
    // One meta of two is enough.
    const halved = bytes.slice();
    halved.fill(0, 16, 80);
    expect(fileOf(halved).check()).toEqual([]);
  });

  const whyNot = whyNoEtcdctl();
  test.skipIf(whyNot !== undefined)(
    `etcd's own tool finds it sound${whyNot === undefined ? "" : `: ${whyNot}`}`,
    () => {
      const directory = mkdtempSync(join(tmpdir(), "faultline-bbolt-"));
      try {
        const key = (number: number): Uint8Array => {
          const bytes = new Uint8Array(17);
          new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
          bytes[8] = 0x5f;
          return bytes;
        };
        const entries = Array.from({ length: 5_000 }, (_none, number): [Uint8Array, Uint8Array] => [
          key(number + 2),
          new Uint8Array(number === 7 ? 100_000 : number % 500),
        ]);
        const path = join(directory, "file.db");
        writeFileSync(
          path,
          written([
            { name: "alarm", entries: [] },
            { name: "key", entries },
          ]),
        );
        const found = spawnSync("etcdctl", ["snapshot", "status", path, "-w", "json"], {
          env: { PATH: process.env["PATH"], ETCDCTL_API: "3" },
          encoding: "utf8",
        });
        expect(found.stderr).toBe("");
        expect(JSON.parse(found.stdout)).toMatchObject({ revision: 5_001, totalKey: 5_000 });
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
  );
});
