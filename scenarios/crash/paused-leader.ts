/*
 * The leader stops for longer than an election takes and wakes up believing it still leads.
 */
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "paused-leader",
  why: "A leader that wakes from a long pause answers nothing from before its successor took over.",
  worlds: ["sim", "real"],
  cluster: { voters: 3 },
  workload: standardWorkload(),
  faults: (context) =>
    episodes(context.random.fork("pauses"), context, { quietMs: 4_000, lengthMs: 3_500 }).flatMap(
      ({ fromMs, untilMs }) => [at(fromMs).pause("leader"), at(untilMs).resume("all")],
    ),
  durationMs: { sim: 55_000, real: 20_000 },
  checks: standardChecks,
});
