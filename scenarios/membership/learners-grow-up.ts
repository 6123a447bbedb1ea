/*
 * Two learners join and become voters by themselves when they have caught up, while the founders fail one after the other.
 */
import { between, chance } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";
import { catchingUp } from "./catching-up.ts";

export default scenario({
  name: "learners-grow-up",
  why: "A learner that the leader promotes counts in no majority before it has caught up, and in every one after that.",
  worlds: ["sim", "real"],
  ownMembersWhy: "stock members promote nobody by themselves",
  cluster: { voters: [3, 1], spares: 2, config: { ...catchingUp, promoteLearners: true, learnersMax: 2 } },
  workload: standardWorkload(),
  faults: ({ random, members, spares, safetyMs }) => {
    const addedMs = Math.floor(safetyMs / 8);
    const troubles = [0, 1, 2, 3].flatMap((number) => {
      const own = random.fork(`trouble/${number}`);
      const fromMs = addedMs + number * 9_000 + between(own, { min: 0, max: 5_000 });
      const victim = chance(own, 50) ? "leader" : (members[own.below(members.length)] ?? "leader");
      const begin = chance(own, 50) ? at(fromMs).powerLoss(victim) : at(fromMs).isolate(victim);
      return [begin, at(fromMs + 2_500).healNetwork(), at(fromMs + 2_500).restart("all")];
    });
    return [...spares.map((name, position) => at(addedMs + position * 6_000).addLearner(name)), ...troubles];
  },
  healAllAtOnce: true,
  durationMs: { sim: 55_000, real: 40_000 },
  checks: standardChecks,
});
