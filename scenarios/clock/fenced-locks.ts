/*
 * Locks as etcd's clients build them, while members pause, die and are cut off. A holder that lost its lease does not
 * know; the fence does: a write that names the revision of the holder's key must then find it gone.
 */
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { isolation, kills, pauses, swarmOf } from "../swarm.ts";
import { locks } from "../workload/lock.ts";
import { standardWorkload } from "../workload/mix.ts";
import { gets } from "../workload/register.ts";

export default scenario({
  name: "fenced-locks",
  why: "A write behind a lock's fence happens only while the holder's key stands, however late the holder learns.",
  worlds: ["sim", "real"],
  cluster: { voters: 3 },
  workload: standardWorkload({
    operationsPerSecond: 40,
    swarm: false,
    sources: [locks({ weight: 5, ttlSeconds: 2 }), gets(1)],
  }),
  faults: (context) => swarmOf([isolation, pauses, kills], context),
  durationMs: { sim: 55_000, real: 25_000 },
  checks: [...standardChecks, "locks"],
});
