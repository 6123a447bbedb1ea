/*
 * How many files this process may open. A member needs some itself, and without them it must not begin: half a start
 * is worse than none. Of less than its own code has, the first file that is missing is one of that code, so this file
 * is loaded before the rest and needs nothing of it.
 */
import { readFileSync } from "node:fs";

/** Files of the log and the backend, connections to other members, and what looks at a member's state. As many as etcd's. */
export const ownHandles = 150;

/** Most file descriptors this process may open; undefined where the system does not say, or sets no bound. */
export const handleLimit = (): number | undefined => systemLimit("Max open files");

/** A line of /proc/self/limits; undefined: not Linux, or no bound. */
export function systemLimit(name: string): number | undefined {
  try {
    const found = new RegExp(`^${name}\\s+(\\d+)`, "m").exec(readFileSync("/proc/self/limits", "utf8"));
    return found === null ? undefined : Number(found[1]);
  } catch {
    // Not Linux.
    return undefined;
  }
}

/** What is wrong with that limit for a member, and what to do; undefined: nothing. */
export function tooFewHandles(limit: number | undefined, program = "etcd"): string | undefined {
  if (limit === undefined || limit > ownHandles) return undefined;
  return `file descriptor limit of ${program} process is too low; please set higher than ${ownHandles} (ulimit -n), not ${limit}`;
}

interface Program {
  readonly run: (argv: readonly string[]) => Promise<number>;
}

/**
 * Loads a program's code and runs it. Of etcd's programs each fails with 1, also when not even its code can be opened.
 *
 * @returns the exit code
 */
export async function runWithHandles(
  name: "etcd" | "etcdctl" | "etcdutl",
  load: () => Promise<Program>,
  argv: readonly string[],
): Promise<number> {
  // Asked before: when files run out while code is loaded, this one cannot be opened either.
  const problem = tooFewHandles(handleLimit(), name);
  let program: Program;
  try {
    program = await load();
  } catch (error) {
    if (problem === undefined) throw error;
    // What writes a member's log is not there: one line as it would be.
    const line = { level: "fatal", ts: new Date().toISOString(), msg: "cannot start", error: problem };
    process.stderr.write(`${name === "etcd" ? JSON.stringify(line) : `Error: ${problem}`}\n`);
    return 1;
  }
  return program.run(argv);
}
