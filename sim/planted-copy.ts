/*
 * A copy of the sources with one bug planted in it, in a temporary directory, and verbs of the command line run there.
 * The bugs are patches in test/planted, in a source checkout only: none is reachable in the product.
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
import { applyPatch, parsePatch } from "./patch.ts";

/** The source checkout: above this folder, or above `dist` when this runs compiled. */
const root =
  [new URL("..", import.meta.url), new URL("../..", import.meta.url)]
    .map((url) => fileURLToPath(url))
    .find((folder) => existsSync(join(folder, "test", "planted"))) ?? fileURLToPath(new URL("..", import.meta.url));

/** Where the patches are; it need not exist. */
export const patchesFolder = join(root, "test", "planted");
const copied = ["core", "scenarios", "sim", "reports", "faultline.ts", "package.json"];

export interface PlantedBug {
  readonly name: string;
  /** What the bug does, a sentence. */
  readonly meaning: string;
  /** The small scenario in which trying everything finds it; undefined where none is named. */
  readonly smallScenario: string | undefined;
  /** False: it is in what surrounds the core in a real process, and no simulation meets it. */
  readonly isSimulated: boolean;
}

/** In the order of their names; none outside of a source checkout. */
export function plantedBugs(): readonly PlantedBug[] {
  if (!existsSync(patchesFolder)) return [];
  return readdirSync(patchesFolder)
    .filter((file) => file.endsWith(".patch"))
    .map((file) => file.slice(0, -".patch".length))
    .sort((a, b) => (a < b ? -1 : 1))
    .map((name) => {
      const { about, files } = readPatch(name);
      const isSimulated = files.some(({ path }) => !path.startsWith("chaos/"));
      const smallScenario = /^Small scenario: (\S+)$/m.exec(about)?.[1];
      return { name, meaning: about.split("\n")[0] ?? "", smallScenario, isSimulated };
    });
}

const readPatch = (name: string): ReturnType<typeof parsePatch> =>
  parsePatch(readFileSync(join(patchesFolder, `${name}.patch`), "utf8"));

/** What a verb printed and how it ended. */
export interface VerbRun {
  /** undefined when it was stopped. */
  readonly code: number | undefined;
  /** The end of what it said to people. */
  readonly errors: string;
  readonly wallMs: number;
  /** It had not ended when its time was over. */
  readonly wasStopped: boolean;
}

export class PlantedCopy {
  readonly path: string;

  /**
   * @param name of a bug
   * @throws Error when the patch does not fit; nothing is left behind
   */
  constructor(name: string) {
    this.path = mkdtempSync(join(tmpdir(), "faultline-bug-"));
    try {
      for (const entry of copied) cpSync(join(root, entry), join(this.path, entry), { recursive: true });
      symlinkSync(join(root, "node_modules"), join(this.path, "node_modules"));
      for (const file of readPatch(name).files) {
        const path = join(this.path, file.path);
        writeFileSync(path, applyPatch(readFileSync(path, "utf8"), file));
      }
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /**
   * Runs a verb in the copy.
   *
   * @param onLine called with each line of standard output; false stops the verb
   * @param limitMs the verb is stopped after so long
   */
  async run(args: readonly string[], limitMs: number, onLine: (line: string) => boolean): Promise<VerbRun> {
    const startedMs = performance.now();
    const verb = spawn(process.execPath, ["--import", "tsx", "faultline.ts", ...args], {
      cwd: this.path,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let wasStopped = false;
    const timer = setTimeout(() => {
      wasStopped = true;
      verb.kill();
    }, limitMs);
    let errors = "";
    verb.stderr.on("data", (text: Buffer) => {
      errors = `${errors}${text.toString()}`.slice(-2_000);
    });
    const ended = new Promise<number | null>((resolve) => verb.on("close", resolve));
    for await (const line of createInterface({ input: verb.stdout })) if (!onLine(line)) break;
    verb.kill();
    clearTimeout(timer);
    const code = (await ended) ?? undefined;
    return { code, errors, wallMs: Math.round(performance.now() - startedMs), wasStopped };
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
