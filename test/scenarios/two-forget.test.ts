/*
 * What seeds of two-forget-of-five draw: every way and order of forgetting, and the atlas that makes losing anything a bug.
 */
import { describe, expect, test } from "vitest";
import { defaultMemberConfig } from "../../core/index.ts";
import { drawPlan } from "../../scenarios/draw.ts";
import type { FaultName } from "../../scenarios/faults.ts";
import { scenarioNamed } from "../../scenarios/index.ts";
import type { Plan } from "../../scenarios/plan.ts";
import type { Scenario, World } from "../../scenarios/scenario.ts";
import { SimRandom } from "../../sim/random.ts";

const scenario = scenarioNamed("two-forget-of-five") as Scenario;
const plansIn = (world: World): readonly Plan[] =>
  Array.from({ length: 200 }, (_none, seed) =>
    drawPlan(scenario, { seed: seed + 1, random: new SimRandom(seed + 1), world }),
  );

interface Forgetting {
  readonly who: string;
  readonly how: string;
  readonly atMs: number;
}

const ownerOf = ({ faults }: Plan, label: string): string =>
  faults.map(({ fault }) => (fault.fault === "copyDisk" && fault.label === label ? fault.target : "")).join("");

const forgettingsOf = (plan: Plan): readonly Forgetting[] =>
  plan.faults.flatMap(({ atMs, fault }) => {
    if (fault.fault === "restoreDisk") return [{ who: ownerOf(plan, fault.label), how: fault.label, atMs }];
    return fault.fault === "wipeDisk" || fault.fault === "damageLog"
      ? [{ who: fault.target, how: fault.fault, atMs }]
      : [];
  });

const timesOf = ({ faults }: Plan, name: FaultName): readonly number[] =>
  faults.flatMap(({ atMs, fault }) => (fault.fault === name ? [atMs] : []));

describe.each(["sim", "real"] as const)("over some seeds in the %s world", (world) => {
  const plans = plansIn(world);

  test("exactly two forget, in every way and at every distance", () => {
    const gaps: number[] = [];
    const hows = new Set<string>();
    for (const plan of plans) {
      const forgettings = forgettingsOf(plan);
      expect(new Set(forgettings.map(({ who }) => who)).size).toBe(2);
      expect(forgettings.length).toBe(2);
      for (const { how } of forgettings) hows.add(how);
      gaps.push(Math.abs((forgettings[0]?.atMs ?? 0) - (forgettings[1]?.atMs ?? 0)));
    }
    const copies = world === "sim" ? ["first", "second", "silent"] : ["first", "second"];
    expect([...hows].sort()).toEqual(["damageLog", ...copies, "wipeDisk"]);
    expect(gaps.some((gap) => gap < 50)).toBe(true);
    expect(gaps.some((gap) => gap > 300 && gap < 2_000)).toBe(true);
    expect(gaps.some((gap) => gap > 4_000)).toBe(true);
    expect(new Set(plans.map(({ members }) => members.length))).toEqual(new Set(world === "sim" ? [5, 7] : [5]));
  });

  test("between all is well and both have asked nobody else comes back without a memory, and one at most is down", () => {
    for (const plan of plans) {
      const forgettings = forgettingsOf(plan);
      const firstMs = Math.min(...forgettings.map(({ atMs }) => atMs));
      const heals = timesOf(plan, "healAll");
      const wellMs = heals.filter((atMs) => atMs < firstMs).at(-1) ?? Number.POSITIVE_INFINITY;
      const overMs = heals.find((atMs) => atMs > firstMs) ?? 0;
      expect(firstMs - wellMs).toBeGreaterThanOrEqual(6_000);
      for (const { who, atMs } of forgettings) {
        const back = plan.faults.find(({ fault, atMs: thenMs }) => fault.fault === "restart" && thenMs > atMs);
        expect(back).toBeDefined();
        expect(overMs - atMs, who).toBeGreaterThan(3_000);
      }
      const amid = plan.faults.filter(({ atMs }) => atMs > wellMs && atMs < overMs).map(({ fault }) => fault);
      const restarted = amid.flatMap((fault) => (fault.fault === "restart" ? [fault.target] : []));
      expect(restarted.toSorted()).toEqual(forgettings.map(({ who }) => who).toSorted());
      expect(amid.filter(({ fault }) => fault === "kill").length).toBeLessThan(2);
      expect(amid.some(({ fault }) => fault === "killAll" || fault === "failSync" || fault === "fillDisk")).toBe(false);
    }
  });

  test("a copy that is younger than what the others heard is of a member that hears no leader", () => {
    for (const plan of plans) {
      const copy = plan.faults.find(({ fault }) => fault.fault === "copyDisk" && fault.label === "silent");
      if (copy?.fault.fault !== "copyDisk") continue;
      const { target } = copy.fault;
      const cut = plan.faults.findLast(({ fault, atMs }) => fault.fault === "partition" && atMs <= copy.atMs);
      if (cut?.fault.fault !== "partition") throw new Error("it is not cut off");
      expect(cut.fault.groups.flat()).not.toContain(target);
      expect(copy.atMs - cut.atMs).toBeGreaterThanOrEqual(100);
      const again = forgettingsOf(plan).find(({ who }) => who === target);
      const { tickMs, electionTicks } = { ...defaultMemberConfig, ...plan.members[0]?.config };
      expect((again?.atMs ?? 0) - cut.atMs).toBeLessThan(tickMs * electionTicks);
    }
  });
});
