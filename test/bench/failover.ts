/*
 * How long a client of three members waits for its next acknowledged write when the leader is killed, and when it is
 * asked to end. Ours and a stock etcd in turns, with the same timers, both alive.
 *
 *     npx tsc -b && node --import tsx test/bench/failover.ts [--kills 10] [--ends 5]
 *         [--heartbeat-ms 100] [--election-ms 1000]
 *
 * A client tries one surviving member after the other, each try for at most 100 ms, as fast as they answer; so the
 * figure is the cluster's, not that of a client's patience.
 */
import { parseArgs } from "node:util";
import { BenchClient, type Cluster, healthy, leaderOf, median, pause, print, putOf } from "./servers.ts";
import { sideBySide } from "./side-by-side.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "10" },
    ends: { type: "string", default: "5" },
    "heartbeat-ms": { type: "string", default: "100" },
    "election-ms": { type: "string", default: "1000" },
  },
});
const flags = ["--heartbeat-interval", values["heartbeat-ms"], "--election-timeout", values["election-ms"]];

/** Writes all the time through the members that stay. */
class Writer {
  /** When writes were acknowledged. */
  readonly acknowledgedMs: number[] = [];
  readonly #clients: readonly BenchClient[];
  #running = true;
  readonly #done: Promise<void>;

  constructor(ports: readonly number[]) {
    this.#clients = ports.map((port) => new BenchClient(port));
    this.#done = Promise.all(this.#clients.map((client) => this.#write(client))).then(() => {});
  }

  async #write(client: BenchClient): Promise<void> {
    while (this.#running) {
      try {
        await client.ask(putOf("failover", new Uint8Array(16)), 100);
        this.acknowledgedMs.push(performance.now());
      } catch {
        await pause(1);
      }
      await pause(1);
    }
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
    for (const client of this.#clients) client.close();
  }
}

/** @returns the longest time between two acknowledged writes around the leader's end */
async function pauseAt(cluster: Cluster, signal: "SIGKILL" | "SIGTERM"): Promise<number> {
  const leader = await leaderOf(cluster);
  const survivors = cluster.servers.filter((server) => server !== leader);
  const writer = new Writer(survivors.map((server) => server.clientPort));
  await pause(700);
  const killedMs = performance.now();
  await leader.kill(signal);
  for (;;) {
    await pause(300);
    const after = writer.acknowledgedMs.filter((ms) => ms > killedMs);
    // Long enough behind the end for writes that were under way to be told from those of the next leader.
    if (performance.now() - killedMs > 2_500 && after.length > 100) break;
  }
  await writer.stop();
  const times = [killedMs, ...writer.acknowledgedMs.filter((ms) => ms > killedMs)];
  let longest = 0;
  for (let number = 1; number < times.length; number++) {
    longest = Math.max(longest, (times[number] ?? 0) - (times[number - 1] ?? 0));
  }
  leader.start();
  await healthy(leader);
  return longest;
}

await sideBySide(3, flags, async (pair) => {
  for (const [signal, count] of [["SIGKILL", values.kills] as const, ["SIGTERM", values.ends] as const]) {
    const { own, anchor } = await pair.byTurns(Number(count), (cluster) => pauseAt(cluster, signal));
    const what = `longest pause of writes around the leader's ${signal} (${count} times each)`;
    print({ what, unit: "ms, median", ours: median(own), anchor: median(anchor), better: "less" });
    print({ what, unit: "ms, longest", ours: Math.max(...own), anchor: Math.max(...anchor), better: "less" });
  }
});
process.exit(0);
