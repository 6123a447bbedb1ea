/*
 * Recovery from a long log: a member is killed with every entry still in its log, as no snapshot ever cut it, and started
 * again: how long until it serves a linearizable read, how much CPU that took, and its memory then. Ours and a stock etcd,
 * each filled by one put an entry; then their starts in turns.
 *
 *     npx tsc -b && node --import tsx test/bench/recovery.ts [--revisions 1000000] [--keys 100000] [--value 256]
 *         [--restarts 3]
 */
import { parseArgs } from "node:util";
import { rangeOf } from "../kit/requests.ts";
import {
  BenchClient,
  type Cluster,
  cpuMs,
  fillFast,
  median,
  ours,
  pause,
  print,
  residentMb,
  type Server,
  startCluster,
  stock,
} from "./servers.ts";

const { values } = parseArgs({
  options: {
    revisions: { type: "string", default: "1000000" },
    keys: { type: "string", default: "100000" },
    value: { type: "string", default: "256" },
    restarts: { type: "string", default: "3" },
  },
});

interface Start {
  readonly firstReadMs: number;
  readonly cpuMs: number;
  readonly residentMb: number;
}

async function startOf(server: Server): Promise<Start> {
  const startedMs = performance.now();
  server.start();
  await firstRead(server.clientPort);
  const firstReadMs = performance.now() - startedMs;
  const start = { firstReadMs, cpuMs: cpuMs(server), residentMb: residentMb(server) };
  await server.kill("SIGKILL");
  return start;
}

async function firstRead(port: number): Promise<void> {
  for (;;) {
    const client = new BenchClient(port);
    try {
      await client.ask(rangeOf("first"));
      return;
    } catch {
      await pause(5);
    } finally {
      client.close();
    }
  }
}

const flags = ["--quota-backend-bytes", "8000000000", "--snapshot-count", String(2 * Number(values.revisions))];
const clusters: Cluster[] = [];
try {
  for (const target of [ours, stock]) {
    const cluster = await startCluster(target, 1, flags);
    clusters.push(cluster);
    const [server] = cluster.servers;
    if (server === undefined) throw new Error("there is one member");
    await fillFast(server.clientPort, values);
    await server.kill("SIGKILL");
  }
  const starts = clusters.map((): Start[] => []);
  for (let number = 0; number < Number(values.restarts); number++) {
    for (const [position, { servers }] of clusters.entries()) {
      for (const server of servers) starts[position]?.push(await startOf(server));
    }
  }
  const [own = [], anchor = []] = starts;
  const row = (what: string, unit: string, field: keyof Start): void =>
    print({
      what: `${Number(values.revisions).toLocaleString("en")} entries in the log: ${what}`,
      unit,
      ours: median(own.map((each) => each[field])),
      anchor: median(anchor.map((each) => each[field])),
      better: "less",
    });
  row("start to first linearizable read", "ms, median", "firstReadMs");
  row("CPU until then", "ms, median", "cpuMs");
  row("memory then", "MB", "residentMb");
} finally {
  for (const cluster of clusters) await cluster.close();
}
process.exit(0);
