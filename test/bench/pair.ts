/*
 * A member beside a stock etcd, both alive and loaded in turns, so that whatever else the machine does falls on both.
 * Prints one line for each kind of load: calls a second and CPU a call of each, and their ratio; asserts nothing.
 *
 *     npx tsc -b && node --import tsx test/bench/pair.ts [--rounds 3] [--seconds 3] [--clients 64,256] [--calls put,range]
 *         [--dist <other checkout>/dist/faultline.js]    a second build of ours in place of etcd, to compare two states
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { freePorts } from "../kit/real-members.ts";
import type { LoadResult } from "./load.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    clients: { type: "string", default: "64,256" },
    calls: { type: "string", default: "put,range" },
    dist: { type: "string" },
  },
});
const root = join(import.meta.dirname, "../..");

interface Server {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
}

async function start(name: string, command: readonly string[], directory: string): Promise<Server> {
  const [clientPort = 0, peerPort] = await freePorts(2);
  const client = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const [program = "", ...first] = command;
  const flags = [
    ...["--name", "m1", "--data-dir", join(directory, name), "--initial-cluster", `m1=${peer}`],
    ...["--listen-client-urls", client, "--advertise-client-urls", client],
    ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--log-level", "error"],
  ];
  const child = spawn(program, [...first, ...flags], { cwd: root, stdio: "ignore" });
  while (!(await isHealthy(client))) {
    if (child.exitCode !== null) throw new Error(`${name} ended with exit code ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { name, port: clientPort, child };
}

async function isHealthy(client: string): Promise<boolean> {
  try {
    return (await fetch(`${client}/health`)).ok;
  } catch {
    return false;
  }
}

/** User and system time of a process so far; Linux counts in hundredths of a second. */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

interface Round {
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
  readonly cpuMicroseconds: number;
}

/** The generator is a process of its own, so that it and the server may use a core each. */
async function load(server: Server, call: string, clients: number): Promise<Round> {
  const generator = spawn(
    process.execPath,
    [
      ...["--import", "tsx", join(import.meta.dirname, "load.ts"), "--port", String(server.port), "--call", call],
      ...["--clients", String(clients), "--seconds", values.seconds, "--warmup", "1"],
    ],
    { cwd: root, stdio: ["ignore", "pipe", "inherit"] },
  );
  let printed = "";
  let cpuBefore = 0;
  let cpuAfter = 0;
  generator.stdout.on("data", (piece: Buffer) => {
    printed += piece;
    if (cpuBefore === 0) cpuBefore = cpuMs(server.child.pid ?? 0);
    cpuAfter = cpuMs(server.child.pid ?? 0);
  });
  await new Promise((resolve) => generator.once("close", resolve));
  const result = JSON.parse(printed.slice("warm\n".length)) as LoadResult;
  const calls = result.callsPerSecond * Number(values.seconds);
  return { ...result, cpuMicroseconds: (1_000 * (cpuAfter - cpuBefore)) / calls };
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "faultline-pair-"));
  const servers: Server[] = [];
  try {
    servers.push(await start("ours", [process.execPath, join(root, "dist/faultline.js"), "etcd"], directory));
    servers.push(
      values.dist === undefined
        ? await start("etcd", ["etcd"], directory)
        : await start("other", [process.execPath, values.dist, "etcd"], directory),
    );
    for (const call of values.calls.split(",")) {
      for (const clients of values.clients.split(",").map(Number)) {
        const rounds = new Map<string, Round[]>(servers.map(({ name }) => [name, []]));
        for (let round = 0; round < Number(values.rounds); round++) {
          for (const server of servers) rounds.get(server.name)?.push(await load(server, call, clients));
        }
        const [ours, other] = servers.map(({ name }) => {
          const of = rounds.get(name) ?? [];
          return {
            name,
            callsPerSecond: Math.round(median(of.map((round) => round.callsPerSecond))),
            cpuMicroseconds: Math.round(median(of.map((round) => round.cpuMicroseconds))),
            p50Ms: median(of.map((round) => round.p50Ms)),
            p99Ms: median(of.map((round) => round.p99Ms)),
            failed: of.reduce((sum, round) => sum + round.failed, 0),
          };
        });
        if (ours === undefined || other === undefined) throw new Error("there are two servers");
        const ratio = Number((ours.callsPerSecond / other.callsPerSecond).toFixed(2));
        process.stdout.write(`${JSON.stringify({ call, clients, ours, other, ratio })}\n`);
      }
    }
  } finally {
    for (const { child } of servers) child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

await main();
process.exit(0);
