/*
 * One writer and many watchers of what it writes: how long after the put was sent each watcher has its event. Ours and
 * a stock etcd in turns, both alive.
 *
 *     npx tsc -b && node --import tsx test/bench/watchers.ts [--watchers 1000] [--rate 20] [--seconds 5] [--rounds 2]
 */
import type { ClientHttp2Stream } from "node:http2";
import { parseArgs } from "node:util";
import { bytesOfText } from "../../core/index.ts";
import { streamCalls } from "../../core/wire/calls.ts";
import { BenchClient, framed, pause, print, putOf, quantile, type Server } from "./servers.ts";
import { onlyServer, sideBySide } from "./side-by-side.ts";

const { values } = parseArgs({
  options: {
    watchers: { type: "string", default: "1000" },
    rate: { type: "string", default: "20" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "2" },
  },
});
const watchers = Number(values.watchers);
/** Streams share connections, as those of one client process do. */
const streamsPerConnection = 100;

/** A watch stream; `noteEvent` is called at each of its messages but the first, which says that it is created. */
async function watch(client: BenchClient, noteEvent: () => void): Promise<ClientHttp2Stream> {
  const call = streamCalls.watch;
  const stream = client.open(call.path);
  const request = {
    ...{ type: "watchCreate", key: bytesOfText("watched"), rangeEnd: undefined, startRevision: 0, watchId: 0n },
    ...{ progressNotify: false, noPut: false, noDelete: false, prevKv: false, fragment: false },
  } as Parameters<typeof call.encodeRequest>[0];
  stream.write(framed(call.encodeRequest(request)));
  let created = false;
  await new Promise<void>((resolve) => {
    stream.on("data", () => {
      if (created) noteEvent();
      created = true;
      resolve();
    });
  });
  return stream;
}

/** Latencies in milliseconds, one of each event at each watcher. */
async function round(server: Server): Promise<number[]> {
  const clients = Array.from({ length: Math.ceil(watchers / streamsPerConnection) }, () => {
    return new BenchClient(server.clientPort);
  });
  const writer = new BenchClient(server.clientPort);
  const tookMs: number[] = [];
  let sentMs = 0;
  try {
    for (let number = 0; number < watchers; number++) {
      const client = clients[number % clients.length];
      if (client !== undefined) await watch(client, () => tookMs.push(performance.now() - sentMs));
    }
    const puts = Number(values.rate) * Number(values.seconds);
    const startMs = performance.now();
    for (let number = 0; number < puts; number++) {
      await pause(startMs + (number * 1_000) / Number(values.rate) - performance.now());
      // The last put's events have to be there, or its latency would be this one's.
      while (tookMs.length < number * watchers) await pause(1);
      sentMs = performance.now();
      await writer.ask(putOf("watched", new Uint8Array(64)));
    }
    while (tookMs.length < puts * watchers) await pause(1);
    return tookMs;
  } finally {
    for (const client of [...clients, writer]) client.close();
  }
}

await sideBySide(1, [], async (pair) => {
  const rounds = await pair.byTurns(Number(values.rounds), (cluster) => round(onlyServer(cluster)));
  const [own, anchor] = [rounds.own.flat(), rounds.anchor.flat()];
  const what = `one writer at ${values.rate} puts/s, ${watchers} watchers`;
  for (const part of [0.5, 0.99]) {
    const unit = `ms, p${100 * part}`;
    print({ what, unit, ours: quantile(own, part), anchor: quantile(anchor, part), better: "less" });
  }
});
process.exit(0);
