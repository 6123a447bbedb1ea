/*
 * The programs an install of this package has: each is there, may be run by its name, and says which release it is.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const { bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { bin: { [name: string]: string } };

test.each([
  ["faultline", ["--help"], /^Usage: faultline VERB/],
  ["faultline-etcd", ["--version"], /^etcd Version: 3\.\d+\.\d+\n/],
  ["faultline-etcdctl", ["version"], /^etcdctl version: 3\.\d+\.\d+\n/],
  ["faultline-etcdutl", ["version"], /^etcdutl version: 3\.\d+\.\d+\n/],
])("%s is there and runs", (name, args, said) => {
  const file = join(root, bin[name] ?? "missing");
  expect(readFileSync(file, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
  const { stdout, status } = spawnSync(process.execPath, [file, ...args], { encoding: "utf8" });
  expect([status, stdout]).toEqual([0, expect.stringMatching(said)]);
});

test("a program's result is its exit code", () => {
  const codeOf = (name: string, ...args: string[]) =>
    spawnSync(process.execPath, [join(root, bin[name] ?? ""), ...args]).status;
  expect(codeOf("faultline-etcd", "--no-such-flag")).toBe(2);
  expect(codeOf("faultline-etcdctl", "lease", "revoke")).toBe(128);
  expect(codeOf("faultline", "no-such-verb")).toBe(2);
});

test("a program that may not open even its own code says so", () => {
  for (const name of Object.keys(bin).filter((each) => each !== "faultline")) {
    const script = `ulimit -n 32 && exec "${process.execPath}" "${join(root, bin[name] ?? "missing")}" version`;
    const { stderr, status } = spawnSync("sh", ["-c", script], { encoding: "utf8" });
    expect(stderr).toMatch(
      /^[^\n]*limit of \w+ process is too low; please set higher than 150 \(ulimit -n\), not 32[^\n]*\n$/,
    );
    expect(status).toBe(1);
  }
});
