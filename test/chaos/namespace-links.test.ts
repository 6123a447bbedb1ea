/*
 * Links between network namespaces, packet by packet: who hears whom while they are cut, clogged, delayed and lossy.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { filterChange } from "../../chaos/link/packet-rules.ts";
import { unshared, whyNoNamespaces } from "./namespaces/why.ts";

vi.setConfig({ testTimeout: 180_000 });

test("a filter that does nothing is emptied, and what it does is set in one change", () => {
  const nothing = filterChange({ deafTo: [], blindTo: [], lossPpm: 0, detours: new Map() });
  expect(nothing.split("\n").filter((line) => line !== "" && !line.startsWith("flush "))).toEqual([]);
  const all = filterChange({
    deafTo: ["10.99.1.11", "10.99.1.12"],
    blindTo: ["10.99.1.13"],
    lossPpm: 20_000,
    detours: new Map([["10.99.1.12", { host: "10.99.1.1", port: 4_000 }]]),
  });
  expect(all).toContain("add element ip faultline deaf { 10.99.1.11, 10.99.1.12 }");
  expect(all).toContain("add element ip faultline blind { 10.99.1.13 }");
  expect(all).toContain("numgen random mod 1000000 < 20000 drop");
  expect(all).toContain("ip daddr 10.99.1.12 tcp dport 2380 dnat to 10.99.1.1:4000");
  expect(all.indexOf("flush")).toBeLessThan(all.indexOf("add"));
});

describe.skipIf(whyNoNamespaces !== undefined)(`in namespaces of their own ${whyNoNamespaces ?? ""}`, () => {
  test("links are cut one way and both, clogged, delayed and lossy, and this machine's network stays as it was", () => {
    const before = execFileSync("ip", ["-oneline", "link"], { encoding: "utf8" });
    const directory = mkdtempSync(join(tmpdir(), "faultline-links-"));
    const [program = "", ...flags] = unshared();
    const script = new URL("namespaces/links-inside.ts", import.meta.url).pathname;
    try {
      const ran = spawnSync(program, [...flags, process.execPath, "--import", "tsx", script, directory], {
        encoding: "utf8",
      });
      expect(ran.stderr).toBe("");
      expect(JSON.parse(ran.stdout)).toEqual({
        interfaces: ["c0", "c1", "c2", "clients", "lo", "p0", "p1", "p2", "peers"],
        "one way: b hears a": false,
        "one way: c reaches b": true,
        "healed: what was lost is sent again": true,
        "both ways: b hears a": false,
        "both ways: a hears b": false,
        "both ways: c hears b": true,
        "clogged: b has all of it": false,
        "unclogged: b has all of it": true,
        law: "delay 5..9 ms by a hop, 0 ppm of packets lost",
        "delayed and cut: b hears a": false,
        "all is lost: b hears c": false,
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
    expect(execFileSync("ip", ["-oneline", "link"], { encoding: "utf8" })).toBe(before);
  });
});
