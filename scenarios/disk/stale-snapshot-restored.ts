/*
 * One member's disk is put back to an old copy, as a careless operator or a broken array does. Raft allows a member to
 * forget only what no majority relies on, so this scenario stays inside a fault atlas:
 * 1. Only one member is ever stale, links lose nothing, and the others keep their disks. So every acknowledged entry
 *    that stood on the stale disk also stands on another, and while the stale member is down the others spread it.
 * 2. A vote it forgot was cast in a term the others have reached by then: it can vote again only in later ones.
 * 3. A leader that remembers the forgetful member's old acknowledgements would believe them. So both others are
 *    restarted, one after the other, while it is down: whoever leads afterwards has heard nothing from it yet.
 */
import { between } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

/** Several election timeouts of this cluster (0.5 to 1 s each): elections are over, and everyone has every entry. */
const catchUpMs = 4_000;
const downMs = 1_000;

export default scenario({
  name: "stale-snapshot-restored",
  why: "A member back from an old copy of its disk learns again what it forgot and serves no old state as new.",
  worlds: ["sim", "real"],
  cluster: { voters: 3, config: { tickMs: 50, electionTicks: 10, preVote: true, checkQuorum: true } },
  link: { minDelayMs: 1, maxDelayMs: 8, lossPpm: 0, duplicatePpm: 5_000, reorderPpm: 5_000 },
  workload: standardWorkload(),
  healAllAtOnce: true,
  faults: (context) => {
    const { random, members, safetyMs } = context;
    const stale = members[random.below(members.length)] ?? "";
    const copyMs = between(random, { min: Math.floor(safetyMs * 0.05), max: Math.floor(safetyMs * 0.15) });
    const restoreMs = between(random, { min: Math.floor(safetyMs * 0.2), max: Math.floor(safetyMs * 0.3) });
    const others = members.filter((name) => name !== stale);
    const restarts = others.flatMap((name, turn) => {
      const killMs = restoreMs + catchUpMs + turn * (downMs + catchUpMs);
      return [at(killMs).kill(name), at(killMs + downMs).restart(name)];
    });
    const returnMs = restoreMs + catchUpMs + others.length * (downMs + catchUpMs);
    return [
      at(copyMs).copyDisk(stale, "early"),
      at(restoreMs).restoreDisk("early"),
      ...restarts,
      at(returnMs + random.below(1_000)).restart(stale),
    ];
  },
  durationMs: { sim: 55_000, real: 30_000 },
  checks: standardChecks,
});
