/*
 * One member's clock is set back, and later its disk is put back to an old copy: neither tells the number of its new
 * life from those of lives that are over. Others have met those, so they know better, and say so
 * (core/raft/lives.ts). Without that a leader would take the new life for an old one and never hear it, or take
 * the word of an old one for the word of the new one and count what is not there any more.
 */
import { between } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "stale-disk-and-clock",
  why: "A member whose disk and clock are both put back is not taken for one of its earlier lives.",
  worlds: ["sim", "real"],
  cluster: { voters: 3, config: { tickMs: 50, electionTicks: 10 } },
  link: { minDelayMs: 1, maxDelayMs: 8, lossPpm: 1_000, duplicatePpm: 5_000, reorderPpm: 50_000 },
  workload: standardWorkload(),
  faults: (context) => {
    const { random, members, safetyMs, world } = context;
    const stale = members[random.below(members.length)] ?? "";
    const backMs = between(random, { min: Math.floor(safetyMs * 0.03), max: Math.floor(safetyMs * 0.1) });
    const faults = [at(backMs).kill(stale), at(backMs + 1).clockJump(stale, -3_600_000), at(backMs + 2).restart(stale)];
    let nowMs = backMs + between(random, { min: 1_500, max: 3_000 });
    faults.push(at(nowMs).copyDisk(stale, "early"));
    // Each life begins from the same disk, under a clock that says nothing: first its own, then three times the copy.
    for (let life = 0; life < 4; life++) {
      // A process on a busy machine takes seconds to begin a life that others can meet.
      nowMs += between(random, { min: world === "sim" ? 1_000 : 5_000, max: Math.floor(safetyMs * 0.15) });
      faults.push(life === 0 ? at(nowMs).kill(stale) : at(nowMs).restoreDisk("early"));
      faults.push(at(nowMs + 1 + random.below(500)).restart(stale));
    }
    return faults;
  },
  durationMs: { sim: 45_000, real: 45_000 },
  checks: standardChecks,
});
