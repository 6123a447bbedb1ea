/*
 * A member's disk is full: its backend cannot be committed, and its log has no more room than was set aside. It raises
 * the NOSPACE alarm while it still can, and the whole cluster refuses what adds bytes, alike on every member; reads,
 * deletes and compactions go on. An operator makes room and disarms the alarm, and writes go on. If the set-aside room is
 * used up first, the member ends, and comes back with all it had promised.
 */
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { fullDisks, isolation, kills, powerLosses, strikes } from "../swarm.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "disk-full",
  why: "A full disk stops writes, with an alarm that says so; it loses none, and they go on when there is room again.",
  worlds: ["sim", "real"],
  cluster: { voters: [3, 3, 5] },
  workload: standardWorkload(),
  faults: (context) => [
    ...strikes(fullDisks, context, { quietMs: 4_000, lengthMs: 3_000 }),
    ...strikes(kills, context, { quietMs: 9_000, lengthMs: 1_000 }),
    ...strikes(powerLosses, context, { quietMs: 12_000, lengthMs: 1_000 }),
    ...strikes(isolation, context, { quietMs: 12_000, lengthMs: 2_000 }),
  ],
  durationMs: { sim: 55_000, real: 24_000 },
  checks: standardChecks,
});
