/*
 * Long leases under leaders that come and go faster than the leases end, while each leader writes down how much time
 * they have left. Leaders are killed, lose power or hand over, one trouble at a time, so that a working leader is never
 * far: then a lease that nobody renews has to end although no leader lives as long as it does.
 */
import { oneOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { leases } from "../workload/lease.ts";
import { standardWorkload } from "../workload/mix.ts";
import { gets, puts } from "../workload/register.ts";

export default scenario({
  name: "lease-checkpoints",
  why: "Leader changes neither keep an unrenewed lease alive for ever nor end a renewed one early.",
  worlds: ["sim"],
  worldsWhy: "its elections take a quarter of a second, less than a process may have to wait for its turn",
  cluster: {
    voters: 3,
    config: (random) => ({
      leaseCheckpoints: true,
      leaseCheckpointMs: oneOf(random, [200, 500, 1_000]),
      leaseCheckMs: 100,
      leaseCheckpointsPerCheckMax: oneOf(random, [10, 1_000]),
      // Quick elections: what a leader change may add to a lease's life has to stay far below a leader's own.
      tickMs: 30,
      electionTicks: 8,
      checkQuorum: true,
    }),
  },
  link: { minDelayMs: 1, maxDelayMs: 5, lossPpm: 0, duplicatePpm: 1_000, reorderPpm: 1_000 },
  workload: standardWorkload({
    operationsPerSecond: 30,
    swarm: false,
    // Some are used for many seconds, so that renewals meet checkpoints; all are left to end at last.
    sources: [leases({ weight: 12, ttlSeconds: { min: 6, max: 15 }, uses: { min: 3, max: 60 } }), puts(2), gets(2)],
  }),
  faults: (context) =>
    episodes(context.random.fork("ends"), context, { quietMs: 3_500, lengthMs: 1_000 }).flatMap(
      ({ fromMs, untilMs }, number) => {
        const random = context.random.fork(`end/${number}`);
        return oneOf(random, [
          [at(fromMs).kill("leader"), at(untilMs).restart("all")],
          [at(fromMs).powerLoss("leader"), at(untilMs).restart("all")],
          [at(fromMs).transferLeader("follower")],
        ]);
      },
    ),
  durationMs: { sim: 55_000, real: 30_000 },
  checks: standardChecks,
});
