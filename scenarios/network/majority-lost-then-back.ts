/*
 * Each member alone, or all but one dead: nothing may be acknowledged; then the majority returns and service must too.
 */

import { chance, someOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "majority-lost-then-back",
  why: "Without a majority nothing is acknowledged; once it is back, service is too, and nothing acknowledged is lost.",
  worlds: ["sim", "real"],
  cluster: { voters: 3 },
  workload: standardWorkload(),
  faults: (context) =>
    episodes(context.random.fork("losses"), context, { quietMs: 6_000, lengthMs: 4_000 }).flatMap(
      ({ fromMs, untilMs }, number) => {
        const random = context.random.fork(`loss/${number}`);
        if (chance(random, 50)) {
          const alone = context.members.map((name) => [name]);
          return [at(fromMs).partition(...alone), at(untilMs).healNetwork()];
        }
        const majority = someOf(random, context.members, Math.floor(context.members.length / 2) + 1);
        return [...majority.map((name) => at(fromMs).kill(name)), at(untilMs).restart("all")];
      },
    ),
  durationMs: { sim: 55_000, real: 20_000 },
  checks: standardChecks,
});
