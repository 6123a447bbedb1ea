import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stockEtcd, whyNoStockEtcd } from "../chaos/stock-etcd.ts";
import { avoided } from "./avoided.ts";
import { families, runCampaign } from "./campaign.ts";
import { differences, explain } from "./differences.ts";
import { GrpcTarget, ours } from "./grpc-target.ts";
import { Lane } from "./lane.ts";
import { type Plain, printed } from "./messages.ts";
import { Session } from "./session.ts";
import type { Sequence, Step } from "./steps.ts";

/** For each hundredth of a family's share: enough to meet every kind of request; `long.ts` goes on from here. */
const requestsPerShare = 8;
const seed = 20_261_120;

const call = (method: string, request: Plain): Step => ({ do: "call", method, request });
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
    const requests = requestsPerShare * family.share;
    const result = await runCampaign({ lane, seed, requests, families: [family] });
    expect(result.failure).toBeUndefined();
    expect(result.requests).toBeGreaterThanOrEqual(requests);
  });
});

suite(`leases that end by themselves${reason}`, () => {
  test("take their keys in one revision, tell watchers, and are unknown afterwards, at all three alike", async () => {
    if (stockEtcd.kind !== "etcd") throw new Error("the stock etcd is a program here");
    const lane = await Lane.start({ stock: stockEtcd.binary, members: 3, seed });
    try {
      const put = (key: string, lease: number) => call("Put", { key, value: "v", lease });
      const sequence: Sequence = [
        [
          call("LeaseGrant", { ID: 21, TTL: 2 }),
          call("LeaseGrant", { ID: 22, TTL: 1_000 }),
          ...[put("b", 21), put("a", 21), put("c", 22), put("d", 21), put("d", 0)],
          { do: "watch", stream: 0, request: { key: "a", rangeEnd: "z", prevKv: true } },
          { do: "keepAlive", leases: [21, 22, 23] },
          { do: "pass", ms: 6_000 },
          call("Range", { key: "a", rangeEnd: "z" }),
          call("LeaseLeases", {}),
          { do: "keepAlive", leases: [21] },
          call("LeaseTimeToLive", { ID: 21, keys: true }),
          call("LeaseTimeToLive", { ID: 22, keys: true }),
          call("LeaseRevoke", { ID: 21 }),
          put("a", 21),
          call("LeaseGrant", { ID: 21, TTL: 1_000 }),
        ],
      ];
      expect((await lane.compare(sequence)).unexplained).toBeUndefined();
    } finally {
      await lane.close();
    }
  });
});

suite(`what sequences of a campaign do not reach${reason}`, () => {
  let process: GrpcTarget;
  let stock: GrpcTarget;
  beforeAll(async () => {
    if (stockEtcd.kind !== "etcd") throw new Error("the stock etcd is a program here");
    process = await GrpcTarget.start(ours);
    stock = await GrpcTarget.start(stockEtcd.binary);
  });
  afterAll(async () => {
    await process?.close();
    await stock?.close();
  });

  // First: nothing was written or compacted yet.
  test("a store that was never compacted answers alike", async () => {
    const sequence: Sequence = [
      [
        call("HashKV", {}),
        call("Range", { key: "a", revision: -1 }),
        call("Range", { key: "a", revision: 2 }),
        call("Put", { key: "a", value: "1" }),
        call("HashKV", { revision: 2 }),
        call("HashKV", { revision: 3 }),
        call("Range", { key: "a", revision: 1 }),
        call("Txn", { success: [{ requestRange: { key: "a", revision: -1 } }, { requestPut: { key: "b" } }] }),
        call("Compact", { revision: -1 }),
        call("Compact", { revision: 0 }),
        call("Compact", { revision: 0 }),
        call("Txn", { success: [{ requestRange: { key: "a", revision: -1 } }, { requestPut: { key: "c" } }] }),
        call("Range", { key: "a", revision: -1 }),
        call("Compact", { revision: 3, physical: true }),
        call("HashKV", {}),
        call("Compact", { revision: 4 }),
      ],
    ];
    const [own, other] = [await new Session(process).runSteps(sequence), await new Session(stock).runSteps(sequence)];
    const differing = own.filter((seen, position) => {
      const beside = other[position];
      return beside === undefined || explain(seen, beside) === undefined;
    });
    expect(differing.map((seen) => `${printed(seen)} but ${printed(other[own.indexOf(seen)])}`)).toEqual([]);
    expect(other).toHaveLength(own.length);
  });

  test.each(avoided)("still differs: $name", async (entry) => {
    const number = entry.sequence.flat().length;
    const lastOf = async (target: GrpcTarget): Promise<string> => {
      const session = new Session(target);
      await session.reset({ cleanly: false });
      const seen = await session.runSteps(entry.sequence);
      return printed(seen.find(({ step }) => step.startsWith(`${number} `)));
    };
    expect(await lastOf(process)).toContain(entry.ours);
    expect(await lastOf(stock)).toContain(entry.stock);
    if (entry.stockDies) await stock.restart();
  });
});

test("every written difference has a name of its own and a reason", () => {
  const written = [...differences, ...avoided];
  expect(new Set(written.map(({ name }) => name)).size).toBe(written.length);
  for (const { reason: why } of written) expect(why.length).toBeGreaterThan(20);
});
