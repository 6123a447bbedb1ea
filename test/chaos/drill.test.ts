import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Cluster } from "../../chaos/cluster.ts";
import { judge } from "../../chaos/drill-plan-command.ts";
import { seededRandom } from "../../chaos/member/random.ts";
import { probeMachine } from "../../chaos/probe-machine.ts";
import { overTls, parseTarget, type Target } from "../../chaos/target.ts";
import { runDrill } from "../../chaos/world.ts";
import { longestWriteGap } from "../../reports/summary.ts";
import type { HistoryEvent } from "../../scenarios/history.ts";
import type { Plan } from "../../scenarios/plan.ts";
import type { RunResult } from "../../scenarios/run.ts";
import { drillPlanOf } from "./drill-plan.ts";
import { stockEtcd, whyNoStockEtcd } from "./stock-etcd.ts";

// A busy machine takes long to start members from their sources.
vi.setConfig({ testTimeout: 240_000 });

let logs: string;
/** Where drills put data directories, so that what they leave behind shows, whatever else this machine runs. */
let temporary: string;
const usualTemporary = process.env["TMPDIR"];
beforeEach(() => {
  logs = mkdtempSync(join(tmpdir(), "faultline-drilltest-"));
  temporary = join(logs, "tmp");
  mkdirSync(temporary);
  process.env["TMPDIR"] = temporary;
});
afterEach(() => {
  if (usualTemporary === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = usualTemporary;
  rmSync(logs, { recursive: true });
});

async function drill(plan: Plan, target: Target, signal = new AbortController().signal) {
  const written: HistoryEvent[] = [];
  const run: RunResult = await runDrill({
    plan,
    target,
    ...(await probeMachine(target, "proxy")),
    random: seededRandom("drill-test"),
    sink: (event) => written.push(event),
    logFileOf: (member) => join(logs, `${member}.log`),
    judge,
    signal,
  });
  return { run, written };
}

const faultsOf = (run: RunResult) =>
  run.history.flatMap((event) => (event.type === "fault" ? [{ fault: event.fault, result: event.result }] : []));
const leftBehind = () => readdirSync(temporary).filter((name) => name.startsWith("faultline-drill-"));

describe("targets", () => {
  test("may have TLS on every port, but for a cluster that runs already", () => {
    expect(overTls({ kind: "faultline" })).toEqual({ kind: "faultline", tls: true });
    expect(overTls({ kind: "endpoints", endpoints: ["h:1"] })).toHaveProperty(
      "problem",
      expect.stringContaining("--tls: members that run already"),
    );
  });

  test("a name, or host:port of each member; anything else is refused by what is wrong with it", () => {
    expect(parseTarget("faultline")).toEqual({ kind: "faultline" });
    expect(parseTarget("127.0.0.1:1, http://h:2")).toEqual({ kind: "endpoints", endpoints: ["127.0.0.1:1", "h:2"] });
    expect(parseTarget("faultline-tls")).toEqual({ kind: "faultline", tls: true });
    expect(parseTarget("nonsense")).toHaveProperty("problem", expect.stringContaining('"nonsense" is no endpoint'));
  });
});

/** Three founders and one who is added as a learner, promoted, given the lead, and sees a founder go. */
async function drillOfMembers(target: Target): Promise<void> {
  const plan = drillPlanOf(
    [
      { atMs: 5_200, fault: { fault: "addMember", target: "n4", learner: true } },
      { atMs: 5_300, fault: { fault: "promoteMember", target: "n4" } },
      { atMs: 5_400, fault: { fault: "transferLeader", target: "n4" } },
      { atMs: 5_500, fault: { fault: "removeMember", target: "n1" } },
    ],
    // etcd changes members that have been connected for five seconds.
    9_000,
  );
  const joiner = { name: "n4", config: {}, clockOffsetMs: 0, clockDriftPpm: 0, joins: true } as const;
  const { run } = await drill({ ...plan, members: [...plan.members, joiner] }, target);
  expect(faultsOf(run)).toEqual([
    { fault: "addMember", result: "done" },
    { fault: "promoteMember", result: "done" },
    { fault: "transferLeader", result: "done" },
    { fault: "removeMember", result: "done" },
    { fault: "healAll", result: "done" },
  ]);
  const leaders = run.history.flatMap((event) =>
    event.type === "role" && event.role === "leader" ? [event.member] : [],
  );
  expect(leaders).toContain("n4");
  const replicas = run.history.flatMap((event) => (event.type === "replica" ? [event.member] : []));
  expect(new Set(replicas)).toEqual(new Set(["n2", "n3", "n4"]));
  expect(run.checks.filter(({ verdict }) => verdict !== "holds")).toEqual([]);
  expect(leftBehind()).toEqual([]);
}

test("members of ours come, are promoted, take the lead and go while clients work", async () => {
  await drillOfMembers({ kind: "faultline" });
});

test("with TLS on every port a leader is cut off and killed while clients work, and every check holds", async () => {
  const plan = drillPlanOf(
    [
      { atMs: 800, fault: { fault: "isolate", target: "leader" } },
      { atMs: 3_000, fault: { fault: "healNetwork" } },
      { atMs: 4_000, fault: { fault: "kill", target: "leader", powerLoss: false } },
      { atMs: 5_500, fault: { fault: "restart", target: "all" } },
    ],
    6_500,
  );
  const { run } = await drill(plan, { kind: "faultline", tls: true });
  expect(run.checks.filter(({ verdict }) => verdict !== "holds")).toEqual([]);
  expect(faultsOf(run).map(({ result }) => result)).toEqual(["done", "done", "done", "done", "done"]);
  const terms = run.history.flatMap((event) => (event.type === "role" && event.role === "leader" ? [event.term] : []));
  expect(new Set(terms).size).toBeGreaterThan(1);
  expect(run.history.some((event) => event.type === "return" && event.outcome === "ok")).toBe(true);
  expect(readFileSync(join(logs, "n1.log"), "utf8")).toContain("serving client traffic securely");
  expect(leftBehind()).toEqual([]);
});

/**
 * A stock etcd that surely refuses to start again on an empty disk: when it is in a hurry etcd asks nobody, goes on under
 * its old id and panics later.
 */
function refusingEtcd({ afterSeconds }: { readonly afterSeconds: number }): Target {
  const { binary } = stockEtcd.kind === "etcd" ? stockEtcd : { binary: "" };
  const script = [
    "#!/bin/sh",
    `for arg in "$@"; do case "$arg" in --data-dir=*) data="\${arg#*=}" ;; --name=*) name="\${arg#*=}" ;; esac; done`,
    `case "$*" in *cluster-state=existing*) exec "${binary}" "$@" ;; esac`,
    `if [ -e "${logs}/began-$name" ] && [ ! -e "$data/member" ]; then sleep ${afterSeconds}; exit 1; fi`,
    `touch "${logs}/began-$name"`,
    `exec "${binary}" "$@"`,
  ];
  const path = join(logs, "refusing-etcd");
  writeFileSync(path, script.join("\n"), { mode: 0o755 });
  return { kind: "etcd", binary: path };
}

describe.skipIf(whyNoStockEtcd !== undefined)(`a drill on a stock etcd ${whyNoStockEtcd ?? ""}`, () => {
  test("a killed leader is replaced, every check holds, and nothing is left behind", async () => {
    const plan = drillPlanOf(
      [
        { atMs: 1_000, fault: { fault: "kill", target: "leader", powerLoss: true } },
        { atMs: 3_500, fault: { fault: "restart", target: "all" } },
      ],
      4_500,
    );
    const { run, written } = await drill(plan, stockEtcd);
    expect(run.checks.filter(({ verdict }) => verdict !== "holds")).toEqual([]);
    expect(run.verdict).toBe("holds");
    expect(faultsOf(run)).toEqual([
      { fault: "kill", result: "done" },
      { fault: "powerLoss", result: "skipped" },
      { fault: "restart", result: "done" },
      { fault: "healAll", result: "done" },
    ]);
    const leaders = run.history.flatMap((event) =>
      event.type === "role" && event.role === "leader" ? [event.member] : [],
    );
    expect(new Set(leaders).size).toBeGreaterThan(1);
    const gap = longestWriteGap(run.history);
    expect(gap !== undefined && gap.toMs > 1_000 && gap.fromMs < 3_500).toBe(true);
    expect(written).toEqual(run.history);
    expect(leftBehind()).toEqual([]);
    expect(existsSync(join(logs, "n1.log"))).toBe(true);
  });

  test("members come, are promoted, take the lead and go while clients work", async () => {
    await drillOfMembers(stockEtcd);
  });

  test("a leader cut off from the others is replaced while clients still reach it", async () => {
    const plan = drillPlanOf(
      [
        { atMs: 800, fault: { fault: "isolate", target: "leader" } },
        { atMs: 4_000, fault: { fault: "healNetwork" } },
      ],
      5_000,
    );
    const { run } = await drill(plan, stockEtcd);
    expect(run.checks.filter(({ verdict }) => verdict !== "holds")).toEqual([]);
    const terms = run.history.flatMap((event) =>
      event.type === "role" && event.role === "leader" ? [event.term] : [],
    );
    expect(new Set(terms).size).toBeGreaterThan(1);
  });

  test("a cluster that was there before is left running: its faults are skipped, and its keys are not the drill's", async () => {
    const cluster = await Cluster.open({
      planned: [{ name: "n1", config: {}, clockOffsetMs: 0, clockDriftPpm: 0 }],
      target: stockEtcd,
      random: seededRandom("drill-test"),
      logFileOf: (member) => join(logs, `own-${member}.log`),
      onEnd: () => undefined,
      signal: new AbortController().signal,
    });
    try {
      const endpoints = [cluster.processes?.addresses[0]?.clientUrl.replace("http://", "") ?? ""];
      const plan = drillPlanOf([{ atMs: 500, fault: { fault: "kill", target: "leader", powerLoss: false } }], 1_500);
      const { run } = await drill(plan, { kind: "endpoints", endpoints });
      expect(faultsOf(run)).toEqual([
        { fault: "kill", result: "skipped" },
        { fault: "healAll", result: "skipped" },
      ]);
      expect(run.checks.filter(({ verdict }) => verdict !== "holds")).toEqual([]);
      expect(cluster.processes?.stateOf("n1")).toBe("running");
      await expect(drill(plan, { kind: "endpoints", endpoints })).rejects.toThrow(/needs an empty key space/);
    } finally {
      await cluster.close();
    }
  });

  test("a member that takes long to refuse an empty disk is replaced all the same, and its end is nobody's fault", async () => {
    const plan = drillPlanOf(
      [
        { atMs: 500, fault: { fault: "wipeDisk", target: "follower" } },
        { atMs: 1_000, fault: { fault: "restart", target: "all" } },
      ],
      4_000,
    );
    const { run } = await drill(plan, refusingEtcd({ afterSeconds: 6 }));
    expect(run.checks.filter(({ verdict }) => verdict !== "holds")).toEqual([]);
    const restarts = run.history.flatMap((event) =>
      event.type === "fault" && event.fault === "restart" ? [event.detail] : [],
    );
    expect(restarts).toEqual([
      expect.stringMatching(/refused to start on an empty disk and was removed and added anew/),
    ]);
  });

  test("one that refuses an empty disk while there is no majority holds nothing up, and is replaced when there is one", async () => {
    const plan = drillPlanOf(
      [
        { atMs: 500, fault: { fault: "kill", target: "n1", powerLoss: false } },
        { atMs: 501, fault: { fault: "wipeDisk", target: "n2" } },
        { atMs: 502, fault: { fault: "restart", target: "n2" } },
        { atMs: 4_000, fault: { fault: "restart", target: "all" } },
      ],
      6_000,
    );
    const { run } = await drill(plan, refusingEtcd({ afterSeconds: 0 }));
    expect(run.checks.filter(({ verdict }) => verdict !== "holds")).toEqual([]);
    const [first = "", ...later] = run.history.flatMap((event) =>
      event.type === "fault" && /^(restart|heal)/.test(event.fault) ? [event.detail] : [],
    );
    expect(first).toContain("n2 refused to start on an empty disk, and without a majority nobody can replace it yet");
    expect(later.join("; ")).toContain("n2 refused to start on an empty disk and was removed and added anew");
  });

  test("what cannot be made is skipped with a reason, and an interrupted run still ends in order", async () => {
    const controller = new AbortController();
    const plan = drillPlanOf([{ atMs: 100, fault: { fault: "clockJump", target: "n1", byMs: 1_000 } }], 60_000);
    const timer = setTimeout(() => controller.abort(), 8_000);
    const { run } = await drill(plan, stockEtcd, controller.signal);
    clearTimeout(timer);
    expect(faultsOf(run)).toEqual([{ fault: "clockJump", result: "skipped" }]);
    expect(run.checks.find(({ name }) => name === "run-complete")?.verdict).toBe("unknown");
    expect(run.verdict).toBe("unknown");
    expect(leftBehind()).toEqual([]);
  });
});
