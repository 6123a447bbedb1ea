/*
 * Links come and go faster than an election takes, in ever other places, over lossy and reordering links.
 */
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { badLinks, isolation, oneWayCuts, partitions, strikes } from "../swarm.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "flapping-links",
  why: "Links that come and go faster than elections cost time, never an acknowledged write or a stale read.",
  worlds: ["sim", "real"],
  cluster: { voters: 3 },
  workload: standardWorkload(),
  faults: (context) => [
    ...strikes(isolation, context, { quietMs: 1_500, lengthMs: 600 }),
    ...strikes(partitions, context, { quietMs: 2_500, lengthMs: 900 }),
    ...strikes(oneWayCuts, context, { quietMs: 1_500, lengthMs: 1_200 }),
    ...strikes(badLinks, context, { quietMs: 6_000, lengthMs: 5_000 }),
  ],
  durationMs: { sim: 55_000, real: 20_000 },
  checks: standardChecks,
});
