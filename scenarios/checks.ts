/*
 * Names of the checks a scenario asks for.
 */

/** What every scenario is held to. */
export const standardChecks: readonly string[] = [
  "linearizable",
  "watch",
  "lease",
  "serializable",
  "replicas",
  "progress",
];
