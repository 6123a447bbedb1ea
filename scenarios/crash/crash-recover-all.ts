/*
 * Power goes for all members at once: what was not synced is lost, torn or zero. What was acknowledged was synced.
 */
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "crash-recover-all",
  why: "After power loss everywhere, everything acknowledged is still there: it was on a majority's disks before.",
  worlds: ["sim", "real"],
  cluster: { voters: 3 },
  workload: standardWorkload(),
  faults: (context) =>
    episodes(context.random.fork("losses"), context, { quietMs: 6_000, lengthMs: 1_500 }).flatMap(
      ({ fromMs, untilMs }) => [at(fromMs).powerLossOfAll(), at(untilMs).restart("all")],
    ),
  durationMs: { sim: 55_000, real: 20_000 },
  checks: standardChecks,
});
