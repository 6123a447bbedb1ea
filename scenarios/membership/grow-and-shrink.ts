/*
 * A cluster of three grows to five and shrinks to three again, while leaders die and clients work.
 */
import { between, chance } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";
import { catchingUp } from "./catching-up.ts";

export default scenario({
  name: "grow-and-shrink",
  why: "Members come and go without a moment in which two majorities decide differently.",
  worlds: ["sim", "real"],
  cluster: { voters: 3, spares: 2, config: catchingUp },
  workload: standardWorkload(),
  faults: ({ random, members, spares, safetyMs }) => {
    const slotMs = Math.floor(safetyMs / 6);
    const when = (slot: number): number =>
      slot * slotMs + between(random.fork(`slot/${slot}`), { min: 0, max: Math.floor(slotMs / 2) });
    const troubles = [1, 2, 3, 4].flatMap((slot) => {
      const own = random.fork(`trouble/${slot}`);
      if (chance(own, 50)) return [];
      const fromMs = when(slot) + between(own, { min: 0, max: 1_000 });
      const begin = chance(own, 50) ? at(fromMs).powerLoss("leader") : at(fromMs).isolate("leader");
      return [begin, at(fromMs + 3_000).healNetwork(), at(fromMs + 3_000).restart("all")];
    });
    return [
      ...spares.map((name, position) => at(when(position + 1)).addVoter(name)),
      // Two at once: the second has to wait for the first.
      ...members.slice(0, 2).map((name) => at(when(4)).removeMember(name)),
      ...troubles,
    ];
  },
  healAllAtOnce: true,
  durationMs: { sim: 60_000, real: 40_000 },
  checks: standardChecks,
});
