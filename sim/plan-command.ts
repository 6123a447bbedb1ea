/*
 * Plans from files, for the verbs that take one: a plan's own file, or the directory of a run that holds one.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../reports/exit-code.ts";
import type { Plan } from "../scenarios/plan.ts";
import { parsePlan } from "../scenarios/plan-format.ts";

/** @throws UsageError when there is no plan there, or one that cannot run as written */
export function readPlan(path: string): Plan {
  if (!existsSync(path)) throw new UsageError(`${path} does not exist; give a plan file or the directory of a run`);
  const file = statSync(path).isDirectory() ? join(path, "plan.json") : path;
  if (!existsSync(file)) throw new UsageError(`${path} holds no plan.json; give the directory of a run`);
  const reading = parsePlan(readFileSync(file, "utf8"));
  if (!reading.ok) throw new UsageError(`${file}: ${reading.error}`);
  return reading.plan;
}
