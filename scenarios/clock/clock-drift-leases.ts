/*
 * Leases on clocks that disagree: each member's runs up to 1 % fast or slow, and some jump ahead by less than half a
 * second, while leaders change. Times to live are 5 to 10 s, so that drift and jumps together stay below 600 ms: a
 * lease that ends earlier than that before its time, or lives on after an expiry was seen, is a bug and no clock's fault.
 */

import { between } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes, kills, strikes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { leases } from "../workload/lease.ts";
import { standardWorkload } from "../workload/mix.ts";
import { gets, puts } from "../workload/register.ts";
import { compareAndSets } from "../workload/txn.ts";

export default scenario({
  name: "clock-drift-leases",
  why: "A lease never ends before its time to live by the keeper's clock, and no clock brings a dead one back.",
  worlds: ["sim", "real"],
  cluster: { voters: 3, clockOffsetMsMax: 3_600_000 },
  workload: standardWorkload({
    operationsPerSecond: 60,
    swarm: false,
    sources: [leases({ weight: 10, ttlSeconds: { min: 5, max: 10 } }), puts(3), gets(3), compareAndSets(2)],
  }),
  faults: (context) => [
    // Drift is a fault and not a member's setting, so that it stands in the history for the checks to see.
    ...context.members.map((name) =>
      at(0).clockDrift(name, between(context.random.fork(`drift/${name}`), { min: -10_000, max: 10_000 })),
    ),
    ...strikes(kills, context, { quietMs: 8_000, lengthMs: 2_000 }),
    ...episodes(context.random.fork("jumps"), context, { quietMs: 6_000, lengthMs: 6_000 }).map(
      ({ fromMs }, number) => {
        const random = context.random.fork(`jump/${number}`);
        const member = context.members[random.below(context.members.length)] ?? "";
        return at(fromMs).clockJump(member, between(random, { min: 50, max: 400 }));
      },
    ),
  ],
  durationMs: { sim: 55_000, real: 30_000 },
  checks: standardChecks,
});
