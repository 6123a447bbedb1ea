/*
 * What becomes of members in a whole simulated run.
 */
import { expect, test } from "vitest";
import { memberIdOf } from "../../core/index.ts";
import { scenarioNamed } from "../../scenarios/index.ts";
import type { Plan } from "../../scenarios/plan.ts";
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
