/*
 * What reads by lease stand on is taken away: clocks drift apart by far more than the allowance. A leader that is cut off
 * believes in its lease while the others have elected another, and answers with what is no longer so.
 */
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { clocksApart, readersAndWriters } from "./clocks-apart.ts";

export default scenario({
  name: "lease-reads-clocks-apart",
  why: "Reads by lease are only as good as the clocks: beyond the allowance they must turn stale, and be caught.",
  worlds: ["sim", "real"],
  ownMembersWhy: "etcd has no reads by lease",
  cluster: { voters: 3, config: { leaseReads: true }, swarm: false },
  link: { minDelayMs: 1, maxDelayMs: 8, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0 },
  workload: readersAndWriters,
  faults: clocksApart,
  durationMs: { sim: 40_000, real: 20_000 },
  checks: standardChecks,
  meant: { violated: "linearizable", withinSeeds: 12 },
});
