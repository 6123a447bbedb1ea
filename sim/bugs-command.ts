/*
 * `faultline bugs`: how good is the harness? Each planted bug is a patch against core, applied to a copy of the sources,
 * never a switch in the product. The copy is simulated until a check is violated or the budget is spent; found is good.
 */
import { spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { exitCodes, Progress, runVerb, UsageError, wholeNumber } from "../reports/command.ts";
import { applyPatch, parsePatch } from "./patch.ts";
import { namesNear } from "./selection.ts";

interface Flags {
  readonly budgetS: number;
  readonly jobs?: number;
  readonly json?: true;
}

interface BugReport {
  readonly bug: string;
  readonly found: boolean;
  /** Seeds simulated, the one that found it included. */
  readonly seeds: number;
  readonly wallMs: number;
  /** The check that turned red first, and what it said. */
  readonly check: string | null;
  readonly detail: string | null;
}

/** The source checkout: above this folder, or above `dist` when this runs compiled. */
const root =
  [new URL("..", import.meta.url), new URL("../..", import.meta.url)]
    .map((url) => fileURLToPath(url))
    .find((folder) => existsSync(join(folder, "test", "planted"))) ?? fileURLToPath(new URL("..", import.meta.url));
const patches = join(root, "test", "planted");
const copied = ["core", "scenarios", "sim", "reports", "faultline.ts", "package.json"];
const seedsMax = 1_000_000;

export function run(argv: readonly string[]): Promise<number> {
  return runVerb("faultline bugs", argv, (program, setExit) => {
    program
      .description("Plants known bugs, one at a time, in a copy of the sources, and simulates until one is found.")
      .argument("[name...]", "names, as listed below; none: all")
      .option("--budget-s <S>", "seconds for each bug", wholeNumber({ min: 1, max: 86_400 }), 60)
      .option("--jobs <J>", "threads", wholeNumber({ min: 1, max: 1_024 }))
      .option("--json", "one JSON object a bug on standard output")
      .addHelpText(
        "after",
        () =>
          `\nBugs:\n${knownBugs()
            .map((name) => `  ${name.padEnd(42)} ${meaningOf(name)}\n`)
            .join("")}`,
      )
      .action(async (names: readonly string[], flags: Flags) => setExit(await hunt(names, flags)));
  });
}

async function hunt(names: readonly string[], flags: Flags): Promise<number> {
  let missed = 0;
  for (const name of bugsNamed(names)) {
    const report = await huntOne(name, flags);
    if (!report.found) missed += 1;
    if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    const seconds = (report.wallMs / 1_000).toFixed(1);
    process.stderr.write(
      report.found
        ? `found    ${name}: ${report.seeds} seeds, ${seconds} s, ${report.check}: ${report.detail}\n`
        : `missed   ${name}: ${report.seeds} seeds in ${seconds} s, all held\n`,
    );
  }
  return missed > 0 ? exitCodes.failed : exitCodes.passed;
}

/** Names in order; empty outside of a source checkout. */
function knownBugs(): readonly string[] {
  if (!existsSync(patches)) return [];
  return readdirSync(patches)
    .filter((file) => file.endsWith(".patch"))
    .map((file) => file.slice(0, -".patch".length))
    .sort((a, b) => (a < b ? -1 : 1));
}

/** The first line of a patch says what the bug does. */
const meaningOf = (name: string): string =>
  parsePatch(readFileSync(join(patches, `${name}.patch`), "utf8")).about.split("\n")[0] ?? "";

function bugsNamed(names: readonly string[]): readonly string[] {
  const known = knownBugs();
  if (known.length === 0) throw new UsageError(`${patches} holds no bugs; they are planted in a source checkout only`);
  for (const name of names) {
    if (known.includes(name)) continue;
    const near = namesNear(name, known);
    throw new UsageError(
      `no bug is named "${name}"; ${near.length === 0 ? "faultline bugs --help shows all" : `did you mean ${near.join(" or ")}?`}`,
    );
  }
  return names.length === 0 ? known : names;
}

async function huntOne(name: string, flags: Flags): Promise<BugReport> {
  const copy = mkdtempSync(join(tmpdir(), "faultline-bug-"));
  try {
    for (const entry of copied) cpSync(join(root, entry), join(copy, entry), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    plant(name, copy);
    return await simulate(name, copy, flags);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function plant(name: string, copy: string): void {
  const { files } = parsePatch(readFileSync(join(patches, `${name}.patch`), "utf8"));
  for (const file of files) {
    const path = join(copy, file.path);
    try {
      writeFileSync(path, applyPatch(readFileSync(path, "utf8"), file));
    } catch (error) {
      throw new UsageError(`bug ${name} cannot be planted: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** The fields of a run's JSON line that are looked at. */
interface RunLine {
  readonly verdict: string;
  readonly checks: readonly { readonly name: string; readonly verdict: string; readonly detail: string }[];
}

async function simulate(name: string, copy: string, flags: Flags): Promise<BugReport> {
  const progress = new Progress();
  const startedMs = performance.now();
  const jobs = flags.jobs === undefined ? [] : ["--jobs", `${flags.jobs}`];
  const simulator = spawn(
    process.execPath,
    ["--import", "tsx", "faultline.ts", "sim", "--seeds", `${seedsMax}`, "--json", "--out", join(copy, "out"), ...jobs],
    { cwd: copy, stdio: ["ignore", "pipe", "pipe"] },
  );
  const timer = setTimeout(() => simulator.kill(), flags.budgetS * 1_000);
  let errors = "";
  simulator.stderr.on("data", (text: Buffer) => {
    errors = `${errors}${text.toString()}`.slice(-2_000);
  });
  const ended = new Promise<number | null>((resolve) => simulator.on("close", resolve));
  let seeds = 0;
  let red: RunLine | undefined;
  for await (const line of createInterface({ input: simulator.stdout })) {
    const runLine = JSON.parse(line) as RunLine;
    seeds += 1;
    progress.show(`${name}: ${seeds} seeds`);
    if (runLine.verdict !== "violated") continue;
    red = runLine;
    break;
  }
  simulator.kill();
  clearTimeout(timer);
  const code = await ended;
  progress.clear();
  if (seeds === 0) throw new UsageError(`bug ${name} does not run (exit ${code}):\n${errors}`);
  const check = red?.checks.find(({ verdict }) => verdict === "violated");
  const wallMs = Math.round(performance.now() - startedMs);
  return {
    bug: name,
    found: red !== undefined,
    seeds,
    wallMs,
    check: check?.name ?? null,
    detail: check?.detail ?? null,
  };
}
