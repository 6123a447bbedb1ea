/*
 * A learner joins, catches up under faults, and becomes a voter that is needed soon after.
 */
import { between, chance } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";
import { catchingUp } from "./catching-up.ts";

export default scenario({
  name: "learner-promoted",
  why: "A learner counts in no majority before it is promoted, and counts in every one after that.",
  worlds: ["sim", "real"],
  cluster: { voters: [3, 2, 1], spares: 1, config: catchingUp },
  workload: standardWorkload(),
  faults: ({ random, spares, safetyMs }) => {
    const addedMs = Math.floor(safetyMs / 8) + between(random.fork("added"), { min: 0, max: 3_000 });
    const promotedMs = addedMs + between(random.fork("promoted"), { min: 0, max: 12_000 });
    const troubles = [0, 1, 2].flatMap((number) => {
      const own = random.fork(`trouble/${number}`);
      const fromMs = addedMs + number * 7_000 + between(own, { min: 0, max: 4_000 });
      const begin = chance(own, 50) ? at(fromMs).powerLoss("leader") : at(fromMs).isolate("follower");
      return [begin, at(fromMs + 2_500).healNetwork(), at(fromMs + 2_500).restart("all")];
    });
    return [
      ...spares.flatMap((name) => [at(addedMs).addLearner(name), at(promotedMs).promoteMember(name)]),
      ...troubles,
    ];
  },
  healAllAtOnce: true,
  durationMs: { sim: 55_000, real: 40_000 },
  checks: standardChecks,
});
