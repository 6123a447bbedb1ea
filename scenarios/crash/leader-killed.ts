/*
 * The leader's process dies again and again, each time a leader anew, and comes back.
 */

import { chance } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "leader-killed",
  why: "A write that was acknowledged survives the death of the leader that acknowledged it.",
  worlds: ["sim", "real"],
  cluster: { voters: 3 },
  workload: standardWorkload(),
  faults: (context) =>
    episodes(context.random.fork("kills"), context, { quietMs: 5_000, lengthMs: 2_500 }).flatMap(
      ({ fromMs, untilMs }, number) => {
        const powerLoss = chance(context.random.fork(`power/${number}`), 50);
        const death = powerLoss ? at(fromMs).powerLoss("leader") : at(fromMs).kill("leader");
        return [death, at(untilMs).restart("all")];
      },
    ),
  durationMs: { sim: 55_000, real: 20_000 },
  checks: standardChecks,
});
