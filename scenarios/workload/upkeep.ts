/*
 * What operators and their tools ask between the calls of everybody else: hashes, compactions that wait until what is old
 * is gone, and looks at members, leases, alarms and users.
 */
import { between, chance, oneOf } from "../chance.ts";
import { sights } from "../history.ts";
import type { OperationSource } from "./source.ts";

export const upkeep = (weight: number): OperationSource => ({
  name: "upkeep",
  weight,
  begin:
    () =>
    ({ random }) => {
      if (chance(random, 30)) return { op: "hashKv", revision: 0 };
      if (chance(random, 10))
        return { op: "compact", revisionBack: between(random, { min: 0, max: 100 }), physical: true };
      return { op: "look", at: oneOf(random, sights) };
    },
});
