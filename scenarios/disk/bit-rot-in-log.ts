/*
 * A bit of a member's log flips while the member is down: in an old entry, in the newest one, in the beginning of a
 * segment. What stood there may have been promised, so it can neither be cut off nor be taken for never written: the
 * member must say that it forgot, be sent what it lacks, and count for nothing until then (core/storage/salvage.ts).
 *
 * Fault atlas: fewer members are ever damaged than are needed to repair one, so every entry is still whole on a member
 * that counts; the others may crash and lose power, which loses nothing that was promised.
 */
import { between, someOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { episodes, kills, powerLosses, strikes } from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

export default scenario({
  name: "bit-rot-in-log",
  why: "A member whose log was damaged gets back what it had promised before it promises anything again.",
  worlds: ["sim", "real"],
  cluster: { voters: [3, 3, 5] },
  workload: standardWorkload(),
  faults: (context) => {
    const { members } = context;
    const victims = someOf(context.random.fork("victims"), members, Math.floor((members.length - 1) / 2));
    const rots = victims.flatMap((victim) => {
      const random = context.random.fork(`rot/${victim}`);
      return episodes(random, context, { quietMs: 5_000, lengthMs: 1_500 }).flatMap(({ fromMs, untilMs }) => [
        at(fromMs).damageLog(victim),
        at(between(random, { min: fromMs + 1, max: untilMs })).restart(victim),
      ]);
    });
    return [
      ...rots,
      ...strikes(powerLosses, context, { quietMs: 9_000, lengthMs: 1_000 }),
      ...strikes(kills, context, { quietMs: 9_000, lengthMs: 1_000 }),
    ];
  },
  // One that was damaged needs more than a majority to be filled up: a minority left broken could keep it waiting.
  healAllAtOnce: true,
  durationMs: { sim: 55_000, real: 24_000 },
  checks: standardChecks,
});
