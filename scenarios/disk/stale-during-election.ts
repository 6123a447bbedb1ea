/*
 * What is acknowledged stands on two members of three while the third is cut off. Then one of the two dies, and the disk
 * of the other is put back to an old copy. The one that was cut off and the one that forgot are a majority, and neither
 * holds what was acknowledged: together they could elect a leader that lacks it. They must wait for the one that died.
 */
import { between } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "stale-during-election",
  why: "A member that forgot its promises elects nobody, however long the others are away.",
  worlds: ["sim", "real"],
  cluster: { voters: 3, config: { tickMs: 50, electionTicks: 10 } },
  link: { minDelayMs: 1, maxDelayMs: 8, lossPpm: 1_000, duplicatePpm: 5_000, reorderPpm: 5_000 },
  workload: standardWorkload(),
  faults: (context) => {
    const { random, members, safetyMs } = context;
    const first = random.below(members.length);
    const [stale, lagging, dying] = members.map((_, turn) => members[(first + turn) % members.length] ?? "");
    if (stale === undefined || lagging === undefined || dying === undefined) return [];
    const copyMs = between(random, { min: Math.floor(safetyMs * 0.05), max: Math.floor(safetyMs * 0.2) });
    // The one to be cut off has to know, from the leader, that the other holds more than the copy.
    const cutMs = copyMs + between(random, { min: 2_000, max: Math.floor(safetyMs * 0.2) + 2_000 });
    const restoreMs = cutMs + between(random, { min: 1_000, max: 4_000 });
    const backMs = restoreMs + between(random, { min: 2_000, max: 6_000 });
    return [
      at(copyMs).copyDisk(stale, "early"),
      at(cutMs).isolate(lagging),
      at(restoreMs).kill(dying),
      at(restoreMs + 1).restoreDisk("early"),
      at(restoreMs + 2 + random.below(500)).healNetwork(),
      at(restoreMs + 2 + random.below(1_000)).restart(stale),
      at(backMs).restart("all"),
    ];
  },
  durationMs: { sim: 45_000, real: 24_000 },
  checks: standardChecks,
});
