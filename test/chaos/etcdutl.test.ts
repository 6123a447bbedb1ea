/*
 * faultline etcdutl on files: every format of a status, and exit codes and words where a file is none.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BboltWriter } from "../../chaos/member/bbolt/writer.ts";
import { utf8Encode } from "../../core/index.ts";
import { builtProgram } from "../kit/build.ts";

const root = join(import.meta.dirname, "../..");

describe("etcdutl", () => {
  let directory: string;
  let path: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "faultline-etcdutl-"));
    path = join(directory, "file.db");
    const pieces: [Uint8Array, number][] = [];
    const writer = new BboltWriter({ write: (bytes, position) => pieces.push([bytes.slice(), position]) });
    const keys = writer.bucket("key");
    for (const [revision, key, tombstone] of [
      [2, "a", false],
      [3, "b", false],
      [4, "a", true],
      [5, "c", false],
    ] as const) {
      const stored = new Uint8Array(tombstone ? 18 : 17);
      new DataView(stored.buffer).setBigUint64(0, BigInt(revision));
      stored[8] = 0x5f;
      if (tombstone) stored[17] = 0x74;
      keys.put(stored, new Uint8Array([0x0a, 1, key.charCodeAt(0)]));
    }
    keys.end();
    const meta = writer.bucket("meta");
    meta.put(utf8Encode("storageVersion"), utf8Encode("3.6.0"));
    meta.end();
    const file = Buffer.alloc(writer.finish());
    for (const [bytes, position] of pieces) file.set(bytes, position);
    writeFileSync(path, Buffer.concat([file, createHash("sha256").update(file).digest()]));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const run = (...args: string[]) => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [builtProgram, "etcdutl", ...args], {
      cwd: root,
      encoding: "utf8",
    });
    return { stdout, stderr, status };
  };

  test("a status counts live keys and names the last revision, in every format", () => {
    const json = JSON.parse(run("snapshot", "status", path, "-w", "json").stdout);
    expect(json).toEqual({ hash: json.hash, revision: 5, totalKey: 2, totalSize: 24_576, version: "3.6.0" });
    const hash = Number(json.hash).toString(16);
    expect(run("snapshot", "status", path)).toEqual({
      stdout: `${hash}, 5, 2, 25 kB, 3.6.0\n`,
      stderr: "",
      status: 0,
    });
    expect(run("-w", "fields", "snapshot", "status", path).stdout).toBe(
      `"Hash" : ${json.hash}\n"Revision" : 5\n"Keys" : 2\n"Size" : 24576\n"Version" : 3.6.0\n`,
    );
    expect(run("-w", "table", "snapshot", "status", path).stdout.split("\n")[1]).toBe(
      "|   HASH   | REVISION | TOTAL KEYS | TOTAL SIZE | VERSION |",
    );
  });

  test("a data directory is migrated to no other release, and says so", () => {
    mkdirSync(join(directory, "m1", "member"), { recursive: true });
    const to = (target: string, place = "m1") =>
      run("migrate", "--data-dir", join(directory, place), "--target-version", target);
    expect(to("3.6")).toEqual({ stdout: "", stderr: "storage version up-to-date: 3.6.0\n", status: 0 });
    expect(to("3.5")).toMatchObject({ stdout: "", status: 1 });
    expect(to("3.5").stderr).toMatch(/cannot be migrated to storage version 3.5: it has the form of 3.6.0/);
    expect(to("new").stderr).toMatch(/wrong target version format/);
    expect(to("3.6", "nowhere").stderr).toMatch(/there is no member in/);
  });

  test("what is no snapshot is an error with exit code 1, wrong usage is told as etcd's tools tell it", () => {
    const other = join(directory, "other");
    writeFileSync(other, "some text");
    // The hash comes first, as in etcd's tools: most of what is taken for a snapshot and is none has none.
    const restored = (file: string): string =>
      run("snapshot", "restore", file, "--data-dir", join(directory, "restored")).stderr.split("\n").at(-2) ?? "";
    expect(restored(other)).toBe("Error: snapshot missing hash but --skip-hash-check=false");
    expect(restored(join(directory, "none"))).toBe(`Error: open ${join(directory, "none")}: no such file or directory`);
    expect(run("snapshot", "status", other)).toEqual({ stdout: "", stderr: "Error: invalid database\n", status: 1 });
    expect(run("snapshot", "status", join(directory, "none"))).toMatchObject({
      stderr: `Error: stat ${join(directory, "none")}: no such file or directory\n`,
      status: 1,
    });
    expect(run("-w", "yaml", "snapshot", "status", path)).toMatchObject({
      stderr: expect.stringMatching(/^Error: unsupported output format "yaml"/),
      status: 4,
    });
    expect(run("snapshot", "status")).toMatchObject({
      stderr: expect.stringMatching(/^Error: snapshot status command needs <filename>: filename is missing\n/),
      status: 128,
    });
    expect(run("snapshots").stderr).toMatch(/^Error: unknown command "snapshots" for "etcdutl"\n/);
    expect(run("snapshot")).toMatchObject({
      stdout: expect.stringContaining("restore [options] <filename>"),
      status: 0,
    });
    expect(run("snap", "stat", path, "-w=json")).toMatchObject({ status: 0 });
    expect(run("defrag", "--data-dir", directory).status).toBe(1);
  });
});
