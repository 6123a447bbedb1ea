/*
 * One data directory, one process. The lock is the kernel's (flock on `member/lock`), so that it ends with the process
 * however that ends. Node has no such call; the flock program of util-linux takes the lock on a descriptor it shares
 * with this process, and the lock stays with the descriptor when the program has ended.
 *
 * Where that program is missing, the file holds the owner's process id and the time it was started instead. A crash
 * leaves it behind, and it counts no more once no process with that id and start time is there.
 */
import { spawnSync } from "node:child_process";
import { closeSync, linkSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface DirectoryLock {
  release(): void;
}

/** @returns undefined when another process has it */
export function tryLock(memberDirectory: string): DirectoryLock | undefined {
  const path = join(memberDirectory, "lock");
  const handle = openSync(path, "a", 0o600);
  const result = spawnSync("flock", ["--nonblock", "3"], { stdio: ["ignore", "ignore", "ignore", handle] });
  if (result.error === undefined && result.status === 0) return { release: () => closeSync(handle) };
  closeSync(handle);
  if (result.error === undefined && result.status === 1) return undefined;
  return tryLockByProcessId(`${path}.pid`);
}

/** For systems without the flock program. */
function tryLockByProcessId(path: string): DirectoryLock | undefined {
  const own = `${process.pid} ${startTimeOf(process.pid) ?? "unknown"}`;
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, own, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        // A link is made whole or not at all, and never over another.
        linkSync(temporary, path);
        return { release: () => rmSync(path, { force: true }) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const [pid = "", startTime = ""] = readFileSync(path, "utf8").split(" ");
      if (isAlive(Number(pid)) && (startTimeOf(Number(pid)) ?? "unknown") === startTime) return undefined;
      rmSync(path, { force: true });
    }
    return undefined;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Start of a process in the kernel's ticks, so that a reused id is told apart; undefined where /proc is missing. */
function startTimeOf(pid: number): string | undefined {
  try {
    // The second field is a name in parentheses and may hold anything; the start time is the 20th after it.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
