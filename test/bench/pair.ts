/*
 * Our members beside stock etcd's, all alive and loaded in turns, so that whatever else the machine does falls on both.
 * Prints one line for each kind of load: calls a second and CPU a call (of all members together), and their ratio;
 * asserts nothing.
 *
 *     npx tsc -b && node --import tsx test/bench/pair.ts [--members 1|3] [--rounds 3] [--seconds 3] [--clients 1,64,256]
 *         [--calls put,range] [--dist <other checkout>/dist/faultline.js]
 *
 * With --dist a second build of ours takes etcd's place, to compare two states. With three members connections go to
 * all of them in turn.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { LoadResult } from "./load.ts";
import { type Cluster, cpuMs, median, ours, root, startCluster, stock } from "./servers.ts";

const { values } = parseArgs({
  options: {
    members: { type: "string", default: "1" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    clients: { type: "string", default: "64,256" },
    calls: { type: "string", default: "put,range" },
    dist: { type: "string" },
  },
});

interface Round {
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
  readonly cpuMicroseconds: number;
}

const cpuOf = ({ servers }: Cluster): number => servers.reduce((sum, server) => sum + cpuMs(server), 0);

/** The generator is a process of its own, so that it and the server may use a core each. */
async function load(cluster: Cluster, call: string, clients: number): Promise<Round> {
  const generator = spawn(
    process.execPath,
    [
      ...["--import", "tsx", join(import.meta.dirname, "load.ts"), "--call", call],
      ...["--port", cluster.servers.map(({ clientPort }) => clientPort).join(",")],
      ...["--connections", String(cluster.servers.length === 1 ? 4 : 6)],
      ...["--clients", String(clients), "--seconds", values.seconds, "--warmup", "1"],
    ],
    { cwd: root, stdio: ["ignore", "pipe", "inherit"] },
  );
  let printed = "";
  let cpuBefore = 0;
  let cpuAfter = 0;
  generator.stdout.on("data", (piece: Buffer) => {
    printed += piece;
    if (cpuBefore === 0) cpuBefore = cpuOf(cluster);
    cpuAfter = cpuOf(cluster);
  });
  await new Promise((resolve) => generator.once("close", resolve));
  const result = JSON.parse(printed.slice("warm\n".length)) as LoadResult;
  const calls = result.callsPerSecond * Number(values.seconds);
  return { ...result, cpuMicroseconds: (1_000 * (cpuAfter - cpuBefore)) / calls };
}

async function main(): Promise<void> {
  const members = Number(values.members);
  const clusters: Cluster[] = [];
  try {
    clusters.push(await startCluster(ours, members));
    const other =
      values.dist === undefined ? stock : { name: "other", command: [process.execPath, values.dist, "etcd"] };
    clusters.push(await startCluster(other, members));
    for (const call of values.calls.split(",")) {
      for (const clients of values.clients.split(",").map(Number)) {
        const rounds = new Map<Cluster, Round[]>(clusters.map((cluster) => [cluster, []]));
        for (let round = 0; round < Number(values.rounds); round++) {
          for (const cluster of clusters) rounds.get(cluster)?.push(await load(cluster, call, clients));
        }
        const [own, anchor] = clusters.map((cluster) => {
          const of = rounds.get(cluster) ?? [];
          return {
            name: cluster.target.name,
            callsPerSecond: Math.round(median(of.map((round) => round.callsPerSecond))),
            cpuMicroseconds: Math.round(median(of.map((round) => round.cpuMicroseconds))),
            p50Ms: median(of.map((round) => round.p50Ms)),
            p99Ms: median(of.map((round) => round.p99Ms)),
            failed: of.reduce((sum, round) => sum + round.failed, 0),
          };
        });
        if (own === undefined || anchor === undefined) throw new Error("there are two clusters");
        const ratio = Number((own.callsPerSecond / anchor.callsPerSecond).toFixed(2));
        process.stdout.write(`${JSON.stringify({ members, call, clients, ours: own, other: anchor, ratio })}\n`);
      }
    }
  } finally {
    for (const cluster of clusters) await cluster.close();
  }
}

await main();
process.exit(0);
