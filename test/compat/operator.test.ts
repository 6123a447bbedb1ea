/*
 * An operator with etcd's own etcdctl 3.4: a full disk and its way back, alarms, defragmentation, locks and elections
 * held by processes that end.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { etcdctl, type RealCluster, spawnEtcdctl, startCluster, until, whyNoEtcdctl } from "../kit/real-members.ts";

const whyNot = whyNoEtcdctl();
const suite = whyNot === undefined ? describe : describe.skip;

suite(`etcdctl 3.4 at work${whyNot === undefined ? "" : `: skipped, ${whyNot}`}`, () => {
  let cluster: RealCluster;
  beforeAll(async () => {
    cluster = await startCluster(1, ["--quota-backend-bytes", "2000000"]);
    await cluster.ready();
  });
  afterAll(() => cluster.close());

  const ctl = async (...args: string[]): Promise<string> => {
    const { stdout, stderr, exitCode } = await etcdctl(cluster.endpoints, args);
    expect([args, exitCode, stderr]).toEqual([args, 0, expect.any(String)]);
    return stdout;
  };
  const lastLine = async (...args: string[]): Promise<string> =>
    (await etcdctl(cluster.endpoints, args)).stderr.trim().split("\n").at(-1) ?? "";
  const dbSize = async (): Promise<number> =>
    JSON.parse(await ctl("endpoint", "status", "-w", "json"))[0].Status.dbSize;
  const big = "x".repeat(100_000);

  test("a full disk refuses writes until it is compacted, defragmented and disarmed", async () => {
    let refusal = "";
    for (let number = 0; number < 60 && refusal === ""; number++) {
      const { exitCode, stderr } = await etcdctl(cluster.endpoints, ["put", "big", big]);
      if (exitCode !== 0) refusal = stderr.trim().split("\n").at(-1) ?? "";
    }
    expect(refusal).toBe("Error: etcdserver: mvcc: database space exceeded");
    expect(await ctl("alarm", "list")).toMatch(/^memberID:\d+ alarm:NOSPACE \n$/);
    expect(await lastLine("put", "small", "1")).toBe(refusal);
    expect(await ctl("get", "big", "--print-value-only")).toBe(`${big}\n`);
    const revision = JSON.parse(await ctl("get", "big", "-w", "json")).header.revision;
    await ctl("compact", String(revision), "--physical");
    const before = await dbSize();
    expect(await ctl("defrag")).toMatch(/^Finished defragmenting etcd member\[/);
    expect(await dbSize()).toBeLessThan(before / 2);
    expect(await lastLine("put", "small", "1")).toBe(refusal);
    expect(await ctl("alarm", "disarm")).toMatch(/^memberID:\d+ alarm:NOSPACE \n$/);
    expect(await ctl("alarm", "list")).toBe("");
    expect(await ctl("put", "small", "1")).toBe("OK\n");
    expect(await ctl("get", "big", "--print-value-only")).toBe(`${big}\n`);
  });

  /** A process of etcdctl that holds something, and what it has printed. */
  const hold = (...args: string[]) => {
    const child = spawnEtcdctl(cluster.endpoints, args);
    let printed = "";
    child.stdout?.on("data", (piece: Buffer) => {
      printed += piece;
    });
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    return {
      lines: () => printed.split("\n").filter((line) => line !== ""),
      release: async () => {
        child.kill("SIGINT");
        await ended;
      },
    };
  };
  const printedBy = (holder: ReturnType<typeof hold>, lines: number) =>
    until(
      () => holder.lines().length >= lines,
      20_000,
      () => `${lines} lines, not ${holder.lines().join("|")}`,
    );

  test("a lock passes from one holder to the next", async () => {
    const first = hold("lock", "room");
    await printedBy(first, 1);
    expect(first.lines()[0]).toMatch(/^room\/[0-9a-f]+$/);
    const second = hold("lock", "room");
    while (JSON.parse(await ctl("get", "room/", "--prefix", "-w", "json")).count !== 2);
    expect(second.lines()).toEqual([]);
    await first.release();
    await printedBy(second, 1);
    expect(second.lines()[0]).not.toBe(first.lines()[0]);
    await second.release();
    expect(await ctl("get", "room/", "--prefix")).toBe("");
    expect(await ctl("lock", "room", "echo", "held")).toContain("held\n");
  });

  test("an election has one leader after the other, and observers hear of both", async () => {
    const first = hold("elect", "chair", "one");
    await printedBy(first, 2);
    expect(first.lines()[1]).toBe("one");
    const observer = hold("elect", "-l", "chair");
    await printedBy(observer, 2);
    const second = hold("elect", "chair", "two");
    while (JSON.parse(await ctl("get", "chair/", "--prefix", "-w", "json")).count !== 2);
    expect(second.lines()).toEqual([]);
    await first.release();
    await printedBy(second, 2);
    await printedBy(observer, 4);
    expect(observer.lines().filter((_line, position) => position % 2 === 1)).toEqual(["one", "two"]);
    await observer.release();
    await second.release();
  });
});
