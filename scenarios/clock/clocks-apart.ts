/*
 * Clocks so far apart that no allowance covers it: the leader's runs at less than half its speed while it is cut off from
 * the others, whose clocks run fast. Clients still reach it. Two scenarios share this: reads by lease must turn stale,
 * reads by proof must not.
 */
import { between } from "../chance.ts";
import type { PlannedFault } from "../faults.ts";
import type { DrawContext, Workload } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";
import { gets, puts } from "../workload/register.ts";
import { compareAndSets } from "../workload/txn.ts";

/** Few keys and many reads: a stale one is soon seen. No leases: they live by these clocks, and have checks of their own. */
export const readersAndWriters: Workload = standardWorkload({
  operationsPerSecond: 200,
  keys: 3,
  swarm: false,
  sources: [gets(6), puts(3), compareAndSets(1)],
});

export function clocksApart(context: DrawContext): readonly PlannedFault[] {
  const { members } = context;
  return episodes(context.random.fork("apart"), context, { quietMs: 3_000, lengthMs: 4_000 }).flatMap(
    ({ fromMs, untilMs }, number) => {
      const own = context.random.fork(`apart/${number}`);
      return [
        ...members.map((name) => at(fromMs).clockDrift(name, between(own, { min: 300_000, max: 600_000 }))),
        at(fromMs).clockDrift("leader", -between(own, { min: 550_000, max: 700_000 })),
        at(fromMs + 500).isolate("leader"),
        at(untilMs).healNetwork(),
        ...members.map((name) => at(untilMs).clockDrift(name, 0)),
      ];
    },
  );
}
