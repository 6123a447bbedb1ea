/*
 * Leaders compact by themselves, often and closely behind the writers, by period or by revision, while leaders change:
 * slow watchers, reads of the past and members that catch up all meet a compact revision that moves under them.
 */
import { oneOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { kills, partitions, strikes } from "../swarm.ts";
import { standardSources, standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "auto-compaction",
  why: "History that the retention protects stays readable, whichever leader compacts; what it does not protect goes.",
  worlds: ["sim"],
  worldsWhy: "Only the simulator tells which compactions members asked for by themselves.",
  cluster: {
    voters: 3,
    config: (random) =>
      oneOf(random, [
        { autoCompactionRevisions: oneOf(random, [1, 50, 300]), autoCompactionCheckMs: oneOf(random, [300, 2_000]) },
        { autoCompactionPeriodMs: oneOf(random, [500, 3_000, 10_000]) },
      ]),
  },
  // Clients that compact as well would leave little to do.
  workload: standardWorkload({ sources: standardSources.filter(({ name }) => name !== "compactions") }),
  faults: (context) => [
    ...strikes(kills, context, { quietMs: 7_000, lengthMs: 2_000 }),
    ...strikes(partitions, context, { quietMs: 9_000, lengthMs: 3_000 }),
  ],
  durationMs: { sim: 55_000, real: 30_000 },
  checks: [...standardChecks, "retention"],
});
