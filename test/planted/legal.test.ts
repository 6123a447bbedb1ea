/*
 * Negative controls. Each patch of legal/ changes what members do in a way that etcd and Raft allow; no check may report
 * it. A harness that does has a rule of its own making. The patch says why it is legal, and names the scenarios that see
 * most of it; `faultline bugs` is the same machinery the other way round.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { parsePatch } from "../../sim/patch.ts";
import { root } from "../tidy/sources.ts";
import { plant, plantedBugs, plantedFolder } from "./stage.ts";

const folder = join(plantedFolder, "legal");
const controls = plantedBugs(folder);
/** One run of each of the scenarios a patch names. */
const seeds = 2;
/** The run that all of them have in common: of the second scenario named, by the rule that seed s runs scenario s mod count. */
const common = { scenario: "leader-killed", seed: 1 } as const;

const sources = ["core", "scenarios", "sim", "reports", "faultline.ts", "package.json", "tsconfig.base.json"];

interface RunLine {
  readonly scenario: string;
  readonly seed: number;
  readonly digest: string;
  readonly verdict: string;
  readonly checks: readonly { readonly name: string; readonly verdict: string; readonly detail: string }[];
}

const aboutOf = (name: string): string => parsePatch(readFileSync(join(folder, `${name}.patch`), "utf8")).about;

const execute = promisify(execFile);

/** The runs of `faultline sim` in that copy of the sources. */
async function simulate(at: string, args: readonly string[]): Promise<readonly RunLine[]> {
  const out = mkdtempSync(join(tmpdir(), "faultline-legal-out-"));
  try {
    const command = ["--import", "tsx", "faultline.ts", "sim", ...args, "--jobs", "1", "--json", "--out", out];
    // A run that does not hold ends with exit code 1, and its line is what counts.
    const { stdout, stderr } = await execute(process.execPath, command, { cwd: at, maxBuffer: 2 ** 26 }).catch(
      (error: { readonly stdout: string; readonly stderr: string }) => error,
    );
    const lines = stdout.split("\n").filter((line) => line !== "");
    if (lines.length === 0) throw new Error(`nothing was simulated:\n${stderr}`);
    return lines.map((line): RunLine => JSON.parse(line));
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

let untouched: string;

beforeAll(async () => {
  const [run] = await simulate(root, [common.scenario, "--seed", `${common.seed}`]);
  if (run === undefined) throw new Error("unreachable");
  untouched = run.digest;
}, 120_000);

test("there are controls, and each says why it is legal and where it shows", () => {
  expect(controls.length).toBeGreaterThanOrEqual(6);
  for (const { name } of controls) {
    const lines = aboutOf(name).split("\n");
    expect(lines[0], name).toMatch(/^[A-Z].*\.$/);
    expect(lines[1], name).toMatch(/^Legal: .*\.$/);
    expect(lines[2]?.split(" "), name).toEqual(["Scenarios:", expect.any(String), common.scenario]);
  }
});

describe("no check reports what is legal", () => {
  test.each(controls.map(({ name }) => name))(
    "%s",
    async (name) => {
      const control = controls.find((each) => each.name === name);
      if (control === undefined) throw new Error("unreachable");
      const copy = mkdtempSync(join(tmpdir(), "faultline-legal-"));
      try {
        for (const source of sources) cpSync(join(root, source), join(copy, source), { recursive: true });
        symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
        plant(control, copy);
        const scenarios = /^Scenarios: (.+)$/m.exec(aboutOf(name))?.[1]?.split(" ") ?? [];
        const runs = await simulate(copy, [...scenarios, "--seeds", `${seeds}`]);
        const reported = runs.flatMap(({ scenario, seed, checks }) =>
          checks
            .filter(({ verdict }) => verdict !== "holds")
            .map((check) => `${scenario} ${seed}: ${check.name} ${check.verdict}: ${check.detail}`),
        );
        expect(reported).toEqual([]);
        expect(runs.length).toBe(seeds);
        const same = runs.find(({ scenario, seed }) => scenario === common.scenario && seed === common.seed);
        expect(same?.digest, "the change shows in the trace").not.toBe(untouched);
      } finally {
        rmSync(copy, { recursive: true, force: true });
      }
    },
    180_000,
  );
});
