/*
 * Every small scenario by name.
 */
import acknowledgedAndCrashed from "./acknowledged-and-crashed.ts";
import asConfigured from "./as-configured.ts";
import copiesInAnyOrder from "./copies-in-any-order.ts";
import deposedReader from "./deposed-reader.ts";
import earlierTerms from "./earlier-terms.ts";
import emptiedDisk from "./emptied-disk.ts";
import handover from "./handover.ts";
import newLeaderReads from "./new-leader-reads.ts";
import rivalTails from "./rival-tails.ts";
import type { SmallScenario } from "./small-scenario.ts";
import votesAndCrashes from "./votes-and-crashes.ts";

/** In the order of their names. */
export const smallScenarios: readonly SmallScenario[] = [
  acknowledgedAndCrashed,
  asConfigured,
  copiesInAnyOrder,
  deposedReader,
  earlierTerms,
  emptiedDisk,
  handover,
  newLeaderReads,
  rivalTails,
  votesAndCrashes,
];

/** undefined when there is none of that name. */
export const smallScenarioNamed = (name: string): SmallScenario | undefined =>
  smallScenarios.find((known) => known.name === name);
