import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parsePlan } from "../../scenarios/plan-format.ts";
import { runPlan } from "../../sim/runner.ts";
import { root } from "../tidy/sources.ts";

const folder = join(root, "scenarios", "regression");
const plans = readdirSync(folder).filter((file) => file.endsWith(".json"));

test("there are runs that were red once", () => {
  expect(plans.length).toBeGreaterThan(0);
});

test.each(plans)("%s was red once, and holds", (file) => {
  const reading = parsePlan(readFileSync(join(folder, file), "utf8"));
  if (!reading.ok) throw new Error(reading.error);
  const { verdict, checks } = runPlan(reading.plan, { recodeEvery: 1 });
  expect(checks.filter((check) => check.verdict !== "holds")).toEqual([]);
  expect(verdict).toBe("holds");
});
