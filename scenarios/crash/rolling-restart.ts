/*
 * What an operator does on every upgrade: one member after the other goes down and comes back while clients work.
 */

import { between } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

const downMs = 1_000;

export default scenario({
  name: "rolling-restart",
  why: "Restarting members one by one interrupts service for moments only and loses nothing.",
  worlds: ["sim", "real"],
  cluster: { voters: 3 },
  workload: standardWorkload(),
  faults: (context) => {
    const startMs = Math.floor(context.safetyMs / 8);
    const everyMs = Math.floor((context.safetyMs - startMs) / (2 * context.members.length));
    return context.members.flatMap((name, position) => {
      const random = context.random.fork(`restart/${name}`);
      return [0, 1].flatMap((round) => {
        const turn = position + round * context.members.length;
        const fromMs = startMs + turn * everyMs + between(random, { min: 0, max: Math.floor(everyMs / 8) });
        return [at(fromMs).kill(name), at(fromMs + Math.min(downMs, Math.floor(everyMs / 2))).restart(name)];
      });
    });
  },
  durationMs: { sim: 55_000, real: 24_000 },
  checks: standardChecks,
});
