import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { Cluster } from "../../chaos/cluster.ts";
import { run } from "../../chaos/ctl/etcdctl.ts";
import { seededRandom } from "../../chaos/member/random.ts";
import { stockEtcd, whyNoStockEtcd } from "./stock-etcd.ts";

let endpoint = "127.0.0.1:1";
afterEach(() => vi.restoreAllMocks());

/** Runs one command, standard output and error caught. */
async function ctl(
  ...args: string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  let stdout = "";
  let stderr = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    stdout += text;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    stderr += text;
    return true;
  });
  const code = await run(["--endpoints", endpoint, ...args]);
  vi.restoreAllMocks();
  return { code, stdout, stderr };
}

test("a server that is not there is an error on standard error, exit code 1", async () => {
  expect(await ctl("get", "k")).toEqual({ code: 1, stdout: "", stderr: "Error: connection refused\n" });
});

test("wrong usage is refused by what is wrong, exit code 128", async () => {
  expect(await ctl("get", "--prefix", "--from-key", "k")).toMatchObject({ code: 128, stdout: "" });
  expect((await ctl("put", "k", "v", "--lease", "xyz")).stderr).toContain("bad lease ID (xyz), expecting ID in Hex");
});

describe.skipIf(whyNoStockEtcd !== undefined)(`on a stock etcd ${whyNoStockEtcd ?? ""}`, () => {
  let cluster: Cluster;
  let logs: string;
  beforeAll(async () => {
    logs = mkdtempSync(join(tmpdir(), "faultline-ctl-"));
    cluster = await Cluster.open({
      planned: [{ name: "n1", config: {}, clockOffsetMs: 0, clockDriftPpm: 0 }],
      target: stockEtcd,
      random: seededRandom("ctl-test"),
      logFileOf: (member) => join(logs, `${member}.log`),
      onEnd: () => undefined,
      signal: new AbortController().signal,
    });
    endpoint = cluster.processes?.addresses[0]?.clientUrl.replace("http://", "") ?? "";
  });
  afterAll(async () => {
    await cluster?.close();
    rmSync(logs, { recursive: true });
  });

  test("put, get and del print what etcdctl prints", async () => {
    const said = async (...args: string[]) => (await ctl(...args)).stdout;
    expect(await said("put", "a", "1")).toBe("OK\n");
    expect(await said("put", "a", "2", "--prev-kv")).toBe("OK\na\n1\n");
    expect(await said("put", "ab", "3")).toBe("OK\n");
    expect(await said("put", "b", "4")).toBe("OK\n");
    expect(await said("get", "a")).toBe("a\n2\n");
    expect(await said("get", "--prefix", "a")).toBe("a\n2\nab\n3\n");
    expect(await said("get", "ab", "--from-key", "--keys-only")).toBe("ab\n\nb\n\n");
    expect(await said("get", "a", "b", "--print-value-only", "--limit", "1")).toBe("2\n");
    expect(await said("get", "a", "--rev", "2")).toBe("a\n1\n");
    expect(await said("del", "--prefix", "a", "--prev-kv")).toBe("2\na\n2\nab\n3\n");
    expect(await said("get", "a")).toBe("");
  });

  test("a refusal of the server is its text, exit code 1", async () => {
    expect(await ctl("get", "a", "--rev", "9999")).toEqual({
      code: 1,
      stdout: "",
      stderr: "Error: etcdserver: mvcc: required revision is a future revision\n",
    });
  });

  test("members and endpoints, a line each", async () => {
    expect((await ctl("member", "list")).stdout).toMatch(
      /^[0-9a-f]+, started, n1, http:\/\/\S+, http:\/\/\S+, false\n$/,
    );
    const [status] = (await ctl("endpoint", "status")).stdout.split("\n");
    expect(status).toMatch(
      /^127\.0\.0\.1:\d+, [0-9a-f]+, 3\.\d+\.\d+, , \d+ kB, \d+ kB, \d+%, 0 B, true, false, \d+, \d+, \d+, , , false$/,
    );
    expect((await ctl("endpoint", "health")).stdout).toMatch(/ is healthy: successfully committed proposal: took = /);
  });
});
