/*
 * Every verb of etcd's own etcdctl 3.4, typed once against a cluster of ours and once against a cluster of stock etcd:
 * what is printed, on both outputs, and the exit code are the same, save what no two clusters share (ids, ports, times,
 * sizes). The last test holds the list against etcdctl's own --help, so that no verb is forgotten.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stockEtcd, whyNoStockEtcd } from "../chaos/stock-etcd.ts";
import { builtProgram } from "../kit/build.ts";
import { type CtlResult, type RealCluster, spawnEtcdctl, startCluster, whyNoEtcdctl } from "../kit/real-members.ts";

const whyNot = whyNoEtcdctl() ?? whyNoStockEtcd;
const suite = whyNot === undefined ? describe : describe.skip;

/** One line typed at a shell. `$name` in it is what an earlier line captured under that name. */
interface Line {
  readonly args: readonly string[];
  readonly input?: string;
  /** The verb runs until it is ended: ended with SIGINT once it has printed so many lines. */
  readonly lines?: number;
  /** The verb runs until it is ended: ended with SIGINT once that key is there. */
  readonly untilKey?: string;
  /** Typed again while this is the refusal: a young cluster is not yet trusted to be healthy. */
  readonly whileRefused?: string;
  /** First group of the pattern in what is printed, for later lines. */
  readonly capture?: { readonly name: string; readonly pattern: RegExp };
  /** Our etcdctl says it in its own words, or in those of 3.6; its exit code is compared all the same. */
  readonly ownWords?: true;
  /** The verb is etcdutl's from 3.6 on, and so not one of our etcdctl. */
  readonly until36?: true;
  /** The end point of one member alone; the leader, or the first that is not. */
  readonly at?: "leader" | "follower";
}

const line = (typed: string, more: Omit<Line, "args"> = {}): Line => ({ args: typed.split(" "), ...more });
const asRoot = (typed: string, more: Omit<Line, "args"> = {}): Line => line(`--user root:secret ${typed}`, more);

/** Verbs that ask no server, or ask for what no current server has. */
const notAsked: { readonly [verb: string]: string } = {
  help: "prints etcdctl's own text",
  "completion bash": "prints etcdctl's own text",
  "completion fish": "prints etcdctl's own text",
  "completion powershell": "prints etcdctl's own text",
  "completion zsh": "prints etcdctl's own text",
  migrate: "reads the files of an etcd 2 that is down",
  "check perf": "takes a minute by itself: load-check.test.ts",
  "check datascale": "prints what the machine makes of it: load-check.test.ts",
};

const scripts: { readonly [what: string]: readonly Line[] } = {
  "keys are put, read and deleted": [
    line("version", { ownWords: true }),
    line("put a 1"),
    line("put a 2 --prev-kv"),
    line("put b", { input: "typed" }),
    line("put b x --ignore-value"),
    line("put b --ignore-value --prev-kv"),
    line("put missing --ignore-value"),
    line("put b 3 --ignore-lease"),
    line("put b 3 --lease=0000000000000bad"),
    line("get a"),
    line("get a b --keys-only"),
    line("get a --prefix --print-value-only"),
    line("get a --from-key --limit=1"),
    line("get a --rev=1000"),
    line("get a -w json"),
    line("get a -w fields"),
    line("get a --hex"),
    line("get --prefix a --sort-by=MODIFY --order=DESCEND"),
    line("get missing"),
    line("get", { ownWords: true }),
    line("del a --prev-kv"),
    line("del b --prefix"),
    line("del none"),
  ],
  "transactions compare, then act": [
    line("put t 1"),
    line("txn", { input: 'value("t") = "1"\n\nput t 2\nget t\n\nget t\n\n' }),
    line("txn", { input: 'mod("t") > "100000"\ncreate("t") > "0"\n\nput t 3\n\nget t\ndel t\n\n' }),
    line("txn", { input: 'version("t") = "0"\n\n\n\n' }),
    line("txn", { input: "\nput d 1\nput d 2\n\n\n" }),
    line("txn -w json", { input: "\nput t 4\n\n\n" }),
  ],
  "history is compacted and watched": [
    line("put w 1"),
    line("put w 2"),
    line("del w"),
    line("watch w --rev=2 --prev-kv", { lines: 13 }),
    line("watch --prefix w --rev=2 -w json", { lines: 1 }),
    line("compaction 5"),
    line("compaction 5"),
    line("compaction 100000"),
    line("compaction 6 --physical"),
    line("get w --rev=3"),
    line("watch w --rev=3"),
  ],
  "leases are granted, shown, kept and revoked": [
    line("lease grant 100", { capture: { name: "lease", pattern: /^lease ([0-9a-f]+) granted/ } }),
    line("lease grant 9000000001"),
    line("put leased 1 --lease=$lease"),
    line("put leased 2 --ignore-lease"),
    line("get leased -w json"),
    line("lease timetolive $lease"),
    line("lease timetolive $lease --keys"),
    line("lease list"),
    line("lease keep-alive $lease --once"),
    line("lease keep-alive $lease", { lines: 1 }),
    line("lease revoke $lease"),
    line("lease revoke $lease"),
    line("lease timetolive $lease"),
    line("lease keep-alive $lease --once"),
    line("get leased"),
    // Last: it lives as short as a lease can, and a list would show it or not.
    line("lease grant 0"),
  ],
  "locks and elections": [
    line("lock door echo inside"),
    line("lock door", { lines: 1 }),
    line("elect chair me", { lines: 2 }),
    line("elect chair me", { lines: 2 }),
    line("get --prefix door --keys-only"),
  ],
  "members answer for themselves": [
    line("endpoint health", { ownWords: true }),
    line("endpoint status", { ownWords: true }),
    line("endpoint status --cluster", { ownWords: true }),
    line("endpoint hashkv", { at: "follower", ownWords: true }),
    line("defrag", { at: "follower", ownWords: true }),
    line("defrag --cluster", { ownWords: true }),
    line("alarm list"),
    line("alarm disarm"),
    line("member list"),
  ],
  "leadership moves": [
    line("endpoint status", {
      at: "follower",
      ownWords: true,
      capture: { name: "follower", pattern: /, ([0-9a-f]+), 3/ },
    }),
    line("move-leader $follower", { at: "follower" }),
    line("move-leader 1234567890abcdef", { at: "leader" }),
    line("move-leader $follower", { at: "leader" }),
  ],
  "members are added, changed, promoted and removed": [
    line("member add extra --learner --peer-urls=http://127.0.0.1:9", {
      capture: { name: "extra", pattern: /^Member +([0-9a-f]+) added/ },
      whileRefused: "etcdserver: unhealthy cluster",
    }),
    // A member's id is made of its URLs and the second in which it was added.
    line("member add another --learner --peer-urls=http://127.0.0.1:9", { whileRefused: "member ID already exist" }),
    line("member add another --learner --peer-urls=http://127.0.0.1:10"),
    line("member add another --peer-urls=http://127.0.0.1:9"),
    line("member add another"),
    line("member list"),
    line("member promote $extra"),
    line("member promote 1234567890abcdef"),
    line("member update $extra --peer-urls=http://127.0.0.1:11"),
    line("member update 1234567890abcdef --peer-urls=http://127.0.0.1:12"),
    line("member update $extra"),
    // Not listed here: etcd 3.4 forgets on an update that a learner is one.
    line("member remove $extra"),
    line("member remove $extra"),
    line("member remove zz", { ownWords: true }),
    line("member list"),
  ],
  "users, roles and the switch": [
    line("auth enable"),
    line("user add root:secret"),
    line("user add root:secret"),
    line("user add ann:pw"),
    line("user add bob --no-password"),
    line("user add :pw"),
    line("user list"),
    line("user get ann"),
    line("user get none"),
    line("user passwd ann --interactive=false", { input: "changed" }),
    line("role add reader"),
    line("role add reader"),
    line("role grant-permission reader read doc"),
    line("role grant-permission reader readwrite box boy"),
    line("role grant-permission reader write all --prefix"),
    line("role grant-permission reader read from --from-key"),
    line("role grant-permission none read doc"),
    line("role get reader"),
    line("role get none"),
    line("role revoke-permission reader box boy"),
    line("role revoke-permission reader box boy"),
    line("role list"),
    line("user grant-role ann reader"),
    line("user grant-role ann none"),
    line("user grant-role none reader"),
    line("user get ann --detail"),
    line("auth enable", { ownWords: true }),
    line("user grant-role root root"),
    line("auth enable", { ownWords: true }),
    line("put doc 1"),
    line("--user ann:wrong get doc"),
    line("--user ann:changed get doc"),
    line("--user ann:changed put doc 2"),
    line("--user bob: get doc"),
    line("--user ann:changed user list"),
    asRoot("put doc 3"),
    asRoot("user list"),
    asRoot("user revoke-role ann reader"),
    asRoot("user revoke-role ann reader"),
    line("--user ann:changed get doc"),
    asRoot("user delete root"),
    asRoot("role delete root"),
    asRoot("user revoke-role root root"),
    asRoot("role delete reader"),
    asRoot("role delete reader"),
    asRoot("user delete bob"),
    asRoot("user delete bob"),
    asRoot("endpoint status", { at: "leader", ownWords: true }),
    asRoot("auth disable"),
    line("auth disable"),
    line("user list"),
  ],
  "a snapshot is saved, checked and restored": [
    line("snapshot save $directory/$side.db", { at: "leader", ownWords: true }),
    line("snapshot save $directory/$side.db"),
    line("snapshot status $directory/$side.db", { until36: true }),
    line("snapshot restore $directory/$side.db --data-dir=$directory/$side.restored", { until36: true }),
    line("snapshot restore $directory/$side.db --data-dir=$directory/$side.restored", { until36: true }),
  ],
  "a mirror carries keys to another cluster": [
    line("put mirror/1 x"),
    line("make-mirror --prefix mirror/ --dest-prefix copy/ $self", { untilKey: "copy/1" }),
    line("get --prefix copy/"),
  ],
};

/** The two programs, and what they are given to talk to. */
const pairings = [
  { what: "etcdctl 3.4 with members of ours", left: { program: "ours", ctl: "stock" } },
  { what: "our etcdctl with stock etcd", left: { program: "stock", ctl: "ours" } },
] as const;

suite.each(pairings)(`every verb of $what${whyNot === undefined ? "" : `: skipped, ${whyNot}`}`, ({ left }) => {
  const directory = join(tmpdir(), `faultline-verbs-${process.pid}-${left.ctl}`);
  let ours: Side;
  let stock: Side;
  beforeAll(async () => {
    spawnSync("mkdir", ["-p", directory]);
    const binary = stockEtcd.kind === "etcd" ? stockEtcd.binary : "";
    const stockProgram = { etcd: binary };
    [ours, stock] = await Promise.all([
      startSide(
        "ours",
        await startCluster(3, [], left.program === "ours" ? "ours" : stockProgram),
        directory,
        left.ctl,
      ),
      startSide("stock", await startCluster(3, [], stockProgram), directory, "stock"),
    ]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([ours.cluster.close(), stock.cluster.close()]);
    rmSync(directory, { recursive: true, force: true });
  });

  test.each(Object.keys(scripts))("%s", { timeout: 120_000 }, async (what) => {
    for (const each of scripts[what] ?? []) {
      if (left.ctl === "ours" && each.until36 === true) continue;
      const [mine, theirs] = await Promise.all([type(ours, each), type(stock, each)]);
      if (left.ctl === "ours" && each.ownWords === true) {
        expect([each.args, mine.exitCode]).toEqual([each.args, theirs.exitCode]);
        continue;
      }
      expect({ typed: each.args.join(" "), ...mine }).toEqual({ typed: each.args.join(" "), ...theirs });
    }
  });

  test("no verb that etcdctl knows is left out", () => {
    const help = spawnSync("etcdctl", ["--help"], { env: { PATH: process.env["PATH"], ETCDCTL_API: "3" } });
    const known = [...`${help.stdout}`.matchAll(/^\t([a-z-]+(?: [a-z-]+)?)\t/gm)].map((match) => match[1] ?? "");
    expect(known.length).toBeGreaterThan(40);
    const typed = Object.values(scripts).flatMap((script) => script.map((each) => each.args.join(" ")));
    const isTyped = (verb: string): boolean => typed.some((each) => `${each} `.includes(`${verb} `));
    expect(known.filter((verb) => !isTyped(verb) && notAsked[verb] === undefined)).toEqual([]);
  });
});

// ---- one cluster, and what was captured of it ----------------------------------------------------------------

type Ctl = "ours" | "stock";

interface Side {
  readonly ctl: Ctl;
  readonly cluster: RealCluster;
  readonly captured: Map<string, string>;
}

async function startSide(name: string, cluster: RealCluster, directory: string, ctl: Ctl): Promise<Side> {
  await cluster.ready();
  const captured = new Map([
    ["directory", directory],
    ["side", name],
    ["self", cluster.endpoints.split(",")[0] ?? ""],
  ]);
  return { ctl, cluster, captured };
}

async function type(side: Side, { args, input, lines, untilKey, capture, at, whileRefused }: Line): Promise<CtlResult> {
  const filled = args.map((arg) => arg.replace(/\$([a-z]+)/g, (_, name: string) => side.captured.get(name) ?? ""));
  const endpoints = at === undefined ? side.cluster.endpoints : await endpointOf(side, at, filled);
  let result = await run(side.ctl, endpoints, filled, { input: input ?? "", lines, untilKey });
  for (
    let attempt = 0;
    attempt < 100 && whileRefused !== undefined && result.stderr.includes(whileRefused);
    attempt++
  ) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    result = await run(side.ctl, endpoints, filled, { input: input ?? "", lines });
  }
  if (capture !== undefined) side.captured.set(capture.name, capture.pattern.exec(result.stdout)?.[1] ?? "");
  // Members answer in the order of their ids, which no two clusters share.
  const isOfMembers = args.some((arg) => ["endpoint", "member", "defrag"].includes(arg));
  const stdout = plain(side, result.stdout);
  return {
    stdout: isOfMembers ? stdout.split("\n").sort(byText).join("\n") : stdout,
    stderr: plain(side, result.stderr.trim().split("\n").at(-1) ?? ""),
    exitCode: result.exitCode,
  };
}

/** The member that says of itself that it leads, or the first that says it does not. */
async function endpointOf(side: Side, at: "leader" | "follower", args: readonly string[]): Promise<string> {
  const user = args[0] === "--user" ? args.slice(0, 2) : [];
  const { stdout } = await run("stock", side.cluster.endpoints, [...user, "endpoint", "status"], { input: "" });
  const wanted = at === "leader" ? "true" : "false";
  const found = stdout.split("\n").find((each) => each.split(", ")[4] === wanted);
  return found?.split(", ")[0] ?? "";
}

async function run(
  ctl: Ctl,
  endpoints: string,
  args: readonly string[],
  until: { readonly input: string; readonly lines?: number | undefined; readonly untilKey?: string | undefined },
): Promise<CtlResult> {
  const { input, lines, untilKey } = until;
  const child = ctl === "ours" ? spawnOurCtl(endpoints, args) : spawnEtcdctl(endpoints, args);
  let stdout = "";
  let stderr = "";
  const isEnough = (): boolean => lines !== undefined && stdout.split("\n").length > lines;
  child.stdout?.on("data", (piece: Buffer) => {
    stdout += piece;
    if (isEnough() && !child.killed) child.kill("SIGINT");
  });
  child.stderr?.on("data", (piece: Buffer) => {
    stderr += piece;
  });
  // A verb that needs no input may have ended before it could be written.
  child.stdin?.on("error", () => {});
  child.stdin?.end(input);
  if (untilKey !== undefined) {
    while ((await run("stock", endpoints, ["get", untilKey], { input: "" })).stdout === "" && child.exitCode === null);
    child.kill("SIGINT");
  }
  const exitCode = await new Promise<number>((resolve) => child.once("close", (code) => resolve(code ?? -1)));
  return { stdout, stderr, exitCode };
}

function spawnOurCtl(endpoints: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [builtProgram, "etcdctl", "--endpoints", endpoints, ...args], {
    env: { PATH: process.env["PATH"] },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

/** What two clusters can have in common: without ids, ports, durations, sizes and where things were put. */
function plain(side: Side, text: string): string {
  let result = text.replaceAll(side.captured.get("directory") ?? "", "DIRECTORY");
  result = result.replaceAll(`/${side.captured.get("side")}.`, "/SIDE.");
  for (const port of side.cluster.clientPorts) result = result.replaceAll(`:${port}`, ":CLIENT");
  for (const port of side.cluster.peerPorts) result = result.replaceAll(`:${port}`, ":PEER");
  return (
    result
      .replace(/\b[0-9a-f]{13,16}\b/g, "ID")
      .replace(/ +ID\b/g, " ID")
      .replace(/\b\d{17,20}\b/g, "NUMBER")
      .replace(/\b\d+(\.\d+)?(µs|ms|s)\b/g, "TIME")
      .replace(/\b\d+(\.\d+)? [kM]B\b/g, "SIZE")
      .replace(/"raft_term":\d+/g, '"raft_term":TERM')
      .replace(/"RaftTerm" : \d+/g, '"RaftTerm" : TERM')
      .replace(
        /, 3\.\d+\.\d+, SIZE, (true|false), (true|false), \d+, \d+, \d+, /g,
        ", VERSION, SIZE, $1, $2, TERM, INDEXES",
      )
      .replace(/"ts":[\d.]+/, '"ts":TIME')
      // Keys of locks hold lease ids, which are each cluster's own.
      .replace(/(?<=:CLIENT, )\d+$/gm, "HASH")
      // What a file holds besides keys is each program's own.
      .replace(/^[0-9a-f]{5,8}, (\d+), \d+, SIZE/, "HASH, $1, KEYS, SIZE")
      .replace(/^{"level":.*"error":"(.*)"}$/, "$1")
      .replace(/(?<=ETCD_INITIAL_CLUSTER=")[^"]+/, (list) => list.split(",").sort(byText).join(","))
  );
}

const byText = (a: string, b: string): number => (a < b ? -1 : 1);
