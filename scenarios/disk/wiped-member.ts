/*
 * One member's disk is wiped, and it is started again under its own name, as if it were new. It has promised much: it
 * must find that out from the others and be filled up again before it takes part in anything.
 */
import { between, chance } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "wiped-member",
  why: "A member that lost its whole disk is no new member: it may not vote again in a term it voted in.",
  worlds: ["sim", "real"],
  cluster: { voters: 3, config: { snapshotEntries: 50, snapshotCatchUpEntries: 10, snapshotChunkBytes: 16_384 } },
  workload: standardWorkload(),
  faults: (context) => {
    const { random, members, safetyMs } = context;
    const first = random.below(members.length);
    const [wiped, lagging, dying] = members.map((_, turn) => members[(first + turn) % members.length] ?? "");
    if (wiped === undefined || lagging === undefined || dying === undefined) return [];
    const cutMs = between(random, { min: Math.floor(safetyMs * 0.1), max: Math.floor(safetyMs * 0.3) });
    const wipeMs = cutMs + between(random, { min: 1_000, max: 4_000 });
    // Every other time the only member that holds all that was acknowledged is away for a while.
    const death = chance(random, 50) ? [at(wipeMs).kill(dying)] : [];
    return [
      at(cutMs).isolate(lagging),
      ...death,
      at(wipeMs + 1).wipeDisk(wiped),
      at(wipeMs + 2 + random.below(500)).healNetwork(),
      at(wipeMs + 2 + random.below(1_000)).restart(wiped),
      at(wipeMs + between(random, { min: 2_000, max: 6_000 })).restart("all"),
    ];
  },
  durationMs: { sim: 45_000, real: 20_000 },
  checks: standardChecks,
});
