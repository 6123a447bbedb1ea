/*
 * A follower is away so long that the entries it lacks are gone from every log: it must be sent a snapshot, while
 * writes and watches go on. The knobs are small, so that a few seconds suffice.
 */

import { oneOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "slow-follower-snapshot",
  why: "A member caught up by a snapshot holds, serves and streams exactly what the others do.",
  worlds: ["sim", "real"],
  cluster: {
    voters: 3,
    config: { snapshotEntries: 50, snapshotCatchUpEntries: 10, snapshotChunkBytes: 16_384 },
  },
  workload: standardWorkload(),
  faults: (context) =>
    episodes(context.random.fork("absences"), context, { quietMs: 4_000, lengthMs: 6_000 }).flatMap(
      ({ fromMs, untilMs }, number) => {
        const random = context.random.fork(`absence/${number}`);
        const name = oneOf(random, ["follower", "follower", "leader"]);
        return oneOf(random, [
          [at(fromMs).isolate(name), at(untilMs).healNetwork()],
          [at(fromMs).kill(name), at(untilMs).restart("all")],
          [at(fromMs).powerLoss(name), at(untilMs).restart("all")],
          [at(fromMs).pause(name), at(untilMs).resume("all")],
        ]);
      },
    ),
  durationMs: { sim: 55_000, real: 24_000 },
  checks: standardChecks,
});
