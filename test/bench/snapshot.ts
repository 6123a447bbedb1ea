/*
 * A snapshot of a large key space, saved from a member and restored to a new data directory: restored by our
 * tool from our member, and by the stock tool from a stock etcd.
 *
 *     npx tsc -b && node --import tsx test/bench/snapshot.ts [--keys 500000] [--value 256] [--rounds 2]
 */
import { spawn } from "node:child_process";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BenchClient, type Cluster, median, ours, print, putOf, root } from "./servers.ts";
import { sideBySide } from "./side-by-side.ts";

const { values } = parseArgs({
  options: {
    keys: { type: "string", default: "400000" },
    value: { type: "string", default: "256" },
    rounds: { type: "string", default: "2" },
  },
});

/** Many small puts at once would take longer than all the rest: 100 to a transaction. */
async function fillByTransactions({ servers: [server] }: Cluster): Promise<void> {
  const client = new BenchClient(server?.clientPort ?? 0);
  const value = new Uint8Array(Number(values.value)).fill(0x76);
  const perTransaction = 100;
  let next = 0;
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let from = next; from < Number(values.keys); from = next) {
        next += perTransaction;
        const success = Array.from({ length: perTransaction }, (_none, number) => {
          return putOf(`key/${String(from + number).padStart(9, "0")}`, value);
        });
        await client.ask({ type: "txn", compares: [], success, failure: [] } as Parameters<BenchClient["ask"]>[0]);
      }
    }),
  );
  client.close();
}

async function run(command: readonly string[]): Promise<number> {
  const [program = "", ...args] = command;
  const startedMs = performance.now();
  const child = spawn(program, args, { cwd: root, stdio: "ignore", env: { ...process.env, ETCDCTL_API: "3" } });
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}`);
  return performance.now() - startedMs;
}

const node = [process.execPath, join(root, "dist/faultline.js")];
const tools = {
  // What is measured is the member that makes the snapshot, so the same client takes it from both.
  ours: { save: ["etcdctl", "snapshot", "save"], restore: [...node, "etcdutl", "snapshot", "restore"] },
  etcd: { save: ["etcdctl", "snapshot", "save"], restore: ["etcdctl", "snapshot", "restore"] },
};

interface Round {
  readonly saveMs: number;
  readonly restoreMs: number;
  readonly bytes: number;
}

async function round(cluster: Cluster, by: keyof typeof tools): Promise<Round> {
  const [server] = cluster.servers;
  if (server === undefined) throw new Error("there is one member");
  const file = `${server.dataDirectory}.snapshot`;
  const restored = `${server.dataDirectory}.restored`;
  const endpoint = `127.0.0.1:${server.clientPort}`;
  const saveMs = await run([...tools[by].save, file, "--endpoints", endpoint]);
  const restoreMs = await run([...tools[by].restore, file, "--data-dir", restored]);
  const { size } = statSync(file);
  rmSync(file);
  rmSync(restored, { recursive: true });
  return { saveMs, restoreMs, bytes: size };
}

await sideBySide(1, [], async (pair) => {
  await pair.each(fillByTransactions);
  const { own, anchor } = await pair.byTurns(Number(values.rounds), (cluster) =>
    round(cluster, cluster.target === ours ? "ours" : "etcd"),
  );
  const megabytes = Math.round((own[0]?.bytes ?? 0) / 1e6);
  const row = (what: string, field: "saveMs" | "restoreMs"): void =>
    print({
      what: `snapshot of ${megabytes} MB, ${what}`,
      unit: "ms, median",
      ours: median(own.map((each) => each[field])),
      anchor: median(anchor.map((each) => each[field])),
      better: "less",
    });
  row("save", "saveMs");
  row("restore", "restoreMs");
});
process.exit(0);
