import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { smallScenarioNamed } from "../../scenarios/small/index.ts";
import { run } from "../../sim/cli.ts";
import { Rules } from "../../sim/exhaustive/rules.ts";
import { plantedBugs } from "../../sim/planted-copy.ts";
import { catchOutput, type Printed } from "../kit/printed.ts";

let folder = "";
let printed: Printed;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "faultline-exhaustive-"));
  printed = catchOutput();
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

const jsonLines = (): readonly { readonly [field: string]: unknown }[] =>
  printed.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { [field: string]: unknown });

describe("faultline sim --exhaustive", () => {
  test("says how far it came within a bound that was given, and passes", async () => {
    expect(await run(["sim", "--exhaustive", "earlier-terms", "--depth", "5", "--json", "--out", folder])).toBe(0);
    const [line] = jsonLines();
    expect(line).toMatchObject({ scenario: "earlier-terms", verdict: "unknown", end: "depth", depth: 5, rule: null });
    expect(Number(line?.["waiting"])).toBeGreaterThan(0);
    expect(printed.stderr).toMatch(/stopped at --depth, not exhausted: \d+ states wait/);
  });

  test("a bound of states and a bound of time end it too", async () => {
    expect(await run(["sim", "--exhaustive", "earlier-terms", "--states-max", "900", "--out", folder])).toBe(0);
    expect(printed.stderr).toContain("900 states");
    expect(printed.stderr).toContain("stopped at --states-max, not exhausted");
  });

  test("an interruption ends it with what was reached, exit code 130", async () => {
    const running = run(["sim", "--exhaustive", "earlier-terms", "rival-tails", "--json", "--out", folder]);
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    process.emit("SIGINT");
    expect(await running).toBe(130);
    expect(jsonLines()).toHaveLength(1);
    expect(jsonLines()[0]).toMatchObject({ scenario: "earlier-terms", end: "interrupted", verdict: "unknown" });
  });

  test("a broken rule ends it with 1, and the path to it is kept for people and for programs", async () => {
    const broken = { rule: "commit-not-durable", text: "as if whatever the first leader brings were on too few disks" };
    vi.spyOn(Rules.prototype, "undurable").mockReturnValue(broken);
    expect(await run(["sim", "--exhaustive", "earlier-terms", "--json", "--out", folder])).toBe(1);
    const kept = join(folder, "earlier-terms-exhaustive");
    const [line] = jsonLines();
    expect(line).toMatchObject({ verdict: "violated", end: "violated", depth: 3, rule: broken.rule, run: kept });
    const path = readFileSync(join(kept, "path.txt"), "utf8");
    expect(path.split("\n").filter((text) => /^ {0,3}\d+ {2}/.test(text))).toHaveLength(3);
    expect(path).toContain("an election timeout passes at member 1");
    expect(path).toContain(`✗ ${broken.rule}: ${broken.text}`);
    expect(JSON.parse(readFileSync(join(kept, "verdict.json"), "utf8"))).toMatchObject(line ?? {});
    expect(JSON.parse(readFileSync(join(kept, "scenario.json"), "utf8"))).toEqual(smallScenarioNamed("earlier-terms"));
    expect(printed.stderr).toContain("repeat   faultline sim --exhaustive earlier-terms");
  });

  test.each([
    [["--exhaustive", "rival-tail"], 'no small scenario is named "rival-tail"; did you mean rival-tails?'],
    [["--exhaustive", "--seeds", "5"], "--seeds is for seeds"],
    [["--exhaustive", "--verify"], "--verify is for seeds"],
    [["--exhaustive", "--depth", "0"], "it must be a whole number"],
    [["steady", "--depth", "3"], "--depth bounds --exhaustive"],
    [["steady", "--states-max", "3"], "--states-max bounds --exhaustive"],
  ])("%j is wrong usage", async (args, text) => {
    expect(await run(["sim", ...args])).toBe(2);
    expect(printed.stderr).toContain(text);
    expect(printed.stdout).toBe("");
  });
});

describe("planted bugs and small scenarios", () => {
  test("every small scenario that a patch names is there, and Figure 8 has one", () => {
    const named = plantedBugs().filter(({ smallScenario }) => smallScenario !== undefined);
    expect(named.length).toBeGreaterThan(4);
    for (const { smallScenario } of named) expect(smallScenarioNamed(smallScenario ?? "")).toBeDefined();
    expect(named.map(({ name }) => name)).toContain("earlier-terms-commit-by-count");
  });

  test("faultline bugs plants one and finds it by trying everything, shortest path first", async () => {
    const name = "votes-asked-before-own-is-durable";
    expect(await run(["bugs", name, "--by", "exhaustive", "--budget-s", "60", "--json"])).toBe(0);
    expect(jsonLines()).toHaveLength(1);
    expect(jsonLines()[0]).toMatchObject({
      bug: name,
      found: true,
      seeds: 0,
      check: null,
      exhaustive: { scenario: "votes-and-crashes", found: true, depth: 9, rule: "two-leaders" },
    });
    expect(printed.stderr).toContain(`found    ${name}`);
  }, 120_000);

  test("a way that there is not, and a bug without a small scenario, are wrong usage", async () => {
    expect(await run(["bugs", "longer-log-wins", "--by", "luck"])).toBe(2);
    expect(await run(["bugs", "more-is-false-on-a-full-page", "--by", "exhaustive"])).toBe(2);
    expect(printed.stderr).toContain("names no small scenario");
  });
});
