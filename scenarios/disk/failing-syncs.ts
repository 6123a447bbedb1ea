/*
 * A sync reports an error. What it was to make durable may be on the disk or not, and asking again would tell nothing:
 * the system may have dropped the bytes and call the next sync a success. So the member ends at once, promises nothing
 * of it, and starts anew from what the disk then holds. Fault atlas: only what no sync covered is lost, and nobody was
 * promised that.
 */
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { failedSyncs, kills, powerLosses, strikes } from "../swarm.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "failing-syncs",
  why: "What a failed sync did not make durable is never acknowledged, and never asked of the disk a second time.",
  worlds: ["sim", "real"],
  cluster: { voters: [3, 3, 5] },
  workload: standardWorkload(),
  faults: (context) => [
    ...strikes(failedSyncs, context, { quietMs: 3_000, lengthMs: 2_000 }),
    ...strikes(powerLosses, context, { quietMs: 12_000, lengthMs: 1_000 }),
    ...strikes(kills, context, { quietMs: 12_000, lengthMs: 1_000 }),
  ],
  durationMs: { sim: 55_000, real: 24_000 },
  checks: standardChecks,
});
