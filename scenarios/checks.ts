/*
 * Names of the checks scenarios ask for; what each means stands in check/all.ts.
 */

/** What every scenario is held to. */
export const standardChecks: readonly string[] = [
  "linearizable",
  "watch",
  "leases",
  "serializable",
  "replicas",
  "durable",
  "progress",
];
