/*
 * Plans from files, for the verbs that take one: a plan's own file, or the directory of a run that holds one.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../reports/command.ts";
import { type Plan, planFormat, planVersion } from "../scenarios/plan.ts";

/** @throws UsageError when there is no plan there, or one of another version */
export function readPlan(path: string): Plan {
  if (!existsSync(path)) throw new UsageError(`${path} does not exist; give a plan file or the directory of a run`);
  const file = statSync(path).isDirectory() ? join(path, "plan.json") : path;
  if (!existsSync(file)) throw new UsageError(`${path} holds no plan.json; give the directory of a run`);
  const plan = parse(file);
  if (plan.format !== planFormat) {
    throw new UsageError(`${file} is not a plan (its format is ${JSON.stringify(plan.format)}, not "${planFormat}")`);
  }
  if (plan.version !== planVersion) {
    throw new UsageError(
      `${file} is a plan of version ${JSON.stringify(plan.version)}, this faultline reads version ${planVersion}; run its scenario and seed again`,
    );
  }
  return plan;
}

function parse(file: string): Plan {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Plan;
  } catch (error) {
    throw new UsageError(`${file}: not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
}
