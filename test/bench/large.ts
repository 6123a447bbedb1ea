/*
 * A large history: memory with many revisions, and how long a member takes from SIGKILL to its first acknowledged put,
 * with a log cut short by its snapshots (with all of it in the log: recovery.ts). Ours and a stock etcd, each filled by one
 * put for each revision; then their starts in turns.
 *
 *     npx tsc -b && node --import tsx test/bench/large.ts [--revisions 1000000] [--keys 100000] [--value 256]
 *         [--restarts 3]
 *
 * --keys: how many different keys the revisions go to.
 */
import { parseArgs } from "node:util";
import {
  fillFast,
  firstAnswer,
  historyFlags,
  median,
  pause,
  print,
  putOf,
  residentMb,
  type Server,
} from "./servers.ts";
import { onlyServer, sideBySide } from "./side-by-side.ts";

const { values } = parseArgs({ options: historyFlags });
const revisions = Number(values.revisions);

interface Start {
  readonly firstPutMs: number;
  readonly residentMb: number;
}

async function startOf(server: Server): Promise<Start> {
  await server.kill("SIGKILL");
  const killedMs = performance.now();
  server.start();
  await firstAnswer(server.clientPort, putOf("first", new Uint8Array(8)));
  return { firstPutMs: performance.now() - killedMs, residentMb: residentMb(server) };
}

await sideBySide(1, ["--quota-backend-bytes", "8000000000"], async (pair) => {
  const emptyMb = await pair.byTurns(1, async (cluster) => residentMb(onlyServer(cluster)));
  const filledMb = await pair.byTurns(1, async (cluster) => {
    const server = onlyServer(cluster);
    await fillFast(server.clientPort, values);
    await pause(1_000);
    return residentMb(server);
  });
  const starts = await pair.byTurns(Number(values.restarts), (cluster) => startOf(onlyServer(cluster)));
  const row = (what: string, unit: string, own: readonly number[], anchor: readonly number[]): void =>
    print({ what, unit, ours: median(own), anchor: median(anchor), better: "less" });
  const ofStarts = (what: string, unit: string, field: keyof Start): void => {
    const [own, anchor] = [starts.own, starts.anchor].map((side) => side.map((each) => each[field]));
    row(what, unit, own ?? [], anchor ?? []);
  };
  const of = `${revisions.toLocaleString("en")} revisions of ${Number(values.keys).toLocaleString("en")} keys, ${values.value} bytes`;
  row("memory, empty", "MB", emptyMb.own, emptyMb.anchor);
  row(`memory, ${of}`, "MB", filledMb.own, filledMb.anchor);
  ofStarts(`SIGKILL to first put, ${of}`, "ms, median", "firstPutMs");
  ofStarts(`memory after such a restart, ${of}`, "MB, median", "residentMb");
});
process.exit(0);
