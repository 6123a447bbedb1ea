/*
 * Rights change under users at work, while members restart, are cut off, and catch up by snapshots that replace users,
 * roles and tokens under their clients. Every member has to judge alike: what one carries out and another refuses makes
 * them differ for ever.
 */
import { oneOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { isolation, kills, partitions, pauses, powerLosses, swarmOf } from "../swarm.ts";
import { usersAtWork } from "../workload/users.ts";

export default scenario({
  name: "users-and-roles",
  why: "Nobody does what nobody granted, at no member, and rights that were granted are not refused.",
  worlds: ["sim"],
  worldsWhy: "The clients of a drill do not log in.",
  cluster: {
    voters: [3, 3, 5],
    config: (random) => ({ snapshotEntries: oneOf(random, [20, 60]), snapshotCatchUpEntries: oneOf(random, [0, 5]) }),
  },
  workload: usersAtWork(),
  faults: (context) => swarmOf([isolation, partitions, kills, powerLosses, pauses], context),
  durationMs: { sim: [12_000, 20_000, 30_000], real: 25_000 },
  checks: [...standardChecks, "rights"],
});
