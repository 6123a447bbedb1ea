/*
 * Links of a member hold everything back for a while and then let go of it at once: elections, appends and answers of
 * terms long over arrive in a flood, in order, after others have gone on without it.
 */
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { clogs, isolation, strikes } from "../swarm.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "clogged-links",
  why: "Messages that arrive very late, and all together, change nothing that was decided meanwhile.",
  worlds: ["sim", "real"],
  cluster: { voters: [3, 3, 5] },
  workload: standardWorkload(),
  faults: (context) => [
    ...strikes(clogs, context, { quietMs: 2_500, lengthMs: 3_000 }),
    ...strikes(isolation, context, { quietMs: 15_000, lengthMs: 1_500 }),
  ],
  durationMs: { sim: 55_000, real: 24_000 },
  checks: standardChecks,
});
