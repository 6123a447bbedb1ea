/*
 * The same clocks that make reads by lease stale (lease-reads-clocks-apart): reads that ask a quorum each time do not
 * care about anybody's clock.
 */
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { clocksApart, readersAndWriters } from "./clocks-apart.ts";

export default scenario({
  name: "read-index-clocks-apart",
  why: "Reads that a quorum confirms are never stale, however far the clocks drift apart.",
  worlds: ["sim", "real"],
  cluster: { voters: 3, config: { leaseReads: false }, swarm: false },
  link: { minDelayMs: 1, maxDelayMs: 8, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0 },
  workload: readersAndWriters,
  faults: clocksApart,
  durationMs: { sim: 40_000, real: 20_000 },
  checks: standardChecks,
});
