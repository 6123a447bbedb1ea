import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ProcessEnd, type ProcessStart, Supervisor } from "../../chaos/supervisor.ts";

let directory: string;
let supervisor: Supervisor;
let ends: ProcessEnd[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "faultline-supervisor-"));
  ends = [];
  supervisor = new Supervisor({ onEnd: (end) => ends.push(end), gracefulMs: 300 });
});
afterEach(async () => {
  await supervisor.close();
  rmSync(directory, { recursive: true });
});

const program = (name: string, source: string): ProcessStart => ({
  name,
  command: process.execPath,
  args: ["-e", source],
  env: { PATH: process.env["PATH"] },
  logFile: join(directory, `${name}.log`),
});
const counter = 'let n = 0; setInterval(() => console.log("tick " + n++), 10)';

function exists(pid: number | undefined): boolean {
  try {
    process.kill(pid ?? -1, 0);
    return pid !== undefined;
  } catch {
    return false;
  }
}
async function until(holds: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (holds()) return;
    await pause(10);
  }
  throw new Error(`never: ${what}`);
}
const ticksOf = (name: string) => readFileSync(join(directory, `${name}.log`), "utf8").split("\n").length - 1;

test("a process writes its log, and kill returns when it is gone", async () => {
  await supervisor.start(program("a", counter));
  const pid = supervisor.pidOf("a");
  await until(() => ticksOf("a") > 2, "ticks in the log");
  await supervisor.kill("a");
  expect(exists(pid)).toBe(false);
  expect(supervisor.stateOf("a")).toBe("down");
  expect(ends).toEqual([{ name: "a", how: "SIGKILL", expected: true }]);
});

test("a paused process stands still and goes on when resumed", async () => {
  await supervisor.start(program("a", counter));
  await until(() => ticksOf("a") > 2, "ticks in the log");
  expect(supervisor.pause("a")).toBe(true);
  expect(supervisor.pause("a")).toBe(false);
  expect(supervisor.stateOf("a")).toBe("paused");
  await pause(50);
  const before = ticksOf("a");
  await pause(100);
  expect(ticksOf("a")).toBe(before);
  expect(supervisor.resume("a")).toBe(true);
  await until(() => ticksOf("a") > before, "ticks after the pause");
});

test("a process that ends on its own is reported as unexpected, and can be started again", async () => {
  await supervisor.start(program("a", "setTimeout(() => process.exit(7), 50)"));
  await until(() => ends.length === 1, "the end");
  expect(ends).toEqual([{ name: "a", how: "exit code 7", expected: false }]);
  await supervisor.start(program("a", counter));
  expect(supervisor.stateOf("a")).toBe("running");
});

test("stop asks first and kills a process that does not listen", async () => {
  await supervisor.start(program("deaf", `process.on("SIGTERM", () => {}); ${counter}`));
  await until(() => ticksOf("deaf") > 0, "ticks in the log");
  await supervisor.stop("deaf");
  expect(ends.at(-1)).toEqual({ name: "deaf", how: "SIGKILL", expected: true });
});

test("a command that cannot be run is refused by name", async () => {
  await expect(supervisor.start({ ...program("a", ""), command: join(directory, "absent") })).rejects.toThrow(
    /absent cannot be run/,
  );
  expect(supervisor.stateOf("a")).toBe("down");
});

test("close leaves nothing running, paused processes included", async () => {
  await supervisor.start(program("a", counter));
  await supervisor.start(program("b", counter));
  supervisor.pause("b");
  const pids = [supervisor.pidOf("a"), supervisor.pidOf("b")];
  await supervisor.close();
  expect(pids.map(exists)).toEqual([false, false]);
});

test("a process whose start is under way while the supervisor closes does not outlive it", async () => {
  const starting = supervisor.start(program("a", counter));
  const pid = supervisor.pidOf("a");
  await supervisor.close();
  await starting;
  expect(exists(pid)).toBe(false);
  await expect(supervisor.start(program("b", counter))).rejects.toThrow(/supervisor is closed/);
});

test("a drill that dies of an error takes its processes with it", async () => {
  const logFile = join(directory, "child.log");
  const source = `
    import { Supervisor } from ${JSON.stringify(new URL("../../chaos/supervisor.ts", import.meta.url).pathname)};
    const supervisor = new Supervisor({ onEnd: () => {} });
    supervisor.start({ name: "a", command: process.execPath, args: ["-e", ${JSON.stringify(counter)}], env: {}, logFile: ${JSON.stringify(logFile)} })
      .then(() => { console.log(supervisor.pidOf("a")); setTimeout(() => { throw new Error("broken"); }, 100); });
  `;
  const drill = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", source], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let output = "";
  drill.stdout.on("data", (bytes) => {
    output += bytes;
  });
  await new Promise((resolve) => drill.once("exit", resolve));
  const pid = Number(output.trim());
  expect(pid).toBeGreaterThan(0);
  await until(() => !exists(pid), "the end of the drill's process");
});
