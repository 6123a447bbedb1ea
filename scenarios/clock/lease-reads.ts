/*
 * Reads by lease where what they stand on holds: clocks run up to 3 % fast or slow, which the allowance covers at every
 * election timeout drawn here, and they jump, which it need not cover: ticks do not jump along. Members pause and die, are
 * cut off one way and both, and leadership is handed over, sometimes to a member that is not there to take it.
 */
import { between, chance, oneOf, someOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes, isolation, kills, oneWayCuts, pauses, strikes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { readersAndWriters } from "./clocks-apart.ts";

export default scenario({
  name: "lease-reads",
  why: "A read that a leader answers by its lease alone is as fresh as one that a quorum confirmed.",
  worlds: ["sim", "real"],
  ownMembersWhy: "etcd has no reads by lease",
  cluster: { voters: [3, 5], config: { leaseReads: true, checkQuorum: true } },
  workload: readersAndWriters,
  faults: (context) => [
    ...context.members.map((name) =>
      at(0).clockDrift(name, between(context.random.fork(`drift/${name}`), { min: -30_000, max: 30_000 })),
    ),
    ...strikes(isolation, context, { quietMs: 4_000, lengthMs: 2_000 }),
    ...strikes(oneWayCuts, context, { quietMs: 6_000, lengthMs: 2_000 }),
    ...strikes(pauses, context, { quietMs: 5_000, lengthMs: 1_500 }),
    ...strikes(kills, context, { quietMs: 6_000, lengthMs: 500 }),
    ...episodes(context.random.fork("jumps"), context, { quietMs: 5_000, lengthMs: 100 }).map(({ fromMs }, number) => {
      const own = context.random.fork(`jump/${number}`);
      const far = between(own, { min: 100, max: 3_000 });
      return at(fromMs).clockJump(oneOf(own, ["leader", ...context.members]), chance(own, 50) ? far : -far);
    }),
    ...episodes(context.random.fork("transfers"), context, { quietMs: 8_000, lengthMs: 1_000 }).flatMap(
      ({ fromMs, untilMs }, number) => {
        const own = context.random.fork(`transfer/${number}`);
        const [target = "follower"] = someOf(own, context.members, 1);
        const trouble = chance(own, 50) ? [at(fromMs - 10).isolate(target), at(untilMs).healNetwork()] : [];
        return [at(fromMs).transferLeader(target), ...trouble];
      },
    ),
  ],
  durationMs: { sim: 50_000, real: 20_000 },
  checks: standardChecks,
});
