import { describe, expect, test } from "vitest";
import type { PlannedFault } from "../../scenarios/faults.ts";
import { scenarioNamed } from "../../scenarios/index.ts";
import type { Plan } from "../../scenarios/plan.ts";
import { verifyPlan } from "../../sim/replay.ts";
import { planOf, worldOf } from "../../sim/runner.ts";
import type { World } from "../../sim/world.ts";

function planFor(name: string, seed: number): Plan {
  const scenario = scenarioNamed(name);
  if (scenario === undefined) throw new Error(name);
  return planOf(scenario, seed);
}

/** The first seconds of a plan, with other faults. */
function shortPlan(seed: number, safetyMs: number, faults: readonly PlannedFault[]): Plan {
  const plan = planFor("steady", seed);
  return { ...plan, faults, phases: { safetyMs, progressBoundMs: 20_000, settleMs: plan.phases.settleMs } };
}

function ran(plan: Plan): World {
  const world = worldOf(plan, { recodeEvery: 1 });
  world.run();
  expect(world.broken).toBeUndefined();
  expect(world.missing).toEqual([]);
  return world;
}

const isThere = <Thing>(thing: Thing | undefined): thing is Thing => thing !== undefined;

const lifeEnds = (world: World): string[] =>
  world.recorder.history.flatMap((event) => (event.type === "life" && event.event === "ended" ? [event.detail] : []));
const faultsOf = (world: World): string[] =>
  world.recorder.history.flatMap((event) =>
    event.type === "fault" ? [`${event.fault} ${event.members.join("+")} ${event.result}`] : [],
  );

describe("a world", () => {
  test("runs a plan to its end, with every message carried over its bytes", () => {
    const world = ran(shortPlan(11, 5_000, []));
    expect(world.progressAfterMs).toBeDefined();
    expect(world.operations).toBeGreaterThan(200);
    const phases = world.recorder.history.flatMap((event) => (event.type === "phase" ? [event.phase] : []));
    expect(phases).toEqual(["safety", "liveness", "final"]);
    const hashes = world.recorder.history.flatMap((event) => (event.type === "replica" ? [event.hash] : []));
    expect(hashes).toHaveLength(3);
    expect(new Set(hashes).size).toBe(1);
  });

  test("refuses calls that require a leader while their member knows none, and keeps the others waiting", () => {
    const plan = shortPlan(5, 12_000, [{ atMs: 2_000, fault: { fault: "isolate", target: "n1" } }]);
    const refusedOf = (requireLeader: boolean): number => {
      const clients = plan.clients.map((client) => ({
        ...client,
        home: 0,
        failover: false,
        ...(requireLeader ? { requireLeader: true as const } : undefined),
      }));
      const { history } = ran({ ...plan, clients }).recorder;
      return history.filter(
        (event) => event.type === "return" && event.outcome === "failed" && event.error === "etcdserver: no leader",
      ).length;
    };
    expect(refusedOf(true)).toBeGreaterThan(10);
    expect(refusedOf(false)).toBe(0);
  });

  test("gives one digest for one plan, and another for another seed", () => {
    for (const name of ["mixed-everything", "crash-recover-all", "slow-follower-snapshot"]) {
      const plan = planFor(name, 7);
      const short = { ...plan, phases: { ...plan.phases, safetyMs: 15_000 } };
      const verification = verifyPlan(short, (same) => worldOf(same));
      expect(verification.same ? "same" : verification.lines.join("\n")).toBe("same");
    }
    const digests = [1, 2, 3].map((seed) => `${ran(shortPlan(seed, 2_000, [])).digest}`);
    expect(new Set(digests).size).toBe(3);
  });

  test("notices when one of two runs differs in a single event, and shows it", () => {
    const plan = shortPlan(3, 3_000, []);
    let made = 0;
    const verification = verifyPlan(plan, (same) => {
      made += 1;
      const world = worldOf(same);
      if (made === 2) world.hosts[1]?.disk.slow(1);
      return world;
    });
    expect(verification.same).toBe(false);
    if (!verification.same) expect(verification.lines.join("\n")).toMatch(/first .*second/s);
  });

  test("kills between outputs, loses power, restarts, and every member serves again", () => {
    const faults: PlannedFault[] = [];
    for (let round = 0; round < 12; round++) {
      const atMs = 1_000 + round * 1_500;
      faults.push({ atMs, fault: { fault: "kill", target: round % 2 === 0 ? "leader" : "follower", powerLoss: true } });
      faults.push({ atMs: atMs + 700, fault: { fault: "restart", target: "all" } });
    }
    const world = ran(shortPlan(5, 20_000, faults));
    const details = lifeEnds(world).join("\n");
    expect(details).toMatch(/after \d+ of \d+ outputs of a step/);
    expect(details).toMatch(/power lost: [1-9]\d* log operations \((missing|torn|zeros)\)/);
    expect(world.hosts.every((host) => host.isUp)).toBe(true);
  });

  test("a failed sync ends the process, keeps only a part of what it was to cover, and is not asked again", () => {
    const world = ran(
      shortPlan(8, 10_000, [
        { atMs: 2_000, fault: { fault: "failSync", target: "leader", persistent: false } },
        { atMs: 4_000, fault: { fault: "restart", target: "all" } },
        { atMs: 5_000, fault: { fault: "failSync", target: "n1", persistent: true } },
        { atMs: 6_000, fault: { fault: "restart", target: "n1" } },
        { atMs: 7_000, fault: { fault: "mendDisk", target: "n1" } },
        { atMs: 7_001, fault: { fault: "restart", target: "all" } },
      ]),
    );
    const ends = lifeEnds(world);
    expect(ends.filter((detail) => /^stopped: a sync of its (log|backend) failed, lost: /.test(detail))).toHaveLength(
      3,
    );
    expect(world.hosts.every((host) => host.isUp)).toBe(true);
  });

  test("a full disk refuses writes while it lasts, keeps reads and deletes, and writes go on when there is room", () => {
    const world = ran(
      shortPlan(8, 12_000, [
        { atMs: 3_000, fault: { fault: "fillDisk", target: "n2" } },
        { atMs: 8_000, fault: { fault: "mendDisk", target: "n2" } },
        { atMs: 8_000, fault: { fault: "disarmAlarms" } },
      ]),
    );
    const noSpace = /database space exceeded/;
    const between = (fromMs: number, toMs: number): string[] =>
      world.recorder.history.flatMap((event) => {
        if (event.type !== "return" || event.atMs < fromMs || event.atMs >= toMs) return [];
        return [event.outcome === "ok" ? event.answer.op : event.outcome === "failed" ? event.error : ""];
      });
    const whileFull = between(4_000, 8_000);
    expect(whileFull.filter((text) => noSpace.test(text)).length).toBeGreaterThan(20);
    expect(whileFull).toContain("range");
    expect(whileFull).toContain("deleteRange");
    expect(whileFull).not.toContain("put");
    const later = between(9_000, 12_000);
    expect(later.filter((text) => noSpace.test(text))).toEqual([]);
    expect(later).toContain("put");
    expect(lifeEnds(world)).toEqual([]);
  });

  test("a log that uses up what was set aside ends its member, which comes back with all it promised", () => {
    const heavy = shortPlan(8, 12_000, [
      { atMs: 2_000, fault: { fault: "isolate", target: "leader" } },
      { atMs: 2_000, fault: { fault: "fillDisk", target: "n1" } },
      { atMs: 2_000, fault: { fault: "fillDisk", target: "n2" } },
      { atMs: 2_000, fault: { fault: "fillDisk", target: "n3" } },
      { atMs: 9_000, fault: { fault: "mendDisk", target: "n1" } },
    ]);
    // Deletes go on under the alarm, and each of these takes a kilobyte of log.
    const key = "k".repeat(1_000);
    const clients = heavy.clients.map((client) => ({
      ...client,
      calls: client.calls.map((call) => ({ ...call, operation: { op: "deleteRange" as const, key } })),
    }));
    const world = ran({ ...heavy, clients: [...clients.slice(1), heavy.clients[0] ?? clients[0]].filter(isThere) });
    expect(lifeEnds(world)).toContain("stopped: no room left for its log");
    expect(world.hosts.every((host) => host.isUp)).toBe(true);
  });

  test("clogged links let everything go at once when they are healed, and nothing that was decided changes", () => {
    const world = ran(
      shortPlan(9, 10_000, [
        { atMs: 2_000, fault: { fault: "clogLinks", target: "leader" } },
        { atMs: 6_000, fault: { fault: "healNetwork" } },
      ]),
    );
    const leaders = world.recorder.history.flatMap((event) =>
      event.type === "role" && event.role === "leader" ? [event.member] : [],
    );
    expect(new Set(leaders).size).toBeGreaterThan(1);
  });

  test("a paused leader loses its place and follows when it goes on", () => {
    const world = ran(
      shortPlan(6, 12_000, [
        { atMs: 3_000, fault: { fault: "pause", target: "leader" } },
        { atMs: 9_000, fault: { fault: "resume", target: "all" } },
      ]),
    );
    const leaders = world.recorder.history.flatMap((event) =>
      event.type === "role" && event.role === "leader" ? [event.member] : [],
    );
    expect(new Set(leaders).size).toBeGreaterThan(1);
  });

  test("an only voter's disk is left to it: what it acknowledged lies nowhere else", () => {
    const three = shortPlan(8, 9_000, [
      { atMs: 2_000, fault: { fault: "copyDisk", target: "n1", label: "old" } },
      { atMs: 3_000, fault: { fault: "restoreDisk", label: "old" } },
      { atMs: 4_000, fault: { fault: "wipeDisk", target: "n1" } },
    ]);
    expect(faultsOf(ran(three))).toEqual([
      "copyDisk n1 done",
      "restoreDisk n1 done",
      "wipeDisk n1 done",
      "healAll n1+n2+n3 done",
    ]);
    const alone = { ...three, members: three.members.slice(0, 1) };
    const clients = alone.clients.map((client) => ({ ...client, home: 0 }));
    const watches = alone.watches.map((watch) => ({ ...watch, home: 0 }));
    expect(faultsOf(ran({ ...alone, clients, watches }))).toEqual([
      "copyDisk n1 done",
      "restoreDisk  skipped",
      "wipeDisk n1 skipped",
      "healAll n1 done",
    ]);
  });

  test("every planned fault is in the history, made or skipped with its reason", () => {
    const world = ran(
      shortPlan(8, 9_000, [
        { atMs: 1_000, fault: { fault: "kill", target: "n1", powerLoss: false } },
        { atMs: 2_000, fault: { fault: "kill", target: "n1", powerLoss: false } },
        { atMs: 2_500, fault: { fault: "copyDisk", target: "n2", label: "old" } },
        { atMs: 3_000, fault: { fault: "restoreDisk", label: "none" } },
        { atMs: 3_500, fault: { fault: "cutOneWay", from: "n2", to: "n3" } },
        { atMs: 4_000, fault: { fault: "partition", groups: [["n1"], ["n2", "n3"]] } },
        { atMs: 4_500, fault: { fault: "healNetwork" } },
        { atMs: 5_000, fault: { fault: "clockJump", target: "n2", byMs: 500 } },
        { atMs: 5_500, fault: { fault: "clockDrift", target: "n3", ppm: 5_000 } },
        { atMs: 6_000, fault: { fault: "slowDisk", target: "n3", byMs: 30 } },
      ]),
    );
    expect(faultsOf(world)).toEqual([
      "kill n1 done",
      "kill n1 skipped",
      "copyDisk n2 done",
      "restoreDisk  skipped",
      "cutOneWay n2+n3 done",
      "partition n1+n2+n3 done",
      "healNetwork n1+n2+n3 done",
      "clockJump n2 done",
      "clockDrift n3 done",
      "slowDisk n3 done",
      "healAll n1+n2+n3 done",
    ]);
  });
});
