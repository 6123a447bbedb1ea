/*
 * The wall clock of each member, set apart from the machine's by libfaketime, a library that is preloaded under the
 * process and reads the difference from a file. The monotonic clock stays as it is, as on a machine whose time an
 * operator sets. A program that asks the kernel without the C library, as Go's do, is not reached: it is tried first.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Answer } from "./capabilities.ts";
import { commandOf, type Target } from "./target.ts";

const libraryName = "libfaketimeMT.so.1";
/** Where systems put it, each with a folder for the architecture in some. */
const libraryRoots = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];
const sharedMemory = "/dev/shm";

/** The library's file; undefined: it is not installed. */
function findLibrary(): string | undefined {
  const directories = libraryRoots.flatMap((root) => [root, ...(existsSync(root) ? below(root) : [])]);
  return directories.map((directory) => join(directory, "faketime", libraryName)).find((path) => existsSync(path));
}

const below = (root: string): string[] =>
  readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(root, name));

export class WallClocks {
  readonly #directory: string;
  readonly #library: string | undefined;
  readonly #offsetsMs = new Map<string, number>();

  /** @param directory where the files with the differences are */
  constructor(directory: string) {
    this.#directory = directory;
    this.#library = findLibrary();
  }

  /** Moves the member's wall clock, whether it runs or not. */
  jump(name: string, byMs: number): void {
    const offsetMs = (this.#offsetsMs.get(name) ?? 0) + byMs;
    this.#offsetsMs.set(name, offsetMs);
    const file = this.#fileOf(name);
    writeFileSync(`${file}.new`, `${offsetMs < 0 ? "-" : "+"}${Math.abs(offsetMs) / 1_000}\n`);
    renameSync(`${file}.new`, file);
  }

  /** Variables with which the member's process starts; none when nobody moves its clock. */
  environmentOf(name: string): { readonly [variable: string]: string } {
    if (this.#library === undefined || !this.#offsetsMs.has(name)) return {};
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#fileOf(name),
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1",
    };
  }

  /** The process is gone; if it was killed, what the library shared with its threads is left. */
  forget(pid: number): void {
    if (this.#offsetsMs.size === 0) return;
    for (const name of [`faketime_shm_${pid}`, `sem.faketime_sem_${pid}`])
      rmSync(join(sharedMemory, name), { force: true });
  }

  #fileOf(name: string): string {
    return join(this.#directory, `${name}.time`);
  }
}

const probeOffsetMs = -3_600_000;
/** A busy machine may take long to start a program. */
const probeTimeoutMs = 60_000;

/** Starts a member that refuses at once what it was told, and looks which time its log shows. */
export async function probeWallClock(target: Exclude<Target, { kind: "endpoints" }>, scratch: string): Promise<Answer> {
  const library = findLibrary();
  if (library === undefined) return { whyNot: "libfaketime is not installed" };
  const clocks = new WallClocks(scratch);
  clocks.jump("probe", probeOffsetMs);
  const nowhere = "http://127.0.0.1:1";
  const place = {
    name: "probe",
    dataDir: join(scratch, "probe"),
    clientUrl: nowhere,
    peerListenUrl: nowhere,
    peerUrl: nowhere,
  };
  const { command, args } = commandOf(target, place, {
    members: [{ ...place, name: "another" }],
    state: "new",
    token: "probe",
    planned: { name: "probe", config: {}, clockOffsetMs: 0, clockDriftPpm: 0 },
    certificates: undefined,
  });
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(command, args, {
    env: { PATH, HOME, TMPDIR, ...clocks.environmentOf("probe") },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: probeTimeoutMs,
    killSignal: "SIGKILL",
  });
  let log = "";
  child.stderr.on("data", (bytes) => {
    log += bytes;
  });
  await new Promise((resolve) => child.once("close", resolve));
  if (child.pid !== undefined) clocks.forget(child.pid);
  rmSync(place.dataDir, { recursive: true, force: true });
  const shown = /"ts":"([^"]+)"/.exec(log)?.[1];
  if (shown === undefined) return { whyNot: `libfaketime cannot be tried: ${command} logs no time of its own` };
  const isReached = Math.abs(Date.parse(shown) - Date.now() - probeOffsetMs) < Math.abs(probeOffsetMs) / 2;
  return isReached
    ? { how: "libfaketime moves its wall clock" }
    : { whyNot: "libfaketime was tried and does not reach this program: it asks the kernel for the time by itself" };
}
