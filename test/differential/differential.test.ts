import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stockEtcd, whyNoStockEtcd } from "../chaos/stock-etcd.ts";
import { families, runCampaign } from "./campaign.ts";
import { differences } from "./differences.ts";
import { Lane } from "./lane.ts";

/** Enough to meet every kind of request; `long.ts` goes on from here. */
const requests = 600;
const seed = 20_261_120;

const suite = whyNoStockEtcd === undefined ? describe : describe.skip;
const reason = whyNoStockEtcd === undefined ? "" : `: skipped, ${whyNoStockEtcd}`;

suite(`our core, our process and a stock etcd answer alike (seed ${seed})${reason}`, () => {
  let lane: Lane;
  beforeAll(async () => {
    if (stockEtcd.kind !== "etcd") throw new Error("the stock etcd is a program here");
    lane = await Lane.start({ stock: stockEtcd.binary, members: 3, seed });
  });
  afterAll(() => lane?.close());

  test.each(families)("to sequences of family $name", async (family) => {
    const result = await runCampaign({ lane, seed, requests, families: [family] });
    expect(result.failure).toBeUndefined();
    expect(result.requests).toBeGreaterThanOrEqual(requests);
  });
});

test("every written difference has a name of its own and a reason", () => {
  expect(new Set(differences.map(({ name }) => name)).size).toBe(differences.length);
  for (const { reason: why } of differences) expect(why.length).toBeGreaterThan(20);
});
