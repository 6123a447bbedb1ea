/*
 * Syncs take long, first here, then there: acknowledgements must wait for them, whatever else goes on meanwhile.
 */
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { kills, powerLosses, slowDisks, strikes } from "../swarm.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "slow-disks",
  why: "A slow sync delays an acknowledgement; it never lets one out early, nor depose a leader again and again.",
  worlds: ["sim", "real"],
  cluster: { voters: 3 },
  workload: standardWorkload(),
  faults: (context) => [
    ...strikes(slowDisks, context, { quietMs: 2_000, lengthMs: 5_000 }),
    ...strikes(powerLosses, context, { quietMs: 8_000, lengthMs: 1_000 }),
    ...strikes(kills, context, { quietMs: 10_000, lengthMs: 1_000 }),
  ],
  durationMs: { sim: 55_000, real: 20_000 },
  checks: standardChecks,
});
