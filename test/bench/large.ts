/*
 * A large history: memory with many revisions, and how long a member takes from SIGKILL to its first acknowledged put,
 * with a log cut short by its snapshots (with all of it in the log: recovery.ts). Ours, then a stock etcd, each filled by
 * one put for each revision.
 *
 *     npx tsc -b && node --import tsx test/bench/large.ts [--revisions 1000000] [--keys 100000] [--value 256]
 *         [--restarts 3]
 *
 * --keys: how many different keys the revisions go to.
 */
import { parseArgs } from "node:util";
import {
  BenchClient,
  type Cluster,
  fillFast,
  median,
  ours,
  pause,
  print,
  putOf,
  residentMb,
  startCluster,
  stock,
  type Target,
} from "./servers.ts";

const { values } = parseArgs({
  options: {
    revisions: { type: "string", default: "1000000" },
    keys: { type: "string", default: "100000" },
    value: { type: "string", default: "256" },
    restarts: { type: "string", default: "3" },
  },
});
const revisions = Number(values.revisions);

interface Figures {
  readonly emptyMb: number;
  readonly filledMb: number;
  readonly firstPutMs: number;
  readonly restartedMb: number;
}

async function measure(target: Target): Promise<Figures> {
  const cluster = await startCluster(target, 1, ["--quota-backend-bytes", "8000000000"]);
  try {
    return await figuresOf(cluster);
  } finally {
    await cluster.close();
  }
}

async function figuresOf({ servers: [server] }: Cluster): Promise<Figures> {
  if (server === undefined) throw new Error("there is one member");
  const emptyMb = residentMb(server);
  await fillFast(server.clientPort, values);
  await pause(1_000);
  const filledMb = residentMb(server);
  const firstPutMs: number[] = [];
  for (let number = 0; number < Number(values.restarts); number++) {
    await server.kill("SIGKILL");
    const killedMs = performance.now();
    server.start();
    await firstPut(server.clientPort);
    firstPutMs.push(performance.now() - killedMs);
  }
  return { emptyMb, filledMb, firstPutMs: median(firstPutMs), restartedMb: residentMb(server) };
}

async function firstPut(port: number): Promise<void> {
  for (;;) {
    const client = new BenchClient(port);
    try {
      await client.ask(putOf("first", new Uint8Array(8)));
      return;
    } catch {
      await pause(10);
    } finally {
      client.close();
    }
  }
}

const own = await measure(ours);
const anchor = await measure(stock);
const of = `${revisions.toLocaleString("en")} revisions of ${Number(values.keys).toLocaleString("en")} keys, ${values.value} bytes`;
const row = (what: string, unit: string, field: keyof Figures): void =>
  print({ what, unit, ours: own[field], anchor: anchor[field], better: "less" });
row("memory, empty", "MB", "emptyMb");
row(`memory, ${of}`, "MB", "filledMb");
row(`SIGKILL to first put, ${of}`, "ms, median", "firstPutMs");
row(`memory after that restart, ${of}`, "MB", "restartedMb");
process.exit(0);
