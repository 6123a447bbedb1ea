/*
 * Leadership is handed over again and again, sometimes to a member that cannot take it.
 */
import { between, oneOf, someOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "leader-transfer",
  why: "Handing leadership over loses no write and never makes two leaders of one term.",
  worlds: ["sim", "real"],
  cluster: { voters: [3, 5] },
  workload: standardWorkload(),
  faults: (context) =>
    episodes(context.random.fork("transfers"), context, { quietMs: 2_500, lengthMs: 1_500 }).flatMap(
      ({ fromMs, untilMs }, number) => {
        const own = context.random.fork(`transfer/${number}`);
        const [target = "follower"] = someOf(own, context.members, 1);
        const troubleMs = fromMs + between(own, { min: 0, max: 60 }) - 30;
        const trouble = oneOf(own, [
          [],
          [],
          [at(troubleMs).powerLoss(target), at(untilMs).restart("all")],
          [at(troubleMs).isolate(target), at(untilMs).healNetwork()],
          [at(troubleMs).pause("leader"), at(untilMs).resume("all")],
        ]);
        return [at(fromMs).transferLeader(target), ...trouble];
      },
    ),
  durationMs: { sim: 55_000, real: 20_000 },
  checks: standardChecks,
});
