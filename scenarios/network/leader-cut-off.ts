/*
 * The leader hears nobody while clients still reach it. It must neither acknowledge a write nor answer a read that
 * the other side has overtaken.
 */
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "leader-cut-off",
  why: "A leader left in a minority acknowledges no write and serves no read the majority has overtaken.",
  worlds: ["sim", "real"],
  cluster: { voters: 3 },
  workload: standardWorkload(),
  faults: (context) =>
    episodes(context.random.fork("cuts"), context, { quietMs: 4_000, lengthMs: 4_000 }).flatMap(
      ({ fromMs, untilMs }) => [at(fromMs).isolate("leader"), at(untilMs).healNetwork()],
    ),
  durationMs: { sim: 55_000, real: 20_000 },
  checks: standardChecks,
});
