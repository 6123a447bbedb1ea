/*
 * A member is away while all the others are replaced, one by one. When it comes back it knows nobody of those that are
 * there, and nobody it knows is. It must find out who belongs now, and serve as one of them; in some runs the others
 * cannot go on without its vote, in some it comes back from an even older disk.
 */
import { between, chance } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";
import { catchingUp } from "./catching-up.ts";

export default scenario({
  name: "absent-while-replaced",
  why: "A member that knows nobody any more finds the cluster it belongs to, and nobody else.",
  worlds: ["sim", "real"],
  // Strict, a cluster with a member down refuses to grow.
  cluster: { voters: 3, spares: 2, config: { ...catchingUp, strictReconfig: false } },
  workload: standardWorkload(),
  faults: ({ random, members, spares, safetyMs, world }) => {
    const [absent = "n1", ...others] = members;
    const stepMs = Math.floor(safetyMs / 8);
    const jitter = (step: string): number => between(random.fork(step), { min: 0, max: Math.floor(stepMs / 3) });
    const awayMs = stepMs + jitter("away");
    const isOld = chance(random.fork("disk"), 30);
    const replacements = others.flatMap((old, position) => {
      const beganMs = (2 + 2 * position) * stepMs + jitter(`add/${position}`);
      const added = spares[position] ?? "";
      // A newcomer that counts before its process runs takes the majority away: with processes that take their time it
      // would be that time which is measured, so there it comes as an operator would have it, as a learner.
      const joined =
        world === "sim"
          ? [at(beganMs).addVoter(added)]
          : [at(beganMs).addLearner(added), at(beganMs + stepMs / 2).promoteMember(added)];
      return [...joined, at(beganMs + stepMs + jitter(`remove/${position}`)).removeMember(old)];
    });
    const backMs = (2 + 2 * others.length) * stepMs + jitter("back");
    // Now two of three are there, and one of them is the one that was away.
    const trouble = chance(random.fork("trouble"), 50)
      ? [at(backMs - 200).powerLoss(spares[0] ?? ""), at(backMs + 8_000).restart("all")]
      : [];
    return [
      ...(isOld ? [at(awayMs - jitter("copy") - 500).copyDisk(absent, "early")] : []),
      isOld ? at(awayMs).restoreDisk("early") : at(awayMs).powerLoss(absent),
      ...replacements,
      at(backMs).restart(absent),
      ...trouble,
    ];
  },
  healAllAtOnce: true,
  durationMs: { sim: 64_000, real: 60_000 },
  checks: standardChecks,
});
