/*
 * The leader itself is removed, more than once, and not always in peace.
 */
import { between, chance } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";
import { catchingUp } from "./catching-up.ts";

export default scenario({
  name: "leader-removed",
  why: "A leader that is removed steps down and ends for ever; what it acknowledged stays, and others go on.",
  worlds: ["sim", "real"],
  cluster: { voters: 5, spares: 1, config: catchingUp },
  workload: standardWorkload(),
  faults: ({ random, spares, safetyMs }) => {
    const everyMs = Math.floor(safetyMs / 4);
    const removals = [1, 2].flatMap((number) => {
      const own = random.fork(`removal/${number}`);
      const fromMs = number * everyMs + between(own, { min: 0, max: Math.floor(everyMs / 2) });
      if (chance(own, 40)) return [at(fromMs).removeMember("leader")];
      // Asked for just before, or just after, the leader is in trouble.
      const troubleMs = fromMs + between(own, { min: 0, max: 200 }) - 100;
      const trouble = chance(own, 50) ? at(troubleMs).isolate("leader") : at(troubleMs).powerLoss("leader");
      return [
        at(fromMs).removeMember("leader"),
        trouble,
        at(troubleMs + 4_000).healNetwork(),
        at(troubleMs + 4_000).restart("all"),
      ];
    });
    return [...removals, ...spares.map((name) => at(3 * everyMs).addVoter(name))];
  },
  healAllAtOnce: true,
  durationMs: { sim: 55_000, real: 40_000 },
  checks: standardChecks,
});
