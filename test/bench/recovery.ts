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
import { cpuMs, fillFast, firstAnswer, historyFlags, median, print, residentMb, type Server } from "./servers.ts";
import { onlyServer, sideBySide } from "./side-by-side.ts";

const { values } = parseArgs({ options: historyFlags });

interface Start {
  readonly firstReadMs: number;
  readonly cpuMs: number;
  readonly residentMb: number;
}

async function startOf(server: Server): Promise<Start> {
  const startedMs = performance.now();
  server.start();
  await firstAnswer(server.clientPort, rangeOf("first"));
  const firstReadMs = performance.now() - startedMs;
  const start = { firstReadMs, cpuMs: cpuMs(server), residentMb: residentMb(server) };
  await server.kill("SIGKILL");
  return start;
}

const flags = ["--quota-backend-bytes", "8000000000", "--snapshot-count", String(2 * Number(values.revisions))];
await sideBySide(1, flags, async (pair) => {
  await pair.each(async (cluster) => {
    const server = onlyServer(cluster);
    await fillFast(server.clientPort, values);
    await server.kill("SIGKILL");
  });
  const { own, anchor } = await pair.byTurns(Number(values.restarts), (cluster) => startOf(onlyServer(cluster)));
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
});
process.exit(0);
