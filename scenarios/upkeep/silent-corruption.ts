/*
 * A bit flips in what one member stores, in some seeds the leader, in some in none, and nobody is told. Members compare
 * their hashes now and then: the alarm has to come for that member and for no other, whatever else is broken meanwhile.
 * Logs are never compacted here, as a snapshot would carry the flipped bit to another member.
 */
import { between, chance, oneOf } from "../chance.ts";
import { scenario } from "../scenario.ts";
import { kills, partitions, strikes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardSources, standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "silent-corruption",
  why: "Data that changed under a member is found, blamed on that member alone, and stops all writes.",
  worlds: ["sim", "real"],
  ownMembersWhy: "etcd locks its backend, so that nobody can flip a bit of it while it runs",
  cluster: {
    voters: [3, 3, 5],
    config: (random) => ({ corruptCheckMs: oneOf(random, [300, 1_500]), snapshotEntries: 1_000_000 }),
  },
  // A compaction might drop the flipped entry, and with it what there was to find.
  workload: standardWorkload({ sources: standardSources.filter(({ name }) => name !== "compactions") }),
  faults: (context) => {
    const random = context.random.fork("flip");
    const flipMs = between(random, { min: 5_000, max: Math.floor(context.safetyMs * 0.6) });
    const target = oneOf(random, ["leader", "follower", "follower"]);
    return [
      ...(chance(random, 75) ? [at(flipMs).flipValue(target)] : []),
      ...strikes(kills, context, { quietMs: 9_000, lengthMs: 2_000 }),
      ...strikes(partitions, context, { quietMs: 9_000, lengthMs: 3_000 }),
    ];
  },
  durationMs: { sim: 40_000, real: 30_000 },
  // Reads of the changed member show it, so what clients saw proves nothing else.
  checks: ["corruption"],
});
