import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { scenarioNamed } from "../../scenarios/index.ts";
import type { Plan } from "../../scenarios/plan.ts";
import { serialisePlan } from "../../scenarios/plan-format.ts";
import { run } from "../../sim/cli.ts";
import { planOf } from "../../sim/runner.ts";
import { catchOutput, type Printed } from "../kit/printed.ts";

let folder = "";
let printed: Printed;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "faultline-sim-cli-"));
  printed = catchOutput();
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

/** Two seconds of a steady cluster; with `lossPpm` of all messages lost. */
function shortPlan(lossPpm: number): Plan {
  const scenario = scenarioNamed("steady");
  if (scenario === undefined) throw new Error("steady is gone");
  const plan = planOf(scenario, 2);
  return {
    ...plan,
    link: { ...plan.link, lossPpm },
    clients: plan.clients.map((client) => ({ ...client, calls: client.calls.filter((call) => call.atMs < 4_000) })),
    phases: { safetyMs: 2_000, progressBoundMs: 3_000, settleMs: 500 },
  };
}

function written(plan: Plan): string {
  const file = join(folder, "plan.json");
  writeFileSync(file, serialisePlan(plan));
  return file;
}

describe("faultline sim", () => {
  test("prints one JSON object a run and nothing else on standard output", async () => {
    expect(await run(["sim", "steady", "--seed", "5", "--jobs", "1", "--json", "--out", folder])).toBe(0);
    const lines = printed.stdout.trim().split("\n");
    expect(lines).toHaveLength(1);
    const line = JSON.parse(lines[0] ?? "") as { [field: string]: unknown };
    expect(line).toMatchObject({ scenario: "steady", seed: 5, verdict: "holds", run: join(folder, "steady-5") });
    expect(line["digest"]).toMatch(/^[0-9a-f]{16}$/);
    for (const file of ["plan.json", "history.jsonl", "verdict.json"]) {
      expect(existsSync(join(folder, "steady-5", file))).toBe(true);
    }
    printed.stdout = "";
    expect(await run(["replay", join(folder, "steady-5"), "--json"])).toBe(0);
    expect((JSON.parse(printed.stdout) as { digest: string }).digest).toBe(line["digest"]);
    expect(printed.stderr).not.toContain("the code changed");
  });

  test("a shard leaves a blob that names its share", async () => {
    const blob = join(folder, "blob.json");
    expect(await run(["sim", "steady", "--seeds", "1", "--shard", "1/2", "--blob", blob, "--out", folder])).toBe(0);
    expect(JSON.parse(readFileSync(blob, "utf8"))).toMatchObject({ shard: { index: 1, count: 2 }, runs: [] });
  });

  test("an unknown scenario, seeds that are none, and both kinds of seeds are wrong usage", async () => {
    expect(await run(["sim", "steddy"])).toBe(2);
    expect(printed.stderr).toContain('no scenario is named "steddy"; did you mean steady?');
    expect(await run(["sim", "--seeds", "9..3"])).toBe(2);
    expect(await run(["sim", "--seeds", "3", "--seed", "1"])).toBe(2);
    expect(await run(["sim", "--shard", "3/2"])).toBe(2);
    expect(printed.stdout).toBe("");
  });
});

describe("faultline replay and shrink", () => {
  test("a plan that fails ends with 1 and says which check", async () => {
    expect(await run(["replay", written(shortPlan(1_000_000))])).toBe(1);
    expect(printed.stderr).toContain("violated progress");
  });

  test("a plan that is run twice agrees with itself", async () => {
    expect(await run(["replay", written(shortPlan(0)), "--verify"])).toBe(0);
    expect(printed.stderr).toMatch(/two runs of the plan agree in all \d+ events/);
  });

  test("a replay that stops shows the last events and what each member believes", async () => {
    expect(await run(["replay", written(shortPlan(0)), "--until-ms", "1500"])).toBe(0);
    expect(printed.stdout).toMatch(/^n1 (?:leader|follower) term=1 leader=\d/m);
    expect(printed.stdout).toMatch(/ms n\d peerMessage \d→\d/);
  });

  test("shrinking keeps the failure and loses the parts it does not need", async () => {
    const file = written(shortPlan(1_000_000));
    expect(await run(["shrink", file, "--budget-s", "10", "--json"])).toBe(0);
    const report = JSON.parse(printed.stdout) as {
      failure: string;
      partsBefore: number;
      partsAfter: number;
      plan: string;
    };
    expect(report.partsAfter).toBeLessThan(report.partsBefore / 10);
    printed.stderr = "";
    expect(await run(["replay", report.plan])).toBe(1);
    expect(printed.stderr).toContain(report.failure.split(":")[0]);
  });

  test("a plan that holds, a missing file and a plan of another version are wrong usage", async () => {
    const plan = shortPlan(0);
    expect(await run(["shrink", written(plan)])).toBe(2);
    expect(await run(["replay", join(folder, "none")])).toBe(2);
    expect(printed.stderr).toContain("does not exist");
    writeFileSync(join(folder, "new.json"), JSON.stringify({ ...plan, version: 99 }));
    expect(await run(["replay", join(folder, "new.json")])).toBe(2);
    expect(printed.stderr).toContain("99");
  });
});
