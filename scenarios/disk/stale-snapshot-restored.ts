/*
 * One member's disk is put back to an old copy, as a careless operator or a broken array does. It has forgotten votes and
 * entries, and the leader remembers what it acknowledged. It must find that out, take no part in any quorum until it has
 * learned again what it had promised, and end up with what the others hold. Only one member forgets, and the others keep
 * running: what they remember is what it finds out with (core/raft/amnesia.ts).
 */
import { between } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "stale-snapshot-restored",
  why: "A member back from an old copy of its disk learns again what it forgot and serves no old state as new.",
  worlds: ["sim", "real"],
  cluster: { voters: 3, config: { tickMs: 50, electionTicks: 10, preVote: true, checkQuorum: true } },
  link: { minDelayMs: 1, maxDelayMs: 8, lossPpm: 1_000, duplicatePpm: 5_000, reorderPpm: 5_000 },
  workload: standardWorkload(),
  faults: (context) => {
    const { random, members, safetyMs } = context;
    const stale = members[random.below(members.length)] ?? "";
    const copyMs = between(random, { min: Math.floor(safetyMs * 0.05), max: Math.floor(safetyMs * 0.3) });
    const restoreMs = between(random, { min: Math.floor(safetyMs * 0.4), max: Math.floor(safetyMs * 0.6) });
    return [
      at(copyMs).copyDisk(stale, "early"),
      at(restoreMs).restoreDisk("early"),
      at(restoreMs + random.below(2_000)).restart(stale),
    ];
  },
  durationMs: { sim: 45_000, real: 20_000 },
  checks: standardChecks,
});
