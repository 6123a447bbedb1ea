/*
 * A copy of the sources with one bug planted in it, and the witness that must turn red there. A patch names its witness in a
 * line of its own, `Witness: path`: an interaction file of test/raft or test/storage, which runs on the copy's own
 * stage, a module of test/planted/witness, whose `witness` throws, or a test file, which takes longest. The same runs on
 * the sources as they are, where it must be green. Not here: hunting bugs by simulation (sim/bugs-command.ts).
 */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { applyPatch, parsePatch } from "../../sim/patch.ts";
import { type Command, runDataFile } from "../kit/datadriven.ts";
import { root } from "../tidy/sources.ts";

export const plantedFolder = join(root, "test", "planted");

export interface PlantedBug {
  readonly name: string;
  /** Path of the witness from the root; undefined when the patch names none. */
  readonly witness: string | undefined;
  readonly files: ReturnType<typeof parsePatch>["files"];
}

/** Every bug there is a patch for, by name. */
export function plantedBugs(folder: string = plantedFolder): readonly PlantedBug[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".patch"))
    .sort((a, b) => (a < b ? -1 : 1))
    .map((file) => {
      const { about, files } = parsePatch(readFileSync(join(folder, file), "utf8"));
      return { name: basename(file, ".patch"), witness: /^Witness: (\S+)$/m.exec(about)?.[1], files };
    });
}

/** Applies the patch to the copy of the sources below that folder. */
export function plant(bug: PlantedBug, copy: string): void {
  for (const file of bug.files) {
    const path = join(copy, file.path);
    writeFileSync(path, applyPatch(readFileSync(path, "utf8"), file));
  }
}

/** What a witness imports; the copy is otherwise empty. */
const copied = [
  "core",
  "chaos/member",
  "chaos/client",
  "sim/random.ts",
  "test/core",
  "test/kit",
  "test/raft",
  "test/storage",
  "test/lease",
  "test/planted/witness",
];

/** Calls `use` with the root of a copy in which that bug is planted, and removes the copy. */
export async function withPlanted(bug: PlantedBug, use: (copy: string) => Promise<void>): Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), "faultline-planted-"));
  try {
    for (const folder of copied) cpSync(join(root, folder), join(copy, folder), { recursive: true });
    for (const file of ["package.json", "tsconfig.base.json"]) cpSync(join(root, file), join(copy, file));
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    plant(bug, copy);
    await use(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

interface Stage {
  execute(command: Command): readonly string[];
}

/**
 * Runs a witness on the core below that root. Throws when it is red.
 *
 * @param witness its path from the root
 */
export async function runWitness(witness: string, from: string): Promise<void> {
  if (witness.endsWith(".test.ts")) {
    await runTestFile(witness, from);
    return;
  }
  if (witness.endsWith(".ts")) {
    const module: { readonly witness: () => void | Promise<void> } = await import(join(from, witness));
    await module.witness();
    return;
  }
  const stage = await stageOf(witness, from);
  runDataFile({
    folder: join(root, dirname(witness)),
    name: basename(witness),
    execute: (command) => stage.execute(command),
  });
}

/** The tests of one file, in a process of their own. */
async function runTestFile(witness: string, from: string): Promise<void> {
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const options = ["run", witness, "--root", from, "--reporter", "json"];
  const outcome = await promisify(execFile)(process.execPath, [vitest, ...options], { cwd: from }).then(
    () => undefined,
    (error: { readonly stdout: string; readonly stderr: string }) => error,
  );
  if (outcome === undefined) return;
  const report: { readonly numFailedTests: number } = JSON.parse(outcome.stdout || `{ "numFailedTests": 0 }`);
  if (report.numFailedTests > 0) throw new Error(`${report.numFailedTests} tests of ${witness} are red`);
  // A file that cannot be read has no test at all.
  throw new Error(`Failed to load: ${outcome.stderr}`);
}

async function stageOf(witness: string, from: string): Promise<Stage> {
  if (witness.startsWith("test/raft/testdata/")) {
    const module: { readonly Theatre: new () => Stage } = await import(join(from, "test/raft/theatre.ts"));
    return new module.Theatre();
  }
  if (witness.startsWith("test/storage/testdata/")) {
    const module: { readonly StorageTheatre: new () => Stage } = await import(join(from, "test/storage/theatre.ts"));
    return new module.StorageTheatre();
  }
  throw new Error(`${witness}: a witness is an interaction file, a module of test/planted/witness or a test file`);
}
