/*
 * What becomes of members in a whole simulated run.
 */
import { describe, expect, test } from "vitest";
import { memberIdOf, requestIdOf } from "../../core/index.ts";
import { scenarioNamed } from "../../scenarios/index.ts";
import type { Plan } from "../../scenarios/plan.ts";
import { targetsOf } from "../../sim/operator.ts";
import { planOf, worldOf } from "../../sim/runner.ts";
import type { World } from "../../sim/world.ts";

function plannedBy(name: string, seed: number): Plan {
  const scenario = scenarioNamed(name);
  if (scenario === undefined) throw new Error(`the scenario ${name} is gone`);
  return planOf(scenario, seed);
}

function ran(plan: Plan): World {
  const world = worldOf(plan);
  world.run();
  expect(world.broken).toBeUndefined();
  return world;
}

const votersOf = (world: World) => world.hosts.find((host) => host.isUp)?.member?.raft.configuration.voters;

test("learners become voters by themselves once they have caught up", () => {
  for (const seed of [1, 2, 3]) {
    const plan = plannedBy("learners-grow-up", seed);
    expect(votersOf(ran(plan))).toEqual(plan.members.map((_member, slot) => memberIdOf(BigInt(slot + 1))));
  }
});

test("without being asked for they stay learners", () => {
  const plan = plannedBy("learners-grow-up", 1);
  const members = plan.members.map((member) => ({ ...member, config: { ...member.config, promoteLearners: false } }));
  const founders = plan.members.filter(({ joins }) => joins !== true);
  expect(votersOf(ran({ ...plan, members }))).toEqual(founders.map((_member, slot) => memberIdOf(BigInt(slot + 1))));
});

test("a learner that was cut off while it was removed hears of it when it is connected again", () => {
  const plan = plannedBy("steady", 1);
  const config = plan.members[0]?.config ?? {};
  const learner = { name: "n4", config, clockOffsetMs: 0, clockDriftPpm: 0, joins: true as const };
  const world = worldOf({
    ...plan,
    members: [...plan.members, learner],
    faults: [
      { atMs: 6_000, fault: { fault: "addMember", target: "n4", learner: true } },
      { atMs: 8_000, fault: { fault: "isolate", target: "n4" } },
      { atMs: 8_500, fault: { fault: "removeMember", target: "n4" } },
      { atMs: 10_000, fault: { fault: "healNetwork" } },
    ],
    phases: { ...plan.phases, safetyMs: 12_000 },
  });
  // It campaigns never, so nothing it says would be answered.
  world.run(9_900);
  expect(world.hosts[3]?.isUp).toBe(true);
  expect(world.hosts[0]?.member?.isRemoved(memberIdOf(4n))).toBe(true);
  world.run(11_000);
  expect(world.hosts[3]?.isUp).toBe(false);
});

test("machines of members whose addition was carried out and never answered are started all the same", () => {
  const plan = plannedBy("steady", 1);
  const config = plan.members[0]?.config ?? {};
  const spares = ["n4", "n5"].map((name) => ({
    name,
    config,
    clockOffsetMs: 0,
    clockDriftPpm: 0,
    joins: true as const,
  }));
  const world = worldOf({
    ...plan,
    members: [...plan.members, ...spares],
    faults: [{ atMs: 0, fault: { fault: "disarmAlarms" } }],
    phases: { ...plan.phases, safetyMs: 20_000 },
  });
  world.run(9_000);
  const { replied } = world.operator;
  world.operator.replied = () => true;
  for (const target of ["n4", "n5"]) {
    const change = { fault: "addMember", target, learner: false } as const;
    const targets = targetsOf(change, (named) => world.hosts.find(({ name }) => name === named));
    if (targets === undefined) throw new Error(`${target} is gone`);
    world.operator.begin(change, targets);
    world.run(target === "n4" ? 9_500 : 10_000);
  }
  world.operator.replied = replied;
  expect(votersOf(world)).toHaveLength(5);
  world.run(18_000);
  // Asked for again, each is refused before anybody looks whether it is there: too few members are started.
  expect(world.hosts.map((host) => host.isUp)).toEqual([true, true, true, true, true]);
});

describe("a member that ends because it was removed", () => {
  /** Some seconds into a quiet run, with an operator about. */
  function begun(): World {
    const plan = plannedBy("steady", 1);
    const world = worldOf({
      ...plan,
      faults: [{ atMs: 0, fault: { fault: "disarmAlarms" } }],
      phases: { ...plan.phases, safetyMs: 8_000 },
    });
    world.run(5_000);
    return world;
  }

  test("is asked for nothing at the end, also when the operator never heard the answer", () => {
    const world = begun();
    const change = { fault: "removeMember", target: "n3" } as const;
    const targets = targetsOf(change, (target) => world.hosts.find(({ name }) => name === target));
    if (targets === undefined) throw new Error("n3 is gone");
    expect(world.hosts[0]?.member?.raft.role).toBe("follower");
    world.operator.begin(change, targets);
    world.hosts[0]?.pause();
    world.operator.wake = () => {};
    world.run(7_000);
    world.hosts[0]?.kill({ powerLoss: false }, "killed");
    world.run();
    expect(world.hosts[2]?.isUp).toBe(false);
    expect(world.missing).toEqual([]);
  });

  test("is missed at the end when no operator ever asked for it", () => {
    const world = begun();
    const [asked, removed] = [world.hosts[0], world.hosts[2]];
    if (asked === undefined || removed === undefined) throw new Error("three members were planned");
    asked.step({
      type: "clientRequest",
      nowMs: asked.nowMs,
      requestId: requestIdOf(1_000_000),
      request: { type: "memberRemove", memberId: removed.memberId },
      requireLeader: false,
      credential: { type: "member" },
    });
    world.run();
    expect(removed.isUp).toBe(false);
    expect(world.missing).not.toEqual([]);
  });
});
