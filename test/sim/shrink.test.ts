import { expect, test } from "vitest";
import { scenarioNamed } from "../../scenarios/index.ts";
import type { Plan } from "../../scenarios/plan.ts";
import { planOf } from "../../sim/runner.ts";
import { shrinkPlan, sizeOf } from "../../sim/shrink.ts";

function planFor(name: string, seed: number): Plan {
  const scenario = scenarioNamed(name);
  if (scenario === undefined) throw new Error(name);
  return planOf(scenario, seed);
}

test("only the parts a failure needs are left", () => {
  const plan = planFor("mixed-everything", 3);
  const needed = plan.clients[1]?.calls[7]?.id;
  const fault = plan.faults[2]?.fault.fault;
  let tries = 0;
  const smallest = shrinkPlan(plan, {
    fails: (candidate) => {
      tries += 1;
      const calls = candidate.clients.flatMap((client) => client.calls);
      return (
        calls.some((call) => call.id === needed) && candidate.faults.some((planned) => planned.fault.fault === fault)
      );
    },
    mayGoOn: () => tries < 5_000,
  });
  expect(smallest.clients.map((client) => client.calls.map((call) => call.id))).toEqual([[needed]]);
  expect(smallest.faults.map((planned) => planned.fault.fault)).toEqual([fault]);
  expect(smallest.watches).toEqual([]);
  expect(smallest.members.map((member) => member.config)).toEqual(smallest.members.map(() => ({})));
  expect(sizeOf(smallest)).toBe(3);
});

test("without a budget the plan stays as it is", () => {
  const plan = planFor("steady", 1);
  expect(shrinkPlan(plan, { fails: () => true, mayGoOn: () => false })).toEqual(plan);
});
