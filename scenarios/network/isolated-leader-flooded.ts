/*
 * A leader that is cut off is flooded with writes by clients that still reach it. What it may hold without a commit is
 * bounded by a few kilobytes: the rest is refused, and a refusal means that the write never happened.
 */
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";
import { gets, puts } from "../workload/register.ts";

export default scenario({
  name: "isolated-leader-flooded",
  why: "A leader that can commit nothing holds a bounded number of writes; what it refuses never takes effect.",
  worlds: ["sim"],
  worldsWhy: "etcd has no flag for the bound, and at its default a drill would need gigabytes to reach it",
  cluster: { voters: [3, 5], config: { uncommittedBytesMax: 1_024 } },
  workload: standardWorkload({ operationsPerSecond: 250, swarm: false, sources: [puts(6), gets(1)] }),
  faults: (context) =>
    episodes(context.random.fork("cuts"), context, { quietMs: 3_000, lengthMs: 3_000 }).flatMap(
      ({ fromMs, untilMs }) => [at(fromMs).isolate("leader"), at(untilMs).healNetwork()],
    ),
  durationMs: { sim: 40_000, real: 20_000 },
  checks: standardChecks,
});
