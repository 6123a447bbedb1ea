import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { Cluster } from "../../chaos/cluster.ts";
import { endpointsFrom } from "../../chaos/ctl/etcdctl/srv-endpoints.ts";
import { asTyped } from "../../chaos/ctl/etcdctl/typed.ts";
import { run } from "../../chaos/ctl/etcdctl.ts";
import { seededRandom } from "../../chaos/member/random.ts";
import { printedBy } from "../kit/printed.ts";
import { stockEtcd, whyNoStockEtcd } from "./stock-etcd.ts";

let endpoint = "127.0.0.1:1";
afterEach(() => vi.restoreAllMocks());

/** Runs one command, standard output and error caught. */
const ctl = (...args: string[]) => printedBy(() => run(["--endpoints", endpoint, ...args]));

test("a server that is not there is waited for until the command's time is over", async () => {
  expect(await ctl("get", "k", "--command-timeout=400ms")).toEqual({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(
      /^(nothing listens at|no answer from) 127\.0\.0\.1:1; tried for 0\.4s\nError: context deadline exceeded\n$/,
    ),
  });
});

describe("wrong usage", () => {
  const wrong = async (...args: string[]): Promise<readonly [number, string]> => {
    const { code, stdout, stderr } = await ctl(...args);
    expect(stdout).toBe("");
    return [code, stderr.split("\n")[0] ?? ""];
  };

  test("has etcdctl's words and exit codes", async () => {
    expect(await wrong("frob")).toEqual([1, 'Error: unknown command "frob" for "etcdctl"']);
    expect(await wrong("member", "frob")).toEqual([1, 'Error: unknown command "frob" for "etcdctl member"']);
    expect(await wrong("get", "a", "--frob")).toEqual([1, "Error: unknown flag: --frob"]);
    expect(await wrong("get", "a", "--limit")).toEqual([1, "Error: flag needs an argument: --limit"]);
    expect(await wrong("get")).toEqual([128, "Error: get command needs <key> [range_end]: key is missing"]);
    expect(await wrong("lease", "list", "x")).toEqual([128, "Error: lease list command takes no arguments"]);
    const [code, text] = await wrong("-w", "yaml", "get", "a");
    expect([code, text]).toEqual([4, expect.stringContaining('unsupported output format "yaml"')]);
    expect(await wrong("get", "a", "--prefix=maybe")).toEqual([1, expect.stringContaining('"maybe" for "--prefix"')]);
  });

  test("a verb of API v2 is answered with what does the same today", async () => {
    const { code, stderr } = await ctl("ls", "/");
    expect([code, stderr.split("\n")[1]]).toEqual([
      1,
      '"ls" is a verb of API v2, which is gone; use get --prefix --keys-only KEY',
    ]);
  });

  test("a verb or flag that went to etcdutl is answered with where it went", async () => {
    const second = async (...args: string[]): Promise<string> => (await ctl(...args)).stderr.split("\n")[1] ?? "";
    expect(await second("snapshot", "restore", "f")).toBe(
      "It is a verb of etcdutl now: etcdutl snapshot restore FILE --data-dir DIRECTORY",
    );
    expect(await second("defrag", "--data-dir", "d")).toBe("For a member that does not run: etcdutl defrag --data-dir");
  });

  test("a verb that only leads to others explains itself, which is no error", async () => {
    for (const args of [["member"], ["lease"], ["check"]]) {
      expect(await ctl(...args)).toMatchObject({ code: 0, stdout: expect.stringContaining("Commands:"), stderr: "" });
    }
  });
});

test("wrong usage is refused by what is wrong, exit code 128", async () => {
  expect(await ctl("get", "--prefix", "--from-key", "k")).toMatchObject({ code: 128, stdout: "" });
  expect((await ctl("put", "k", "v", "--lease", "xyz")).stderr).toContain("bad lease ID (xyz), expecting ID in Hex");
});

describe("what was typed", () => {
  const program = new Command("etcdctl").option("--hex <bool>", "").option("-w, --write-out <format>", "");
  program.command("get").argument("<key>").option("--prefix", "").option("--limit <n>", "");
  const lease = program.command("lease");
  lease.command("grant").argument("<ttl>");
  lease.command("list");
  const typed = (line: string): string => asTyped(program, line.split(" ")).argv.join(" ");

  test("is a verb by any beginning of it, operands as they are", () => {
    expect(typed("g lease")).toBe("get lease");
    expect(typed("lease gr 10")).toBe("lease grant 10");
    expect(typed("le li")).toBe("lease list");
    expect(typed("--write-out g get g")).toBe("--write-out g get g");
  });

  test("is a switch with a value or without", () => {
    expect(typed("get a --prefix=true")).toBe("get a --prefix");
    expect(typed("get a --prefix=false")).toBe("get a");
    expect(typed("--hex get a")).toBe("--hex=true get a");
    expect(typed("get a --hex=false -w=json")).toBe("get a --hex=false --write-out=json");
    expect(typed("get -- --prefix=true")).toBe("get -- --prefix=true");
  });
});

describe("completion", () => {
  test("a bash script completes verbs, verbs below verbs, and flags", async () => {
    const { code, stdout: script } = await ctl("completion", "bash");
    expect(code).toBe(0);
    const completed = (...words: string[]): string[] => {
      const asked = `COMP_WORDS=(etcdctl ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}`;
      const shell = spawnSync("bash", ["-c", `${script}\n${asked}\n_etcdctl\nprintf '%s\\n' "\${COMPREPLY[@]}"`]);
      return `${shell.stdout}`.trim().split("\n");
    };
    expect(completed("me")).toEqual(["member"]);
    expect(completed("member", "")).toEqual(expect.arrayContaining(["list", "add", "remove", "update", "promote"]));
    expect(completed("--endpoints", "x:1", "get", "--print")).toEqual(["--print-value-only"]);
    expect(completed("endpoint", "status", "--write")).toEqual(["--write-out"]);
  });

  test.each(["zsh", "fish", "powershell"])("a script for %s names every verb", async (shell) => {
    const { code, stdout } = await ctl("completion", shell);
    expect(code).toBe(0);
    for (const verb of ["get", "member", "promote", "keep-alive", "datascale"]) expect(stdout).toContain(verb);
  });
});

test("end points come from SRV records, in plain text unless that is refused", async () => {
  const dns = {
    addressesOf: async () => [],
    resolveSrv: async (name: string) => {
      if (name !== "_etcd-client-blue._tcp.example.org") throw new Error(`no ${name}`);
      return [{ name: "a.example.org.", port: 2379 }];
    },
  };
  const flags = {
    endpoints: [],
    discoverySrv: "example.org",
    discoverySrvName: "blue",
    insecureDiscovery: "true",
  };
  expect(await endpointsFrom(flags, dns)).toEqual(["http://a.example.org:2379"]);
  await expect(endpointsFrom({ ...flags, insecureDiscovery: "false" }, dns)).rejects.toThrow(
    /names end points without TLS/,
  );
  await expect(endpointsFrom({ ...flags, discoverySrvName: "" }, dns)).rejects.toThrow(/no end points from/);
});

test("an empty variable counts as absent, and one switches off what it says", async () => {
  vi.stubEnv("ETCDCTL_CACERT", "");
  vi.stubEnv("ETCDCTL_HEX", "false");
  const { code, stderr } = await ctl("get", "k", "--command-timeout=1ms", "--debug");
  vi.unstubAllEnvs();
  expect([code, stderr]).toEqual([1, expect.stringContaining("ETCDCTL_HEX=false\n")]);
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
