/*
 * The checks a plan asks for, told what they must know of it.
 */
import { defaultMemberConfig, type MemberConfig } from "../../core/index.ts";
import type { Plan } from "../plan.ts";
import { type CheckOptions, checksByNames } from "./all.ts";
import type { Check } from "./verdict.ts";

/** @throws when the plan names a check that does not exist */
export function checksOfPlan(plan: Plan): readonly Check[] {
  const checks = checksByNames(plan.checks, checkOptionsOf(plan));
  if (checks === undefined) throw new Error(`the plan asks for a check that does not exist: ${plan.checks.join(" ")}`);
  return checks;
}

/** Its slowest election, its bound on progress, how wrong its clocks are. */
function checkOptionsOf(plan: Plan): CheckOptions {
  let electionTimeoutMs = 0;
  let driftPpm = 0;
  let leaseCheckpointMs = 0;
  let allCheckpoint = true;
  for (const member of plan.members) {
    const config: MemberConfig = { ...defaultMemberConfig, ...member.config };
    const { tickMs, electionTicks } = config;
    allCheckpoint &&= config.leaseCheckpoints;
    if (config.leaseCheckpoints) {
      leaseCheckpointMs = Math.max(leaseCheckpointMs, config.leaseCheckpointMs + config.leaseCheckMs + tickMs);
    }
    electionTimeoutMs = Math.max(electionTimeoutMs, tickMs * electionTicks);
    driftPpm = Math.max(driftPpm, Math.abs(member.clockDriftPpm));
  }
  return {
    electionTimeoutMs,
    progressBoundMs: plan.phases.progressBoundMs,
    // A leader that makes none starts leases anew.
    leaseCheckpointMs: allCheckpoint ? leaseCheckpointMs : 0,
    // Leases of a run last a minute at most.
    leaseEarlySlackMs: Math.ceil((driftPpm * 60_000) / 1_000_000),
  };
}
