/*
 * Backends grow to their quota, each at its own pace: one member was defragmented, another keeps what compactions left
 * behind. The first to be full raises the NOSPACE alarm through the log, and from then on all members refuse alike what
 * adds bytes. An operator defragments and takes the alarm away. Nobody's own file may decide what becomes of an entry:
 * members that do not agree on it differ for ever.
 */
import { oneOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import { scenario } from "../scenario.ts";
import { defragments, isolation, kills, strikes } from "../swarm.ts";
import { standardWorkload } from "../workload/mix.ts";

const kib = 1_024;

export default scenario({
  name: "quota-reached",
  why: "Whether a write still fits is one answer for the whole cluster, however its members' files differ.",
  worlds: ["sim"],
  worldsWhy: "A real backend takes much longer than a drill to grow to the least quota there is.",
  cluster: {
    voters: 3,
    config: (random) => ({
      quotaBytes: oneOf(random, [28 * kib, 32 * kib, 40 * kib]),
      autoCompactionRevisions: 50,
      autoCompactionCheckMs: oneOf(random, [1_000, 3_000]),
    }),
  },
  workload: standardWorkload(),
  faults: (context) => [
    ...strikes(defragments, context, { quietMs: 1_500, lengthMs: 1_500 }),
    ...strikes(kills, context, { quietMs: 7_000, lengthMs: 1_000 }),
    ...strikes(isolation, context, { quietMs: 9_000, lengthMs: 2_000 }),
  ],
  durationMs: { sim: [15_000, 30_000], real: 24_000 },
  checks: standardChecks,
});
