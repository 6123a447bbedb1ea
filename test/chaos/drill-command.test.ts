/*
 * `faultline drill` as a person or a script starts it: bad input, machines that forbid things, ends before its time, and
 * what is left behind. Drills are short plans; what they show of members is drill.test.ts's.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { FaultRow } from "../../reports/verdict.ts";
import type { PlannedFault } from "../../scenarios/faults.ts";
import type { HistoryEvent } from "../../scenarios/history.ts";
import { builtProgram } from "../kit/build.ts";
import { drillPlanOf } from "./drill-plan.ts";
import { unshared, whyNoNamespaces } from "./namespaces/why.ts";
import { whyNoStockEtcd } from "./stock-etcd.ts";

// A busy machine takes long to start members from their sources.
vi.setConfig({ testTimeout: 300_000 });

let directory: string;
/** Where drills put what is theirs for a while. */
let temporary: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "faultline-drillcommand-"));
  temporary = join(directory, "tmp");
  mkdirSync(temporary);
});
afterEach(() => rmSync(directory, { recursive: true }));

const entry = builtProgram;
const drillCommand = (...args: readonly string[]): readonly string[] => [process.execPath, entry, "drill", ...args];

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}
function begin(command: readonly string[]): Running {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { env: { ...process.env, TMPDIR: temporary }, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (bytes) => {
    stdout += bytes;
  });
  child.stderr.on("data", (bytes) => {
    stderr += bytes;
  });
  return {
    child,
    ended: new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr }))),
  };
}
const drill = (...args: readonly string[]) => begin(drillCommand(...args)).ended;

function planFile(faults: readonly PlannedFault[], safetyMs: number): string {
  const path = join(directory, "plan.json");
  writeFileSync(path, JSON.stringify(drillPlanOf(faults, safetyMs)));
  return path;
}

/** Processes whose command line has this test's directory in it. */
function processesOfOurs(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(temporary);
      } catch {
        return false; // it ended between the two looks
      }
    });
}
async function until(holds: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 12_000; tries++) {
    if (holds()) return;
    await pause(10);
  }
  throw new Error(`never: ${what}`);
}
const nothingIsLeft = (): void => {
  expect(processesOfOurs()).toEqual([]);
  expect(readdirSync(temporary).filter((name) => name.startsWith("faultline-"))).toEqual([]);
  expect(readFileSync("/proc/mounts", "utf8")).not.toContain(temporary);
};

describe("what cannot be drilled is refused by what is wrong with it", () => {
  test.each([
    [["--network", "wrong"], '--network "wrong" is none of proxy, netns and auto'],
    [["steady", "--network", "netns", "--target", "127.0.0.1:1"], "members that run already cannot be moved"],
    [["nonsense"], 'no scenario is called "nonsense"; faultline list scenarios'],
    [["auto-compaction"], "scenario auto-compaction is for the simulator only: "],
    [["--plan", "/nowhere/plan.json"], "--plan /nowhere/plan.json does not exist; give the plan.json of a run"],
    [["steady", "--plan", entry], "cannot be drilled at once"],
    [["--plan", entry], `--plan ${entry}: `],
  ])("%j", async (args, said) => {
    const { code, stdout, stderr } = await drill(...args);
    expect(stderr).toContain(said);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  test.skipIf(whyNoStockEtcd !== undefined)("a scenario that is about our own members", async () => {
    const { code, stderr } = await drill("lease-reads", "--target", "etcd");
    expect(stderr).toContain("scenario lease-reads is for --target faultline only: etcd has no reads by lease");
    expect(code).toBe(2);
  });
});

test("under a proxy everything is told one by one before a drill, and --probe tells nothing else", async () => {
  const { code, stdout } = await drill("--probe");
  expect(code).toBe(0);
  expect(stdout).toContain("--target faultline --network proxy:");
  expect(stdout).toMatch(/cut links {4} yes {2}bytes vanish in a hop/);
  expect(stdout).toMatch(/power loss {3} yes/);
  nothingIsLeft();
});

test("Ctrl-C ends the run in order: a report is written, nothing is left", async () => {
  const out = join(directory, "out");
  const running = begin(drillCommand("--plan", planFile([], 120_000), "--out", out));
  const history = join(out, "steady-11-faultline", "history.jsonl");
  await until(() => existsSync(history) && readFileSync(history, "utf8").includes('"return"'), "an answer to a client");
  running.child.kill("SIGINT");
  const { code, stdout } = await running.ended;
  expect(stdout).toContain("unknown  steady");
  expect(code).toBe(130);
  expect(existsSync(join(out, "steady-11-faultline", "report.html"))).toBe(true);
  nothingIsLeft();
});

test.skipIf(whyNoStockEtcd !== undefined)(
  "a stock member back from an old copy panics: the run says so, whose finding it is, and exits with 1",
  async () => {
    const out = join(directory, "out");
    // Of a follower the leader remembers what it held, and tells it to commit that.
    const faults: readonly PlannedFault[] = [
      { atMs: 500, fault: { fault: "copyDisk", target: "follower", label: "early" } },
      { atMs: 4_000, fault: { fault: "restoreDisk", label: "early" } },
      { atMs: 4_200, fault: { fault: "restart", target: "all" } },
    ];
    const { code, stdout } = await drill("--plan", planFile(faults, 8_000), "--target", "etcd", "--out", out);
    const panic =
      /n\d ended on its own at \d+ ms \(exit code 2\); the last its log says: panic: tocommit\(\d+\) is out of range/;
    expect(stdout).toMatch(new RegExp(`violated members-stay-up: ${panic.source}`));
    expect(stdout).toContain(
      "finding  this is how etcd itself behaves under these faults; no member of ours took part",
    );
    expect(code).toBe(1);
    const page = readFileSync(join(out, "steady-11-etcd", "report.html"), "utf8");
    expect(page).toContain("<b>A finding about the target:</b> this is how etcd itself behaves");
    expect(page).toMatch(new RegExp(`members-stay-up</td><td class="number">3</td><td>${panic.source}`));
    nothingIsLeft();
  },
);

test("members do not outlive a drill that is killed", async () => {
  const running = begin(drillCommand("--plan", planFile([], 120_000), "--out", join(directory, "out")));
  await until(() => processesOfOurs().length === 3, "three members");
  running.child.kill("SIGKILL");
  await until(() => processesOfOurs().length === 0, "the end of the members");
});

describe.skipIf(whyNoNamespaces !== undefined)(`in namespaces of its own ${whyNoNamespaces ?? ""}`, () => {
  const inside = (script: string, command: readonly string[]): readonly string[] => {
    const quoted = command.map((word) => `'${word}'`).join(" ");
    return [...unshared(), "sh", "-c", `set -e; ${script}; exec ${quoted}`];
  };

  async function judged(args: readonly string[]) {
    const { code, stdout, stderr } = await drill(
      ...args,
      "--json",
      "--network",
      "netns",
      "--out",
      join(directory, "out"),
    );
    if (stdout === "") throw new Error(stderr);
    const run = JSON.parse(stdout) as {
      readonly verdict: string;
      readonly network: string;
      readonly run: string;
      readonly checks: readonly { readonly name: string; readonly verdict: string; readonly detail: string }[];
      readonly faults: readonly FaultRow[];
    };
    const history = readFileSync(join(run.run, "history.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as HistoryEvent);
    return { code, run, history };
  }
  const leadersIn = (history: readonly HistoryEvent[]) =>
    new Set(history.flatMap((event) => (event.type === "role" && event.role === "leader" ? [event.member] : [])));

  const linkFaults: readonly PlannedFault[] = [
    { atMs: 500, fault: { fault: "isolate", target: "leader" } },
    { atMs: 4_000, fault: { fault: "healNetwork" } },
    { atMs: 5_000, fault: { fault: "cutOneWay", from: "n1", to: "n2" } },
    {
      atMs: 5_100,
      fault: {
        fault: "linkLaw",
        law: { minDelayMs: 5, maxDelayMs: 20, lossPpm: 20_000, duplicatePpm: 0, reorderPpm: 0 },
      },
    },
    { atMs: 7_000, fault: { fault: "healNetwork" } },
    { atMs: 7_500, fault: { fault: "clogLinks", target: "leader" } },
    { atMs: 9_500, fault: { fault: "healNetwork" } },
  ];

  test("links of our members break as packets do, a leader that is cut off is replaced, and every check holds", async () => {
    const links = execFileSync("ip", ["-oneline", "link"], { encoding: "utf8" });
    const { code, run, history } = await judged(["--plan", planFile(linkFaults, 11_000)]);
    expect(run.faults.filter(({ result }) => result !== "done")).toEqual([]);
    expect(run.faults.map(({ detail }) => detail)).toContain("delay 5..20 ms by a hop, 20000 ppm of packets lost");
    expect(run.checks.filter(({ verdict }) => verdict !== "holds")).toEqual([]);
    expect({ code, network: run.network }).toEqual({ code: 0, network: "netns" });
    expect(leadersIn(history).size).toBeGreaterThan(1);
    nothingIsLeft();
    expect(execFileSync("ip", ["-oneline", "link"], { encoding: "utf8" })).toBe(links);
  });

  test.skipIf(whyNoStockEtcd !== undefined)("links of a stock etcd break as packets do", async () => {
    const { run, history } = await judged(["--plan", planFile(linkFaults, 11_000), "--target", "etcd"]);
    expect(run.faults.filter(({ result }) => result !== "done")).toEqual([]);
    // A stock leader that has just lost its office, asked for the rest of a lease, may say 2^63 ns: a finding, but of etcd.
    const isAboutLinks = ({ verdict, detail }: { readonly verdict: string; readonly detail: string }): boolean =>
      verdict !== "holds" && !/was told that lease \d+ has 9223372036 s left/.test(detail);
    expect(run.checks.filter(isAboutLinks)).toEqual([]);
    expect(leadersIn(history).size).toBeGreaterThan(1);
    nothingIsLeft();
  });

  test("a member's own small disk is filled to the last byte, and every check holds", async () => {
    const plan = planFile(
      [
        { atMs: 1_000, fault: { fault: "fillDisk", target: "n1" } },
        { atMs: 5_000, fault: { fault: "mendDisk", target: "n1" } },
        { atMs: 5_000, fault: { fault: "disarmAlarms" } },
      ],
      7_000,
    );
    const { run } = await judged(["--plan", plan]);
    expect(run.faults[0]?.detail).toMatch(/^its disk is full: the last \d{8,} bytes are taken$/);
    expect(run.checks.filter(({ verdict }) => verdict !== "holds")).toEqual([]);
    nothingIsLeft();
  });

  const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  /** It takes root to become nobody, and a checkout that nobody may read. */
  const isNobodyWelcome = (): boolean =>
    process.getuid?.() === 0 && spawnSync("setpriv", [...asNobody.slice(1), "test", "-r", entry]).status === 0;
  test.skipIf(!isNobodyWelcome())("without privileges the drill runs as root of a user namespace", async () => {
    const faults = [
      { atMs: 500, fault: { fault: "isolate", target: "leader" } },
      { atMs: 3_000, fault: { fault: "fillDisk", target: "follower" } },
    ] as const;
    const out = join(directory, "out");
    mkdirSync(out);
    for (const path of [directory, temporary, out]) chmodSync(path, 0o777);
    const command = drillCommand("--plan", planFile(faults, 5_000), "--network", "netns", "--json", "--out", out);
    const { stdout, stderr } = await begin([...asNobody, ...command]).ended;
    if (stdout === "") throw new Error(stderr);
    const run = JSON.parse(stdout);
    expect(run.faults.filter(({ result }: FaultRow) => result !== "done")).toEqual([]);
    expect(run.verdict).toBe("holds");
    nothingIsLeft();
  });

  test("Ctrl-C reaches the drill inside, once, and nothing is left", async () => {
    const out = join(directory, "out");
    const running = begin(drillCommand("--plan", planFile([], 120_000), "--network", "netns", "--out", out));
    const history = join(out, "steady-11-faultline-netns", "history.jsonl");
    await until(
      () => existsSync(history) && readFileSync(history, "utf8").includes('"return"'),
      "an answer to a client",
    );
    running.child.kill("SIGINT");
    const { code, stdout, stderr } = await running.ended;
    expect(stdout).toContain("unknown  steady");
    expect(stderr.split("again to end at once").length).toBe(2);
    expect(code).toBe(130);
    nothingIsLeft();
  });

  test("the drill inside ends in order when the one outside is killed", async () => {
    const plan = planFile([], 120_000);
    const running = begin(drillCommand("--plan", plan, "--network", "netns", "--out", join(directory, "out")));
    await until(() => processesOfOurs().length >= 3, "three members");
    running.child.kill("SIGKILL");
    await until(() => readdirSync(temporary).length === 0 && processesOfOurs().length === 0, "the end of it all");
    nothingIsLeft();
  });

  test("without nft each fault of links is skipped with that reason, and the rest goes on", async () => {
    const hidden = "for nft in /usr/sbin/nft /sbin/nft; do [ ! -e $nft ] || mount --bind /dev/null $nft; done";
    const plan = planFile([{ atMs: 300, fault: { fault: "isolate", target: "leader" } }], 1_000);
    const args = ["--plan", plan, "--network", "netns", "--json", "--out", join(directory, "out")];
    const { stdout, stderr } = await begin(inside(hidden, drillCommand(...args))).ended;
    if (stdout === "") throw new Error(stderr);
    expect(stderr).toMatch(/cut links {4} no {3}nft is not installed/);
    expect(JSON.parse(stdout).faults[0]).toMatchObject({
      fault: "isolate",
      result: "skipped",
      detail: "nft is not installed",
    });
  });

  test("where namespaces are forbidden netns is refused with the reason, and auto goes by proxy", async () => {
    const forbidden = "echo 0 > /proc/sys/user/max_net_namespaces";
    const outer = ["unshare", "--user", "--map-root-user", "sh", "-c"];
    const asked = (network: string): readonly string[] => [
      ...outer,
      `${forbidden}; exec ${drillCommand("--probe", "--network", network).join(" ")}`,
    ];
    const refused = await begin(asked("netns")).ended;
    expect(refused.stderr).toMatch(/--network netns cannot be made here: as root: .*unshare.*--network proxy needs no/);
    expect(refused.code).toBe(2);
    const auto = await begin(asked("auto")).ended;
    expect(auto.stderr).toContain("links by proxy, as network namespaces cannot be made: as root: ");
    expect(auto.stdout).toContain("--network proxy:");
    expect(auto.code).toBe(0);
  });

  test("a full disk below --out ends the drill in order, with exit code 3 and what to do", async () => {
    const out = join(directory, "small");
    mkdirSync(out);
    const small = `ip link set lo up; mount -t tmpfs -o size=800k tmpfs ${out}`;
    const running = begin(inside(small, drillCommand("--plan", planFile([], 60_000), "--out", out)));
    const { code, stderr } = await running.ended;
    expect(stderr).toContain(`the run cannot be written below ${out}: ENOSPC`);
    expect(stderr).toContain("make room there, or give another place with --out");
    expect(code).toBe(3);
    nothingIsLeft();
  });
});
