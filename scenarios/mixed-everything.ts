/*
 * A swarm over every fault class that needs no fault atlas: per seed half of them are on, each as often as drawn.
 * Most runs are short: many mixtures tried for a while find more than few tried for long, and some bugs need long ones.
 */
import { standardChecks } from "./checks.ts";
import { scenario } from "./scenario.ts";
import { laterClasses, plainClasses, swarmOf } from "./swarm.ts";
import { standardWorkload } from "./workload/mix.ts";

export default scenario({
  name: "mixed-everything",
  why: "Faults that a system survives one by one must not break it together.",
  worlds: ["sim", "real"],
  cluster: { voters: [3, 3, 5] },
  workload: standardWorkload(),
  faults: (context) => swarmOf(plainClasses, context, laterClasses),
  durationMs: { sim: [4_000, 5_000, 6_000, 8_000, 10_000, 14_000, 20_000, 55_000], real: 30_000 },
  checks: standardChecks,
});
