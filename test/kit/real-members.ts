/*
 * Real members as processes of their own, for tests: free ports, temporary directories, every process ended and every
 * directory removed by `close`.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../chaos/link/free-ports.ts";
import { builtProgram } from "./build.ts";

const root = join(import.meta.dirname, "../..");

export interface Ended {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Which program a member runs: `faultline etcd`, the etcd binary at that path, or a script of the shell that becomes ours. */
export type Program = "ours" | { readonly etcd: string } | { readonly shell: string };

function commandOf(program: Program): readonly [string, ...string[]] {
  if (program === "ours") return [process.execPath, builtProgram, "etcd"];
  return "etcd" in program ? [program.etcd] : ["/bin/sh", "-c", program.shell, "sh"];
}

/** One process of `faultline etcd`, or of a stock etcd. */
export class RealMember {
  readonly name: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly #environment: { readonly [name: string]: string };
  readonly #program: Program;
  #child: ChildProcess | undefined;
  #ended: Promise<Ended> | undefined;

  constructor(options: {
    readonly name: string;
    readonly args: readonly string[];
    readonly logFile: string;
    readonly environment?: { readonly [name: string]: string };
    /** Unless given, ours. */
    readonly program?: Program;
  }) {
    this.#program = options.program ?? "ours";
    this.name = options.name;
    this.args = options.args;
    this.logFile = options.logFile;
    this.#environment = options.environment ?? {};
    writeFileSync(this.logFile, "");
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const [command, ...leading] = commandOf(this.#program);
    const child = spawn(
      command,
      [...leading, ...this.args],
      // Standard output and error end up in the log.
      { cwd: root, env: { PATH: process.env["PATH"], ...this.#environment }, stdio: ["ignore", "pipe", "pipe"] },
    );
    const keep = (piece: Buffer): void => writeFileSync(this.logFile, piece, { flag: "a" });
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("close", (exitCode, signal) => resolve({ exitCode, signal }));
    });
  }

  /** Everything the process has printed, this life and earlier ones. */
  get log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  /** Waits until the log contains the text so many times. */
  async logged(text: string, times = 1, timeoutMs = 20_000): Promise<void> {
    await until(
      () => this.log.split(text).length > times,
      timeoutMs,
      () => `"${text}" in the log:\n${this.log}`,
    );
  }

  async ended(timeoutMs = 20_000): Promise<Ended> {
    const ended = this.#ended;
    if (ended === undefined) throw new Error("not started");
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.name} did not end:\n${this.log}`)), timeoutMs);
    });
    return Promise.race([ended, late]).finally(() => clearTimeout(timer));
  }

  async end(signal: NodeJS.Signals): Promise<Ended> {
    this.#child?.kill(signal);
    return this.ended();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async close(): Promise<void> {
    if (this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    await this.end("SIGKILL");
  }
}

export interface RealCluster {
  readonly members: readonly RealMember[];
  readonly clientPorts: readonly number[];
  readonly peerPorts: readonly number[];
  /** For etcdctl. */
  readonly endpoints: string;
  readonly directory: string;
  /** Waits until every member serves clients, for the given time since it was created. */
  ready(times?: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * A cluster of its own on free ports, started but perhaps not ready yet.
 *
 * @param extraArgs of every member, or of that at a position, from 0
 */
export async function startCluster(
  size: number,
  extraArgs: readonly string[] | ((position: number) => readonly string[]) = [],
  program: Program = "ours",
  schemes: { readonly client: "http" | "https"; readonly peer: "http" | "https" } = { client: "http", peer: "http" },
): Promise<RealCluster> {
  const directory = mkdtempSync(join(tmpdir(), "faultline-cluster-"));
  const ports = await freePorts(2 * size);
  const clientPorts = ports.slice(0, size);
  const peerPorts = ports.slice(size);
  const initialCluster = peerPorts
    .map((port, position) => `m${position + 1}=${schemes.peer}://127.0.0.1:${port}`)
    .join(",");
  const members = clientPorts.map((clientPort, position) => {
    const name = `m${position + 1}`;
    const peerUrl = `${schemes.peer}://127.0.0.1:${peerPorts[position]}`;
    const clientUrl = `${schemes.client}://127.0.0.1:${clientPort}`;
    return new RealMember({
      name,
      logFile: join(directory, `${name}.log`),
      args: [
        ...["--name", name, "--data-dir", join(directory, name)],
        ...["--listen-client-urls", clientUrl, "--advertise-client-urls", clientUrl],
        ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
        ...["--initial-cluster", initialCluster, "--initial-cluster-token", "compat"],
        ...(typeof extraArgs === "function" ? extraArgs(position) : extraArgs),
      ],
      program,
    });
  });
  for (const member of members) member.start();
  return {
    members,
    clientPorts,
    peerPorts,
    endpoints: clientPorts.map((port) => `${schemes.client === "https" ? "https://" : ""}127.0.0.1:${port}`).join(","),
    directory,
    async ready(times = 1) {
      const text =
        program !== "ours" && "etcd" in program
          ? "serving insecure client requests on"
          : `serving client traffic ${schemes.client === "https" ? "securely" : "insecurely"}`;
      await Promise.all(members.map((member) => member.logged(text, times)));
    },
    async close() {
      await Promise.all(members.map((member) => member.close()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Looks again and again until the condition holds. */
export async function until(condition: () => boolean, timeoutMs: number, what: () => string): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// ---- etcdctl -------------------------------------------------------------------------------------------------

/** Why tests with etcd's own client cannot run; undefined when they can. A missing client is an error in CI. */
export function whyNoEtcdctl(): string | undefined {
  const found = spawnSync("etcdctl", ["version"], { env: { PATH: process.env["PATH"], ETCDCTL_API: "3" } });
  if (found.error === undefined && found.status === 0) return undefined;
  if (process.env["CI"] === "true") throw new Error("etcdctl is missing: install the Debian package etcd-client");
  return "etcdctl is not installed (Debian package etcd-client)";
}

export interface CtlResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Runs etcd's own etcdctl. */
export async function etcdctl(
  endpoints: string,
  args: readonly string[],
  options: { readonly input?: string; readonly environment?: { readonly [name: string]: string } } = {},
): Promise<CtlResult> {
  const child = spawnEtcdctl(endpoints, args, options.environment);
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (piece: Buffer) => {
    stdout += piece;
  });
  child.stderr?.on("data", (piece: Buffer) => {
    stderr += piece;
  });
  // A command that needs no input may have ended before it could be written.
  child.stdin?.on("error", () => {});
  child.stdin?.end(options.input ?? "");
  const exitCode = await new Promise<number>((resolve) => child.once("close", (code) => resolve(code ?? -1)));
  return { stdout, stderr, exitCode };
}

export function spawnEtcdctl(
  endpoints: string,
  args: readonly string[],
  environment: { readonly [name: string]: string } = {},
): ChildProcess {
  return spawn("etcdctl", ["--endpoints", endpoints, ...args], {
    env: { PATH: process.env["PATH"], ETCDCTL_API: "3", ...environment },
    stdio: ["pipe", "pipe", "pipe"],
  });
}
