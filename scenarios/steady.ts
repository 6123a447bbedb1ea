/*
 * Nothing breaks: the floor every other scenario stands on, and the one where any red is a bug of plain service.
 */
import { standardChecks } from "./checks.ts";
import { scenario } from "./scenario.ts";
import { standardWorkload } from "./workload/mix.ts";

export default scenario({
  name: "steady",
  why: "Without any fault every promise of the API holds and nothing is refused for lack of a leader for long.",
  worlds: ["sim", "real"],
  cluster: { voters: 3 },
  workload: standardWorkload(),
  faults: [],
  durationMs: { sim: 55_000, real: 10_000 },
  checks: standardChecks,
});
