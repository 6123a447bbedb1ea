/*
 * The way into network and mount namespaces of a drill's own. A process cannot enter them while it runs, so the drill
 * starts itself again below `unshare`, as root, or else as root of a user namespace, which needs no privileges. What
 * it makes in there, bridges, filters, mounts, is invisible outside and gone with its last process.
 *
 * The outer process only passes signals on and hands back the exit code. When it dies the inner one ends in order.
 */
import { spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import { problemOf, programNamed, runTool } from "./tools.ts";

/** The outer process's namespaces: the inner one makes sure that its own are others. */
const variable = "FAULTLINE_OUTER_NAMESPACES";

const own = ["--net", "--mount", "--propagation", "private"];
const ways = [
  { flags: own, who: "root" },
  { flags: ["--user", "--map-root-user", ...own], who: "root of a user namespace" },
] as const;

export interface Way {
  readonly flags: readonly string[];
  /** As whom the drill runs in there. */
  readonly who: string;
}

/** Programs without which there is nothing to enter for. */
const needed = ["unshare", "nsenter", "ip", "mount", "umount"];

/** @returns how namespaces can be entered here, or the reason why they cannot */
export async function findWay(): Promise<Way | { readonly problem: string }> {
  if (process.platform !== "linux") return { problem: `network namespaces are Linux's, this is ${process.platform}` };
  const absent = needed.filter((program) => programNamed(program) === undefined);
  if (absent.length > 0) {
    return { problem: `${absent.join(", ")} not installed (Debian: apt-get install iproute2 util-linux mount)` };
  }
  const problems: string[] = [];
  for (const way of ways) {
    const problem = await problemOf(() => runTool(["unshare", ...way.flags, "true"]));
    if (problem === undefined) return way;
    problems.push(`as ${way.who}: ${problem}`);
  }
  return { problem: problems.join("; ") };
}

/** Whether this process runs in namespaces of the drill's own. */
export function isInside(): boolean {
  const outer = process.env[variable];
  return outer !== undefined && outer !== "" && namespacesNow().every((name) => !outer.split(" ").includes(name));
}

const namespacesNow = (): string[] => ["net", "mnt"].map((kind) => readlinkSync(`/proc/self/ns/${kind}`));

/**
 * Runs this very command again, inside.
 *
 * @returns its exit code, or 128 and the number of the signal that ended it
 */
export async function runInside(way: Way): Promise<number> {
  const [entry = "", ...args] = process.argv.slice(1);
  const command = [...way.flags, process.execPath, ...process.execArgv, entry, ...args];
  // A session of its own: what the terminal sends arrives here alone, and is passed on once.
  const child = spawn(programNamed("unshare") ?? "unshare", command, {
    env: { ...process.env, [variable]: namespacesNow().join(" ") },
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    detached: true,
  });
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of passedOn) process.on(signal, passOn);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === "SIGKILL" ? 9 : 15)));
    });
  } finally {
    for (const signal of passedOn) process.off(signal, passOn);
  }
}

const passedOn = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Calls back when the outer process is gone: nobody waits for this one any more. */
export function whenOuterEnds(work: () => void): void {
  if (process.channel === undefined || process.channel === null) return;
  process.on("disconnect", work);
  process.channel.unref();
}
