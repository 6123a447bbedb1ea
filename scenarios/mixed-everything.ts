/*
 * A swarm over every fault class: per seed half of the plain ones are on, each as often as drawn, and some of the rare
 * ones: operators who change members and leaders, clocks, a member that forgets. So are options that most clusters leave
 * off, and what clients ask for. Most runs are short: many mixtures tried for a while find more than few tried for long,
 * and some bugs need long ones.
 */
import { defaultMemberConfig, type MemberConfig, type Random } from "../core/index.ts";
import { chance, oneOf } from "./chance.ts";
import { standardChecks } from "./checks.ts";
import { withOneForgetting } from "./disk/one-forgets.ts";
import type { PlannedFault } from "./faults.ts";
import { comingsAndGoings } from "./membership/comings-and-goings.ts";
import { type DrawContext, scenario, type World } from "./scenario.ts";
import {
  clockDrifts,
  clockJumps,
  defragments,
  laterClasses,
  plainClasses,
  strikes,
  swarmOf,
  transfers,
} from "./swarm.ts";
import { drawRareTuning } from "./tuning.ts";
import { anyWorkload } from "./workload/any.ts";

/** A run of more is long enough for a log that one entry a round trip does not bring over in time. */
const slowFillMs = 14_000;

/**
 * One entry a round trip, and no snapshot that would spare it: who begins with nothing when the log is long is late by
 * design. In such a run nobody does.
 */
function fillsUpSlowly({ config, safetyMs }: DrawContext): boolean {
  const oneByOne =
    config.appendBytesMax === 0 && (config.appendsInFlightMax <= 2 || config.appendsInFlightBytesMax === 1);
  return oneByOne && config.snapshotEntries === defaultMemberConfig.snapshotEntries && safetyMs > slowFillMs;
}

function everyFault(context: DrawContext): readonly PlannedFault[] {
  const faults = swarmOf(plainClasses, context, laterClasses);
  if (context.world === "real") return faults;
  const random = context.random.fork("rare");
  const isOn = (name: string, percent: number): boolean => chance(random.fork(name), percent);
  const often = { quietMs: oneOf(random.fork("often"), [1_500, 4_000]), lengthMs: 1_500 };
  for (const rare of [transfers, clockJumps, clockDrifts, defragments]) {
    if (isOn(rare.name, 25)) faults.push(...strikes(rare, context, often));
  }
  if (fillsUpSlowly(context)) return faults;
  if (isOn("members", 40)) faults.push(...comingsAndGoings(context, often));
  return isOn("forgetting", 25) ? withOneForgetting(faults, context) : faults;
}

/** In some seeds the members differ: each leader then does what it is set up to do. */
const ofEach = (random: Random, world: World): Partial<MemberConfig> =>
  world === "sim" && chance(random, 10) ? { leaseCheckpoints: true, snapshotEntries: oneOf(random, [20, 10_000]) } : {};

/** What forgot, came or goes may need everybody. */
const needsAll: readonly PlannedFault["fault"]["fault"][] = [
  "damageLog",
  "wipeDisk",
  "restoreDisk",
  "addMember",
  "removeMember",
  "promoteMember",
  "changeMembers",
];

export default scenario({
  name: "mixed-everything",
  why: "Faults that a system survives one by one must not break it together.",
  worlds: ["sim", "real"],
  cluster: {
    voters: [3, 3, 5],
    spares: [0, 0, 1, 2],
    config: (random: Random, world: World) => ({
      learnersMax: world === "sim" ? oneOf(random.fork("learners"), [1, 3]) : 1,
      ...drawRareTuning(random, world),
    }),
    memberConfig: ofEach,
  },
  workload: anyWorkload,
  faults: everyFault,
  healAllAtOnce: (faults) => faults.some(({ fault }) => needsAll.includes(fault.fault)),
  durationMs: { sim: [4_000, 5_000, 6_000, 8_000, 10_000, 14_000, 20_000, 55_000], real: 30_000 },
  checks: [...standardChecks, "locks", "rights", "retention", "corruption"],
});
