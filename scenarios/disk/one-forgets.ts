/*
 * One member forgets what it promised, in a run in which everything else may break too: its disk is wiped, put back to an
 * old copy, or its log is damaged.
 *
 * Fault atlas. A damaged log tells by itself that it is damaged, so the others may crash before and after; fewer members
 * are ever damaged than are needed to repair one, and no voter leaves. What is gone without a trace only the others'
 * memory tells (core/raft/amnesia.ts): all is healed some seconds before, so that they have heard what the member
 * promised, and until the end of the run none of them is stopped. Links may break as before.
 */
import type { Random } from "../../core/index.ts";
import { between, chance, oneOf } from "../chance.ts";
import type { FaultName, PlannedFault } from "../faults.ts";
import type { DrawContext } from "../scenario.ts";
import { type EpisodeOptions, episodes } from "../swarm.ts";
import { at } from "../timeline.ts";

/** Time for a leader to be elected and for all to be told by it what the others hold. */
const quietMs = 6_000;
const leastMs = 10_000;

/** These end a process, or may. */
const stopping: readonly FaultName[] = ["kill", "killAll", "failSync", "fillDisk", "removeMember", "changeMembers"];

/** The run's faults, with one member forgetting amid them; a run too short for it stays as it is. */
export function withOneForgetting(faults: readonly PlannedFault[], context: DrawContext): readonly PlannedFault[] {
  const random = context.random.fork("forgetting");
  const victim = oneOf(random, context.members as [string]);
  if (chance(random, 40)) return [...faults.filter(keepsVoters), ...damages(random, victim, context)];
  return context.safetyMs < leastMs ? faults : withoutTrace(faults, { random, victim, safetyMs: context.safetyMs });
}

/** A voter that goes may be the only other one that holds what the damaged log held. */
function keepsVoters({ fault }: PlannedFault): boolean {
  if (fault.fault === "changeMembers") return fault.remove.length + fault.demote.length === 0;
  return fault.fault !== "removeMember";
}

function damages(random: Random, victim: string, context: DrawContext): PlannedFault[] {
  const times: EpisodeOptions = { quietMs: 5_000, lengthMs: 1_500 };
  return episodes(random.fork("times"), context, times).flatMap(({ fromMs, untilMs }) => [
    at(fromMs).damageLog(victim),
    at(untilMs).restart(victim),
  ]);
}

function withoutTrace(
  faults: readonly PlannedFault[],
  how: { readonly random: Random; readonly victim: string; readonly safetyMs: number },
): readonly PlannedFault[] {
  const { random, victim, safetyMs } = how;
  const healMs = between(random, { min: 1_000, max: safetyMs - quietMs - 2_000 });
  const forgetMs = healMs + quietMs;
  const kept = faults.filter(({ atMs, fault }) =>
    atMs < healMs ? true : atMs > forgetMs && !stopping.includes(fault.fault),
  );
  const copyMs = healMs + between(random, { min: 2_000, max: 3_000 });
  const forgotten = chance(random, 50)
    ? [at(forgetMs).wipeDisk(victim)]
    : [at(copyMs).copyDisk(victim, "early"), at(forgetMs).restoreDisk("early")];
  return [...kept, at(healMs).healAll(), ...forgotten, at(forgetMs + 1 + random.below(1_500)).restart(victim)];
}
