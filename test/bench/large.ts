/*
 * A large history: memory with many revisions, and how long a member takes from SIGKILL to its first acknowledged put,
 * once with a log cut short by its snapshots and once with every entry still in the log. Ours, then a stock etcd, each
 * filled by one put for each revision.
 *
 *     npx tsc -b && node --import tsx test/bench/large.ts [--revisions 1000000] [--keys 100000] [--value 256]
 *         [--long-log] [--restarts 3]
 *
 * --keys: how many different keys the revisions go to. --long-log: no snapshot cuts the log (--snapshot-count).
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  BenchClient,
  type Cluster,
  median,
  ours,
  pause,
  print,
  putOf,
  residentMb,
  root,
  startCluster,
  stock,
  type Target,
} from "./servers.ts";

const { values } = parseArgs({
  options: {
    revisions: { type: "string", default: "1000000" },
    keys: { type: "string", default: "100000" },
    value: { type: "string", default: "256" },
    "long-log": { type: "boolean", default: false },
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
  const flags = ["--quota-backend-bytes", "8000000000"];
  if (values["long-log"]) flags.push("--snapshot-count", String(2 * revisions));
  const cluster = await startCluster(target, 1, flags);
  try {
    return await figuresOf(cluster);
  } finally {
    await cluster.close();
  }
}

async function figuresOf({ servers: [server] }: Cluster): Promise<Figures> {
  if (server === undefined) throw new Error("there is one member");
  const emptyMb = residentMb(server);
  await fillFast(server.clientPort);
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

/** Through the load generator, which is a process of its own. */
async function fillFast(port: number): Promise<void> {
  const generator = spawn(
    process.execPath,
    [
      ...["--import", "tsx", join(import.meta.dirname, "load.ts"), "--port", String(port), "--call", "put"],
      ...["--clients", "256", "--calls", values.revisions, "--keys", values.keys, "--value", values.value],
    ],
    { cwd: root, stdio: ["ignore", "ignore", "inherit"] },
  );
  const code = await new Promise((resolve) => generator.once("close", resolve));
  if (code !== 0) throw new Error(`the load generator ended with ${code}`);
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
const log = values["long-log"] ? ", all in the log" : "";
const of = `${revisions.toLocaleString("en")} revisions of ${Number(values.keys).toLocaleString("en")} keys, ${values.value} bytes${log}`;
const row = (what: string, unit: string, field: keyof Figures): void =>
  print({ what, unit, ours: own[field], anchor: anchor[field], better: "less" });
row("memory, empty", "MB", "emptyMb");
row(`memory, ${of}`, "MB", "filledMb");
row(`SIGKILL to first put, ${of}`, "ms, median", "firstPutMs");
row(`memory after that restart, ${of}`, "MB", "restartedMb");
process.exit(0);
