import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { writeBlob } from "../../reports/blob.ts";
import { run } from "../../reports/cli.ts";
import { RunDirectory, summaryOf } from "../../reports/run-directory.ts";
import { catchOutput, type Printed } from "../kit/printed.ts";
import { syntheticRun } from "./synthetic.ts";

let directory: string;
let printed: Printed;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "faultline-reports-"));
  printed = catchOutput();
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

test("report writes the page of a run again and ends as the run did", async () => {
  const synthetic = syntheticRun();
  const written = RunDirectory.create(join(directory, "run"), synthetic.plan);
  written.writeHistory(synthetic.history);
  written.writeVerdict(synthetic);
  const page = readFileSync(join(directory, "run", "report.html"), "utf8");
  cpSync(join(directory, "run"), join(directory, "again"), { recursive: true });
  rmSync(join(directory, "again", "report.html"));
  expect(await run(["report", join(directory, "again")])).toBe(1);
  expect(readFileSync(join(directory, "again", "report.html"), "utf8")).toBe(page);
  expect(printed.stdout).toContain("violated leader-killed-during-writes seed 42");
  expect(printed.stdout).toContain("repeat   faultline sim leader-killed-during-writes --seed 42");
});

test("report of what is no run is wrong usage and names the missing file", async () => {
  expect(await run(["report", join(directory, "absent")])).toBe(2);
  expect(printed.stderr).toContain("verdict.json does not exist");
});

test("merge writes one page and one exit code; an incomplete set is wrong usage", async () => {
  const summary = summaryOf(syntheticRun({ operations: 20 }));
  const paths = [1, 2].map((index) => {
    const path = join(directory, `${index}.json`);
    const shard = { index, count: 2 };
    const runs = [{ ...summary, seed: index, verdict: "holds" as const }];
    writeBlob(path, { format: "faultline-shard", version: 1, tool: "t", commit: "c", config: "x", shard, runs });
    return path;
  });
  const out = join(directory, "merged");
  expect(await run(["merge", ...paths, "--out", out, "--json"])).toBe(0);
  expect(JSON.parse(printed.stdout)).toMatchObject({ verdict: "holds", runs: 2, failures: [] });
  expect(existsSync(join(out, "overview.html")) && existsSync(join(out, "junit.xml"))).toBe(true);
  expect(await run(["merge", paths[0] ?? "", "--out", out])).toBe(2);
  expect(printed.stderr).toContain("shards 2 of 2 are missing");
});

test("list names every kind, one JSON object a line when asked", async () => {
  expect(await run(["list", "--json"])).toBe(0);
  const rows = printed.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const names = (kind: string) => rows.filter((row) => row.kind === kind).map(({ name }) => name);
  expect(names("scenario")).toContain("leader-killed");
  expect(names("fault")).toContain("cutOneWay");
  expect(names("check")).toContain("linearizable");
  expect(names("bug")).toContain("read-without-proof");
  const bugs = rows.filter((row) => row.kind === "bug");
  expect(bugs.every(({ witness }) => witness.startsWith("test/"))).toBe(true);
  expect(rows.every(({ meaning }) => meaning.length > 10)).toBe(true);
});
