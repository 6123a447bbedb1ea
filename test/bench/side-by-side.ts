/*
 * Ours and a stock etcd in one run: both alive at once and measured by turns, so that whatever else the machine does meets
 * both. Not here: what a server is, and how it is called (servers.ts).
 */
import { type Cluster, ours, type Server, startCluster, stock } from "./servers.ts";

/** What was found at each, in the order of the rounds. */
export interface Found<Figure> {
  readonly own: readonly Figure[];
  readonly anchor: readonly Figure[];
}

export interface Pair {
  /** Does it at ours, then at the other. */
  each(body: (cluster: Cluster) => Promise<void>): Promise<void>;
  /** Measures so many times: ours, the other, ours, … */
  byTurns<Figure>(rounds: number, measure: (cluster: Cluster) => Promise<Figure>): Promise<Found<Figure>>;
}

/** @param flags beyond those of every cluster, the same for all members of both */
export async function sideBySide(
  members: number,
  flags: readonly string[],
  body: (pair: Pair) => Promise<void>,
): Promise<void> {
  const clusters: Cluster[] = [];
  try {
    for (const target of [ours, stock]) clusters.push(await startCluster(target, members, flags));
    await body({
      async each(visit) {
        for (const cluster of clusters) await visit(cluster);
      },
      async byTurns<Figure>(rounds: number, measure: (cluster: Cluster) => Promise<Figure>) {
        const found = { own: [] as Figure[], anchor: [] as Figure[] };
        for (let round = 0; round < rounds; round++) {
          for (const cluster of clusters) {
            const side = cluster.target === ours ? found.own : found.anchor;
            side.push(await measure(cluster));
          }
        }
        return found;
      },
    });
  } finally {
    for (const cluster of clusters) await cluster.close();
  }
}

/** The server of a cluster of one. */
export function onlyServer({ servers }: Cluster): Server {
  const [server] = servers;
  if (server === undefined || servers.length !== 1) throw new Error(`there are ${servers.length} members, not one`);
  return server;
}
