/*
 * etcdctl's checks of a cluster: the load they make, what they say of it, and that nothing is left behind.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { checkDataScale, checkPerf, perfVerdict } from "../../chaos/ctl/etcdctl/checks.ts";
import { newTransport } from "../../chaos/ctl/etcdctl/global-flags.ts";
import { runLoad, statisticsOf } from "../../chaos/ctl/etcdctl/load.ts";
import { rangeOf } from "../../chaos/ctl/etcdctl/operands.ts";
import { Session } from "../../chaos/ctl/etcdctl/session.ts";
import { KV } from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { type RealCluster, startCluster } from "../kit/real-members.ts";

const never = new AbortController().signal;
const key = () => new Uint8Array([1]);

describe("a load", () => {
  test("has one write under way for each client and stops at its number of writes", async () => {
    let underWay = 0;
    let most = 0;
    const put = async (): Promise<undefined> => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= 1;
    };
    const clients = [put, put, put];
    const result = await runLoad({
      clients,
      writesPerSecond: undefined,
      writesMax: 50,
      keyOf: key,
      valueBytes: 1,
      signal: never,
    });
    expect([result.writes, most, result.errors.size]).toEqual([50, 3, 0]);
  });

  test("counts errors by their text and ends when it is interrupted", async () => {
    const stop = new AbortController();
    let count = 0;
    const put = async (): Promise<string | undefined> => {
      if (++count === 10) stop.abort();
      return count % 2 === 0 ? "etcdserver: too many requests" : undefined;
    };
    const result = await runLoad({
      clients: [put],
      writesPerSecond: undefined,
      keyOf: key,
      valueBytes: 1,
      signal: stop.signal,
    });
    expect(result.writes).toBe(5);
    expect([...result.errors]).toEqual([["etcdserver: too many requests", 5]]);
  });

  test("is summed up as rate, slowest write and deviation", () => {
    expect(statisticsOf([0.1, 0.3], 2)).toEqual({
      writes: 2,
      writesPerSecond: 1,
      slowestSeconds: 0.3,
      deviationSeconds: expect.closeTo(0.1, 9),
    });
    expect(statisticsOf([], 1)).toEqual({ writes: 0, writesPerSecond: 0, slowestSeconds: 0, deviationSeconds: 0 });
  });
});

describe("the verdict", () => {
  const good = { writes: 9_000, writesPerSecond: 150, slowestSeconds: 0.1, deviationSeconds: 0.01, errors: new Map() };
  test("passes what is quick, prompt and even", () => {
    expect(perfVerdict(good, 150)).toEqual({
      passed: true,
      lines: [
        "PASS: Throughput is 150 writes/s",
        "PASS: Slowest request took 0.100000s",
        "PASS: Stddev is 0.010000s",
        "PASS",
      ],
    });
  });
  test.each([
    [{ writesPerSecond: 135 }, "FAIL: Throughput too low: 135 writes/s"],
    [{ slowestSeconds: 0.51 }, "Slowest request took too long: 0.510000s"],
    [{ deviationSeconds: 0.2 }, "Stddev too high: 0.200000s"],
    [{ errors: new Map([["x", 2]]) }, "FAIL: ERROR(x) -> 2"],
  ])("fails by %o", (bad, line) => {
    const { passed, lines } = perfVerdict({ ...good, ...bad }, 150);
    expect(passed).toBe(false);
    expect(lines).toContain(line);
    expect(lines.at(-1)).toBe("FAIL");
  });
});

describe("on a member", () => {
  let cluster: RealCluster;
  let session: Session;
  beforeAll(async () => {
    cluster = await startCluster(1);
    await cluster.ready();
    session = new Session(
      { endpoints: cluster.endpoints.split(","), writeOut: "simple", commandTimeout: 5_000 },
      newTransport({}),
    );
  });
  afterAll(async () => {
    session.close();
    await cluster.close();
  });

  const said = async (check: () => Promise<number>): Promise<{ readonly code: number; readonly text: string }> => {
    let text = "";
    vi.spyOn(process.stdout, "write").mockImplementation((piece) => {
      text += piece;
      return true;
    });
    try {
      return { code: await check(), text };
    } finally {
      vi.restoreAllMocks();
    }
  };
  const keysThere = async (): Promise<string[]> => {
    const { message } = await session.call(KV.method.range, rangeOf("/check/", undefined, { prefix: true }));
    return message.kvs.map((each) => Buffer.from(each.key).toString());
  };
  const flags = { load: "s", prefix: "/check/", autoCompact: true, autoDefrag: true };

  test("check perf judges what it saw and cleans up", async () => {
    const { text } = await said(() => checkPerf(session, flags, { writesPerSecond: 50, clients: 5 }, 1));
    expect(text).toMatch(
      /^Compacting with revision (\d+)\nCompacted with revision \1\nDefragmenting ".*"\nDefragmented ".*"\n(PASS|FAIL): Throughput /,
    );
    expect(text).not.toContain("too many errors");
    expect(text).toMatch(/\n(PASS|FAIL)\n$/);
    expect(await keysThere()).toEqual([]);
  });

  test("check datascale reads the member's memory and cleans up", async () => {
    const { code, text } = await said(() => checkDataScale(session, flags, { keys: 200, clients: 5 }));
    expect([code, text]).toEqual([
      0,
      expect.stringMatching(/\nPASS: Approximate system memory used : \d+\.\d\d MB\.\n$/),
    ]);
    expect(await keysThere()).toEqual([]);
  });

  test("a prefix that holds keys is left alone", async () => {
    await session.call(KV.method.put, { key: Buffer.from("/check/mine") });
    await expect(checkPerf(session, flags, { writesPerSecond: 50, clients: 5 }, 1)).rejects.toMatchObject({
      message: 'prefix "/check/" has keys. Delete with etcdctl del --prefix /check/ first',
      exitCode: 3,
    });
    expect(await keysThere()).toEqual(["/check/mine"]);
  });
});
