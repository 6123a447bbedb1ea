/*
 * A follower that was away comes back to a log that was cut behind it, and is caught up by a snapshot, while a client
 * goes on writing. How long that takes, how long writes paused at most, and whether the cluster lost its leader over it.
 *
 *     npx tsc -b && node --import tsx test/bench/catch-up.ts [--megabytes 100]
 *
 * The longest gap between heartbeats is seen by proxy: a gap of an election timeout would end in an election, which
 * changes the term; the term is compared. Ours, then a stock etcd.
 */
import { parseArgs } from "node:util";
import {
  BenchClient,
  type Cluster,
  leaderOf,
  ours,
  pause,
  print,
  putOf,
  type Server,
  startCluster,
  stock,
  type Target,
} from "./servers.ts";

const { values } = parseArgs({ options: { megabytes: { type: "string", default: "100" } } });
/** Entries a log keeps for slow followers, in etcd and ours: the follower has to be further behind. */
const writesAfterwards = 12_000;

interface Figures {
  readonly caughtUpMs: number;
  readonly longestPauseMs: number;
  readonly elections: number;
}

async function statusOf(server: Server): Promise<{ readonly term: number; readonly applied: number }> {
  const client = new BenchClient(server.clientPort);
  try {
    const { answer } = await client.ask({ type: "status" }, 2_000);
    if (answer.type !== "status") throw new Error("status answers a status");
    return { term: answer.raftTerm, applied: answer.appliedIndex };
  } finally {
    client.close();
  }
}

async function measure(target: Target): Promise<Figures> {
  const cluster = await startCluster(target, 3, ["--snapshot-count", "1000"]);
  try {
    return await figuresOf(cluster);
  } finally {
    await cluster.close();
  }
}

async function figuresOf(cluster: Cluster): Promise<Figures> {
  const leader = await leaderOf(cluster);
  const away = cluster.servers.find((server) => server !== leader);
  if (away === undefined) throw new Error("there are three members");
  await away.kill("SIGKILL");
  const client = new BenchClient(leader.clientPort);
  const writes = async (count: number, bytes: number, prefix: string): Promise<void> => {
    const value = new Uint8Array(bytes).fill(0x76);
    let next = 0;
    await Promise.all(
      Array.from({ length: 32 }, async () => {
        for (let number = next++; number < count; number = next++) await client.ask(putOf(`${prefix}${number}`, value));
      }),
    );
  };
  await writes(Number(values.megabytes) * 10, 100_000, "large/");
  await writes(writesAfterwards, 8, "small/");
  const before = await statusOf(leader);
  let longestPauseMs = 0;
  let running = true;
  const writer = (async () => {
    for (let lastMs = performance.now(); running; ) {
      await client.ask(putOf("beside", new Uint8Array(8)));
      const now = performance.now();
      longestPauseMs = Math.max(longestPauseMs, now - lastMs);
      lastMs = now;
      await pause(2);
    }
  })();
  const startedMs = performance.now();
  away.start();
  for (;;) {
    try {
      if ((await statusOf(away)).applied >= before.applied) break;
    } catch {
      // It does not answer yet.
    }
    await pause(20);
  }
  const caughtUpMs = performance.now() - startedMs;
  running = false;
  await writer;
  const after = await statusOf(leader);
  client.close();
  return { caughtUpMs, longestPauseMs, elections: after.term - before.term };
}

const own = await measure(ours);
const anchor = await measure(stock);
const of = `follower back after ${values.megabytes} MB, caught up by a snapshot`;
const row = (what: string, unit: string, field: keyof Figures): void =>
  print({ what: `${of}: ${what}`, unit, ours: own[field], anchor: anchor[field], better: "less" });
row("from its start to caught up", "ms", "caughtUpMs");
row("longest pause of a client's writes meanwhile", "ms", "longestPauseMs");
if (own.elections + anchor.elections > 0) row("elections meanwhile", "terms", "elections");
else process.stderr.write("nobody lost the leader meanwhile\n");
process.exit(0);
