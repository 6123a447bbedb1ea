/*
 * Every small scenario by name.
 */
import acknowledgedAndCrashed from "./acknowledged-and-crashed.ts";
import asConfigured from "./as-configured.ts";
import deposedReader from "./deposed-reader.ts";
import earlierTerms from "./earlier-terms.ts";
import newLeaderReads from "./new-leader-reads.ts";
import rivalTails from "./rival-tails.ts";
import type { SmallScenario } from "./small-scenario.ts";
import votesAndCrashes from "./votes-and-crashes.ts";

/** In the order of their names. */
export const smallScenarios: readonly SmallScenario[] = [
  acknowledgedAndCrashed,
  asConfigured,
  deposedReader,
  earlierTerms,
  newLeaderReads,
  rivalTails,
  votesAndCrashes,
];

/** undefined when there is none of that name. */
export const smallScenarioNamed = (name: string): SmallScenario | undefined =>
  smallScenarios.find((known) => known.name === name);
