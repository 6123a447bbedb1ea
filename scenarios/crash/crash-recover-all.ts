/*
 * Power goes for all members at once: what was not synced is lost, torn or zero. What was acknowledged was synced.
 * Slow disks before the loss leave more unsynced; members that come back one after the other let those elect a
 * leader that may have lost most.
 */
import { between, chance } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import type { PlannedFault } from "../faults.ts";
import { type DrawContext, scenario } from "../scenario.ts";
import { type Episode, episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "crash-recover-all",
  why: "After power loss everywhere, everything acknowledged is still there: it was on a majority's disks before.",
  worlds: ["sim", "real"],
  cluster: { voters: 3 },
  workload: standardWorkload(),
  faults: (context) => {
    const random = context.random.fork("losses");
    return episodes(random.fork("times"), context, { quietMs: 6_000, lengthMs: 1_500 }).flatMap((episode, number) =>
      loss(episode, { ...context, random: random.fork(`episode/${number}`) }),
    );
  },
  durationMs: { sim: 55_000, real: 20_000 },
  checks: standardChecks,
});

function loss({ fromMs, untilMs }: Episode, { random, members, world, safetyMs }: DrawContext): PlannedFault[] {
  const slow = world === "sim" ? members.filter(() => chance(random, 40)) : [];
  const slowByMs = between(random, { min: 20, max: 400 });
  const together = chance(random, 40);
  const back = members.map((name): PlannedFault => {
    const lateMs = between(random, { min: 0, max: 3_000 });
    return at(Math.min(untilMs + lateMs, safetyMs - 1)).restart(name);
  });
  return [
    ...slow.map((name) => at(Math.max(0, fromMs - 1_000)).slowDisk(name, slowByMs)),
    at(fromMs).powerLossOfAll(),
    ...slow.map((name) => at(untilMs).slowDisk(name, 0)),
    ...(together ? [at(untilMs).restart("all")] : back),
  ].sort((a, b) => a.atMs - b.atMs);
}
