/*
 * Watches that begin far in the past: how long until they have come to the present, and how long the longest put took
 * meanwhile. Some want one key, which was written and deleted last, some want everything, or every delete. Ours and a
 * stock etcd in turns, both alive.
 *
 *     npx tsc -b && node --import tsx test/bench/late-watch.ts [--revisions 200000] [--watchers 100] [--rounds 3]
 */
import { parseArgs } from "node:util";
import { bytesOfText } from "../../core/index.ts";
import { streamCalls } from "../../core/wire/calls.ts";
import { BenchClient, fillFast, framed, median, pause, print, putOf, type Server } from "./servers.ts";
import { onlyServer, sideBySide } from "./side-by-side.ts";

const { values } = parseArgs({
  options: {
    revisions: { type: "string", default: "200000" },
    watchers: { type: "string", default: "100" },
    rounds: { type: "string", default: "3" },
  },
});
const lastKey = "the last of all keys";

interface Kind {
  readonly what: string;
  readonly watchers: number;
  readonly key: string;
  readonly rangeEnd: string | undefined;
  readonly noPut?: boolean;
}

const kinds: readonly Kind[] = [
  { what: "a watch of one key", watchers: 1, key: lastKey, rangeEnd: undefined },
  {
    what: `${values.watchers} watches of one key`,
    watchers: Number(values.watchers),
    key: lastKey,
    rangeEnd: undefined,
  },
  { what: "a watch of everything", watchers: 1, key: "\0", rangeEnd: "\0" },
  { what: "a watch of all deletes", watchers: 1, key: "\0", rangeEnd: "\0", noPut: true },
];

/** Resolves when the event of the last key has come. */
async function watch(client: BenchClient, { key, rangeEnd, noPut = false }: Kind): Promise<void> {
  const call = streamCalls.watch;
  const stream = client.open(call.path);
  const request = {
    ...{ type: "watchCreate", key: bytesOfText(key), startRevision: 1, watchId: 0n },
    rangeEnd: rangeEnd === undefined ? undefined : bytesOfText(rangeEnd),
    ...{ progressNotify: false, noPut, noDelete: false, prevKv: false, fragment: false },
  } as Parameters<typeof call.encodeRequest>[0];
  stream.write(framed(call.encodeRequest(request)));
  await new Promise<void>((resolve, reject) => {
    let end = Buffer.alloc(0);
    stream.on("error", reject);
    stream.on("data", (piece: Buffer) => {
      const seen = Buffer.concat([end, piece]);
      end = seen.subarray(-lastKey.length);
      if (seen.includes(lastKey)) resolve();
    });
  });
  stream.close();
}

/** Puts one after the other until it is told to end. */
async function longestPut(client: BenchClient, isOver: () => boolean): Promise<number> {
  let longestMs = 0;
  while (!isOver()) {
    const startMs = performance.now();
    await client.ask(putOf("meanwhile", new Uint8Array(64)), 60_000);
    longestMs = Math.max(longestMs, performance.now() - startMs);
    await pause(5);
  }
  return longestMs;
}

async function round(server: Server, kind: Kind): Promise<{ readonly tookMs: number; readonly longestPutMs: number }> {
  const [watching, writing] = [new BenchClient(server.clientPort), new BenchClient(server.clientPort)];
  try {
    let isOver = false;
    const put = longestPut(writing, () => isOver);
    const startMs = performance.now();
    await Promise.all(Array.from({ length: kind.watchers }, () => watch(watching, kind)));
    const tookMs = performance.now() - startMs;
    isOver = true;
    return { tookMs, longestPutMs: await put };
  } finally {
    watching.close();
    writing.close();
  }
}

await sideBySide(1, [], async (pair) => {
  await pair.each(async (cluster) => {
    const { clientPort } = onlyServer(cluster);
    await fillFast(clientPort, { revisions: values.revisions, keys: "20000", value: "64" });
    const client = new BenchClient(clientPort);
    const key = bytesOfText(lastKey);
    await client.ask(putOf(lastKey, new Uint8Array(64)));
    await client.ask({ type: "deleteRange", key, rangeEnd: undefined, prevKv: false });
    client.close();
  });
  for (const kind of kinds) {
    const rounds = await pair.byTurns(Number(values.rounds), (cluster) => round(onlyServer(cluster), kind));
    for (const [unit, figure] of [
      [`ms to come from ${values.revisions} revisions ago`, "tookMs"],
      ["ms, longest put meanwhile", "longestPutMs"],
    ] as const) {
      const [own, anchor] = [rounds.own, rounds.anchor].map((each) => median(each.map((found) => found[figure])));
      if (own === undefined || anchor === undefined) throw new Error("no round was made");
      print({ what: kind.what, unit, ours: own, anchor, better: "less" });
    }
  }
});
process.exit(0);
