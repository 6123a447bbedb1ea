/*
 * Members are exchanged in one step: some go, some come, some are promoted or demoted, the leader among them, by joint
 * consensus. Just then the cluster is cut in the middle, or the leader dies before it has left the joint configuration.
 */
import { between, chance, oneOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";
import { catchingUp } from "./catching-up.ts";

export default scenario({
  name: "replaced-in-one-step",
  why: "While members are exchanged, the old majority and the new one decide together and never against each other.",
  worlds: ["sim", "real"],
  cluster: { voters: [3, 4], spares: 3, config: { ...catchingUp, learnersMax: 3 } },
  workload: standardWorkload(),
  faults: ({ random, members, spares, safetyMs }) => {
    const [first = "n1", second = "n2"] = members;
    const [early = "", late = "", learner = ""] = spares;
    const stepMs = Math.floor(safetyMs / 6);
    const when = (step: number): number =>
      step * stepMs + between(random.fork(`step/${step}`), { min: 0, max: Math.floor(stepMs / 3) });
    const changes = [
      // A member is replaced, and a learner comes along.
      at(when(1)).changeMembers({ remove: [first], add: [early], addLearners: [learner] }),
      // The learner takes the place of the leader, or of another, who listens from then on.
      at(when(2)).changeMembers({ promote: [learner], demote: [chance(random.fork("who"), 50) ? "leader" : second] }),
      at(when(4)).changeMembers({ remove: ["leader"], add: [late] }),
    ];
    const troubles = [1, 2, 4].flatMap((step) => {
      const own = random.fork(`trouble/${step}`);
      const fromMs = when(step) + between(own, { min: 0, max: 120 });
      const healMs = fromMs + 3_000;
      const begin = oneOf(own, [
        [],
        [at(fromMs).powerLoss("leader")],
        [at(fromMs).isolate("leader")],
        [at(fromMs).partition([...members.slice(0, 2), late], [...members.slice(2), early, learner])],
        [at(fromMs).kill("follower")],
      ]);
      return begin.length === 0 ? [] : [...begin, at(healMs).healNetwork(), at(healMs).restart("all")];
    });
    return [...changes, ...troubles];
  },
  healAllAtOnce: true,
  durationMs: { sim: 60_000, real: 40_000 },
  checks: standardChecks,
});
