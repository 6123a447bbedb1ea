/*
 * Members that are set up differently, as in the middle of a change of their flags or their release: some write down how
 * much time leases have left and some do not, they cut, compact and batch at their own sizes. Leaders come and go among
 * them. What is in the log has to mean the same to each of them, whatever it would have done by itself.
 */
import { chance, oneOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { leases } from "../workload/lease.ts";
import { standardSources, standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "mixed-members",
  why: "What an entry does is decided by the entry, not by how the member that applies it is set up.",
  worlds: ["sim"],
  worldsWhy: "Stock members checkpoint every five minutes, far beyond the length of a drill.",
  cluster: {
    voters: 3,
    config: { leaseCheckpointMs: 500, leaseCheckMs: 100, tickMs: 30, electionTicks: 8, checkQuorum: true },
    memberConfig: (random) => ({
      leaseCheckpoints: chance(random, 50),
      preVote: chance(random, 70),
      snapshotEntries: oneOf(random, [20, 100, 10_000]),
      snapshotCatchUpEntries: oneOf(random, [0, 50]),
      segmentBytesMax: oneOf(random, [4_096, 65_536]),
      compactionEntriesPerTickMax: oneOf(random, [5, 100, 1_000]),
      watchRevisionsPerReplyMax: oneOf(random, [100, 300]),
    }),
  },
  link: { minDelayMs: 1, maxDelayMs: 5, lossPpm: 0, duplicatePpm: 1_000, reorderPpm: 1_000 },
  workload: standardWorkload({
    operationsPerSecond: 60,
    swarm: false,
    sources: [
      ...standardSources.filter(({ name }) => name !== "leases"),
      leases({ weight: 20, ttlSeconds: { min: 6, max: 12 }, uses: { min: 10, max: 60 } }),
    ],
  }),
  faults: (context) =>
    episodes(context.random.fork("ends"), context, { quietMs: 2_500, lengthMs: 800 }).flatMap(
      ({ fromMs, untilMs }, number) =>
        oneOf(context.random.fork(`end/${number}`), [
          [at(fromMs).kill("leader"), at(untilMs).restart("all")],
          [at(fromMs).transferLeader("follower")],
          [at(fromMs).transferLeader("follower")],
        ]),
    ),
  durationMs: { sim: 30_000, real: 30_000 },
  checks: standardChecks,
});
