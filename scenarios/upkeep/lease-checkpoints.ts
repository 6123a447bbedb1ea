/*
 * Long leases under leaders that come and go faster than the leases end, while each leader writes down how much time
 * they have left. Leaders are killed, lose power or hand over, one trouble at a time, so that a working leader is never
 * far: then a lease that nobody renews has to end although no leader lives as long as it does.
 */
import type { MemberConfig, Random } from "../../core/index.ts";
import { oneOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario, type World } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { leases } from "../workload/lease.ts";
import { standardWorkload } from "../workload/mix.ts";
import { gets, puts } from "../workload/register.ts";

/** Quick elections: what a leader change may add to a lease's life has to stay far below a leader's own. */
const quick = (random: Random): Partial<MemberConfig> => ({
  leaseCheckMs: 100,
  leaseCheckpointsPerCheckMax: oneOf(random, [10, 1_000]),
  tickMs: 30,
  electionTicks: 8,
});

/** A process may have to wait longer for its turn than such an election takes: there all is slower by as much. */
const atEase: Partial<MemberConfig> = { tickMs: 100, electionTicks: 10 };

/** Leases live as long as two or three leaders. */
const paceOf = (world: World) =>
  world === "sim"
    ? { ttlSeconds: { min: 6, max: 15 }, leaders: { quietMs: 3_500, lengthMs: 1_000 } }
    : { ttlSeconds: { min: 12, max: 20 }, leaders: { quietMs: 6_000, lengthMs: 2_500 } };

export default scenario({
  name: "lease-checkpoints",
  why: "Leader changes neither keep an unrenewed lease alive for ever nor end a renewed one early.",
  worlds: ["sim", "real"],
  ownMembersWhy: "stock members checkpoint every five minutes, far beyond the length of a drill",
  cluster: {
    voters: 3,
    config: (random, world) => ({
      leaseCheckpoints: true,
      leaseCheckpointMs: oneOf(random, [200, 500, 1_000]),
      checkQuorum: true,
      ...(world === "sim" ? quick(random) : atEase),
    }),
  },
  link: { minDelayMs: 1, maxDelayMs: 5, lossPpm: 0, duplicatePpm: 1_000, reorderPpm: 1_000 },
  workload: (context) =>
    standardWorkload({
      operationsPerSecond: 30,
      swarm: false,
      // Some are used for many seconds, so that renewals meet checkpoints; all are left to end at last.
      sources: [
        leases({ weight: 12, ttlSeconds: paceOf(context.world).ttlSeconds, uses: { min: 3, max: 60 } }),
        puts(2),
        gets(2),
      ],
    })(context),
  faults: (context) =>
    episodes(context.random.fork("ends"), context, paceOf(context.world).leaders).flatMap(
      ({ fromMs, untilMs }, number) => {
        const random = context.random.fork(`end/${number}`);
        return oneOf(random, [
          [at(fromMs).kill("leader"), at(untilMs).restart("all")],
          [at(fromMs).powerLoss("leader"), at(untilMs).restart("all")],
          [at(fromMs).transferLeader("follower")],
        ]);
      },
    ),
  durationMs: { sim: 55_000, real: 40_000 },
  checks: standardChecks,
});
