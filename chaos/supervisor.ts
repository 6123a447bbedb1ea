/*
 * The processes of a drill: start, kill, pause, restart, each with a log file. It signals only processes it started
 * itself, by their id, and leaves none behind: on `close`, on Ctrl-C, and when this process ends for any reason that
 * lets it run a last line of code. Knows nothing of clusters; target.ts says what to run.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

export interface ProcessStart {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: { readonly [variable: string]: string | undefined };
  readonly logFile: string;
  /** Called when the process is gone, before anybody is told of its end. */
  readonly onGone?: (pid: number) => void;
}
export interface ProcessEnd {
  readonly name: string;
  /** "exit code 1", "SIGKILL". */
  readonly how: string;
  /** False when the supervisor did not ask for it. */
  readonly expected: boolean;
}
export type ProcessState = "running" | "paused" | "down";

interface Life {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  paused: boolean;
  endExpected: boolean;
}

export class Supervisor {
  readonly #lives = new Map<string, Life>();
  readonly #lastEnds = new Map<string, ProcessEnd>();
  readonly #onEnd: (end: ProcessEnd) => void;
  readonly #gracefulMs: number;
  #closed = false;
  readonly #lastLine = () => this.#killAllNow();

  /**
   * @param options.onEnd called for every end of a process, asked for or not
   * @param options.gracefulMs how long a process may take after SIGTERM before it is killed; 5 s when absent
   */
  constructor(options: { readonly onEnd: (end: ProcessEnd) => void; readonly gracefulMs?: number }) {
    this.#onEnd = options.onEnd;
    this.#gracefulMs = options.gracefulMs ?? 5_000;
    process.on("exit", this.#lastLine);
  }

  stateOf(name: string): ProcessState {
    const life = this.#lives.get(name);
    return life === undefined ? "down" : life.paused ? "paused" : "running";
  }

  pidOf(name: string): number | undefined {
    return this.#lives.get(name)?.pid;
  }

  lastEndOf(name: string): ProcessEnd | undefined {
    return this.#lastEnds.get(name);
  }

  /**
   * Starts a process; its output is appended to the log file. It is in a group of its own, so that Ctrl-C at the
   * terminal reaches the drill alone, which then ends its processes in order.
   *
   * @throws when the command cannot be run
   */
  async start(start: ProcessStart): Promise<void> {
    if (this.#closed) throw new Error(`${start.name} is not started: the supervisor is closed`);
    if (this.#lives.has(start.name)) throw new Error(`${start.name} is running already`);
    const log = openSync(start.logFile, "a");
    const child = spawn(start.command, [...start.args], {
      env: { ...start.env },
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    const failure = new Promise<Error | undefined>((resolve) => {
      child.once("spawn", () => resolve(undefined));
      child.once("error", resolve);
    });
    if (child.pid !== undefined) this.#keep(start, child, child.pid);
    const error = await failure;
    if (error !== undefined) throw new Error(`${start.command} cannot be run: ${error.message}`);
  }

  /** From here on the process is the supervisor's to end, even when it is closed a moment later. */
  #keep({ name, onGone }: ProcessStart, child: ChildProcess, pid: number): void {
    const ended = new Promise<ProcessEnd>((resolve) => {
      child.once("exit", (code, signal) => {
        const end = { name, how: signal ?? `exit code ${code}`, expected: life.endExpected };
        if (this.#lives.get(name) === life) this.#lives.delete(name);
        this.#lastEnds.set(name, end);
        onGone?.(pid);
        this.#onEnd(end);
        resolve(end);
      });
    });
    const life: Life = { child, pid, ended, paused: false, endExpected: false };
    this.#lives.set(name, life);
  }

  /** SIGKILL; returns when the process is gone. Nothing to do when it is down. */
  async kill(name: string): Promise<void> {
    const life = this.#lives.get(name);
    if (life === undefined) return;
    life.endExpected = true;
    life.child.kill("SIGKILL");
    await life.ended;
  }

  /** SIGTERM, and SIGKILL when that is not enough; returns when the process is gone. */
  async stop(name: string): Promise<void> {
    const life = this.#lives.get(name);
    if (life === undefined) return;
    life.endExpected = true;
    if (life.paused) life.child.kill("SIGCONT");
    life.child.kill("SIGTERM");
    const timer = setTimeout(() => life.child.kill("SIGKILL"), this.#gracefulMs);
    await life.ended;
    clearTimeout(timer);
  }

  /** The process may end by itself from now on, or may not any more. */
  expectEnd(name: string, isExpected = true): void {
    const life = this.#lives.get(name);
    if (life !== undefined) life.endExpected = isExpected;
  }

  /** SIGSTOP. @returns false when it is down or paused already */
  pause(name: string): boolean {
    const life = this.#lives.get(name);
    if (life === undefined || life.paused) return false;
    life.paused = life.child.kill("SIGSTOP");
    return life.paused;
  }

  /** SIGCONT. @returns false when it is not paused */
  resume(name: string): boolean {
    const life = this.#lives.get(name);
    if (life === undefined || !life.paused) return false;
    life.child.kill("SIGCONT");
    life.paused = false;
    return true;
  }

  /** Kills whatever still runs; nothing can be started any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#lives.keys()].map((name) => this.kill(name)));
    process.off("exit", this.#lastLine);
  }

  #killAllNow(): void {
    for (const life of this.#lives.values()) life.child.kill("SIGKILL");
  }
}
