/*
 * What clients do in a scenario of everything: mostly the standard mix, with locks, compares of every kind and an operator's
 * questions among it; in some seeds users whose rights change under them.
 */
import { between, chance } from "../chance.ts";
import type { PlannedClient, PlannedWatch } from "../plan.ts";
import type { DrawContext, Workload } from "../scenario.ts";
import { locks } from "./lock.ts";
import { standardSources, standardWorkload } from "./mix.ts";
import { comparisons, readOnlyTxns } from "./txn.ts";
import { upkeep } from "./upkeep.ts";
import { usersAtWork } from "./users.ts";

const sources = [...standardSources, locks({ weight: 8, ttlSeconds: 2 }), comparisons(6), readOnlyTxns(5), upkeep(3)];

export const anyWorkload: Workload = (context) => {
  if (context.world === "real") return standardWorkload()(context);
  if (chance(context.random.fork("users"), 15)) return usersAtWork()(context);
  const { clients, watches } = standardWorkload({ sources })(context);
  return {
    clients: clients.map((client) => maybeImpatient(client, context)),
    watches: watches.map((watch) => maybeCancelled(watch, context)),
  };
};

/** Every third client asks to hear it at once when its member has no leader. */
const maybeImpatient = (client: PlannedClient, context: DrawContext): PlannedClient =>
  chance(context.random.fork(`leader/${client.client}`), 33) ? { ...client, requireLeader: true } : client;

/** Those of every key stay: they tell a checker what each revision was. */
function maybeCancelled(watch: PlannedWatch, context: DrawContext): PlannedWatch {
  const random = context.random.fork(`cancels/${watch.client}`);
  const isOfAll = watch.key === "\0";
  return isOfAll || chance(random, 70) ? watch : { ...watch, cancelAfterMs: between(random, { min: 300, max: 3_000 }) };
}
