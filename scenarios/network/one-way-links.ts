/*
 * Messages pass in one direction only: a leader that is heard but hears nobody, a follower that hears but cannot answer.
 */

import { oneOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "one-way-links",
  why: "A link that works one way only neither keeps a deaf leader in office for long nor lets two rule at once.",
  worlds: ["sim", "real"],
  cluster: { voters: 3, config: { checkQuorum: true } },
  workload: standardWorkload(),
  faults: (context) =>
    episodes(context.random.fork("cuts"), context, { quietMs: 3_000, lengthMs: 5_000 }).flatMap(
      ({ fromMs, untilMs }, number) => {
        const kind = oneOf(context.random.fork(`cut/${number}`), ["deafLeader", "muteLeader", "oneLink"]);
        const heal = at(untilMs).healNetwork();
        if (kind === "oneLink") return [at(fromMs).cutOneWay({ from: "leader", to: "follower" }), heal];
        const cuts = context.members.map((name) =>
          at(fromMs).cutOneWay(kind === "deafLeader" ? { from: name, to: "leader" } : { from: "leader", to: name }),
        );
        return [...cuts, heal];
      },
    ),
  durationMs: { sim: 55_000, real: 20_000 },
  checks: standardChecks,
});
