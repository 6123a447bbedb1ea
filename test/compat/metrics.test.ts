/*
 * Dashboards made for etcd: every metric a stock etcd shows is shown by a member too, as the same type, with the same
 * labels, and as a histogram with the same bounds.
 */
import { expect, test } from "vitest";
import { stockEtcd, whyNoStockEtcd } from "../chaos/stock-etcd.ts";
import { startCluster } from "../kit/real-members.ts";

/** Of the Go runtime, which is not here. */
const isRuntimes = (name: string): boolean => name.startsWith("go_");

interface Shown {
  readonly type: string;
  /** Names of labels of its samples, `le` left out; empty when it has no sample. */
  readonly labels: Set<string>;
  readonly bounds: Set<string>;
}

function metricsOf(text: string): Map<string, Shown> {
  const metrics = new Map<string, Shown>();
  let last: Shown | undefined;
  for (const line of text.split("\n")) {
    const head = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (head !== null) {
      last = { type: head[2] ?? "", labels: new Set(), bounds: new Set() };
      metrics.set(head[1] ?? "", last);
    } else if (!line.startsWith("#")) {
      for (const [, name = "", value = ""] of line.matchAll(/[{,](\w+)="([^"]*)"/g)) {
        if (name === "le") last?.bounds.add(value === "+Inf" ? value : Number(value).toPrecision(6));
        else last?.labels.add(name);
      }
    }
  }
  return metrics;
}

const suite = whyNoStockEtcd === undefined ? test : test.skip;
suite(`every metric of a stock etcd is there, of its type, with its labels and bounds${whyNoStockEtcd === undefined ? "" : `: skipped, ${whyNoStockEtcd}`}`, {
  timeout: 60_000,
}, async () => {
  if (stockEtcd.kind !== "etcd") throw new Error("the stock etcd is a program here");
  const flags = ["--metrics=extensive"];
  const clusters = [await startCluster(1, flags), await startCluster(1, flags, { etcd: stockEtcd.binary })];
  try {
    const [ours = new Map<string, Shown>(), stock = new Map<string, Shown>()] = await Promise.all(
      clusters.map(async (cluster) => {
        await cluster.ready();
        return metricsOf(await (await fetch(`http://127.0.0.1:${cluster.clientPorts[0]}/metrics`)).text());
      }),
    );
    const missing: string[] = [];
    for (const [name, theirs] of stock) {
      if (isRuntimes(name)) continue;
      const own = ours.get(name);
      if (own?.type !== theirs.type) missing.push(`${name}: ${theirs.type}, here ${own?.type}`);
      else if (own.labels.size > 0 && [...theirs.labels].sort().join() !== [...own.labels].sort().join()) {
        missing.push(`${name}: labels ${[...theirs.labels]}, here ${[...own.labels]}`);
      } else if (
        own.bounds.size > 0 &&
        theirs.bounds.size > 0 &&
        [...theirs.bounds].join() !== [...own.bounds].join()
      ) {
        missing.push(`${name}: bounds ${[...theirs.bounds]}, here ${[...own.bounds]}`);
      }
    }
    expect(missing).toEqual([]);
    expect(stock.size).toBeGreaterThan(100);
  } finally {
    for (const cluster of clusters) await cluster.close();
  }
});
