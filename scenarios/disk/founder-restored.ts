/*
 * The member that founded the cluster comes back from a copy of its disk that was taken when it was alone, as a machine's
 * snapshot from the first day does. By that copy it is the only voter and may lead at once, answer for everybody and take
 * writes that nobody else will ever have. It must wait long enough to be found by the others, and learn from them instead
 * (core/raft/amnesia.ts). They keep running meanwhile: a founder that nobody can tell otherwise goes on alone.
 */
import { between } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { catchingUp } from "../membership/catching-up.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

const founder = "n1";

export default scenario({
  name: "founder-restored",
  why: "A founder back from a copy of the time when it was alone does not go on alone while the others are there.",
  worlds: ["sim", "real"],
  cluster: { voters: 1, spares: 2, config: catchingUp },
  workload: standardWorkload(),
  faults: ({ random, spares, safetyMs }) => {
    const part = (from: number, to: number): number =>
      between(random, { min: Math.floor(safetyMs * from), max: Math.floor(safetyMs * to) });
    const restoreMs = part(0.65, 0.75);
    return [
      at(part(0.03, 0.08)).copyDisk(founder, "alone"),
      ...spares.map((name, position) => at(part(0.1 + position * 0.25, 0.15 + position * 0.25)).addVoter(name)),
      at(restoreMs).restoreDisk("alone"),
      at(restoreMs + random.below(2_000)).restart(founder),
    ];
  },
  healAllAtOnce: true,
  durationMs: { sim: 45_000, real: 40_000 },
  checks: standardChecks,
});
