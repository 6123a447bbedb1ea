/*
 * A machine dies for good. The operator removes its member first and adds a new one on another machine after that.
 */
import { between, chance, someOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";
import { catchingUp } from "./catching-up.ts";

export default scenario({
  name: "replace-member",
  why: "A dead member is replaced by a new one that ends with the data of the others.",
  worlds: ["sim", "real"],
  cluster: { voters: 3, spares: 1, config: catchingUp },
  workload: standardWorkload(),
  faults: ({ random, members, spares, safetyMs }) => {
    const [dead = "follower"] = someOf(random.fork("who"), members, 1);
    const diesMs = Math.floor(safetyMs / 6) + between(random.fork("when"), { min: 0, max: 3_000 });
    const removedMs = diesMs + between(random.fork("removed"), { min: 500, max: 8_000 });
    const addedMs = removedMs + between(random.fork("added"), { min: 0, max: 4_000 });
    const laterMs = addedMs + between(random.fork("later"), { min: 1_000, max: 10_000 });
    const later = chance(random.fork("trouble"), 50)
      ? [at(laterMs).powerLoss("leader"), at(laterMs + 3_000).restart("all")]
      : [at(laterMs).isolate("follower"), at(laterMs + 3_000).healNetwork()];
    return [
      chance(random.fork("how"), 50) ? at(diesMs).powerLoss(dead) : at(diesMs).isolate(dead),
      at(removedMs).removeMember(dead),
      ...spares.map((name) => at(addedMs).addVoter(name)),
      ...later,
    ];
  },
  healAllAtOnce: true,
  durationMs: { sim: 55_000, real: 40_000 },
  checks: standardChecks,
});
