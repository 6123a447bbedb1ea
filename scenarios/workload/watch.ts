/*
 * Watchers: one of every key from the first revision at each member, which tells a checker what each revision was,
 * and some of a key or a stretch with filters, late starts and slow hands.
 */
import { between, chance, oneOf } from "../chance.ts";
import type { PlannedWatch } from "../plan.ts";
import type { DrawContext } from "../scenario.ts";
import { keysEnd, keysFrom } from "./source.ts";

/** First client number of watchers: beyond those of callers. */
export interface WatcherOptions {
  readonly firstClient: number;
  /** Keys of the workload. */
  readonly keys: readonly [string, ...string[]];
  /** Watchers besides the one at each member. */
  readonly more: number;
}

/** One alone may miss what is compacted while its member is away, and nobody else saw it. */
const everyKeyWatchesMin = 3;

export function watchers(context: DrawContext, options: WatcherOptions): PlannedWatch[] {
  const planned: PlannedWatch[] = [];
  const homes = context.members.length + context.spares.length;
  // In a cluster that starts small they are at the members still to come, too.
  for (let number = 0; number < Math.max(context.members.length, everyKeyWatchesMin); number++) {
    planned.push(everyKeyWatch(context, { client: options.firstClient + number, home: number % homes }));
  }
  for (let number = 0; number < options.more; number++) {
    planned.push(partialWatch(context, { client: options.firstClient + planned.length, number, keys: options.keys }));
  }
  return planned;
}

function everyKeyWatch(
  context: DrawContext,
  { client, home }: { readonly client: number; readonly home: number },
): PlannedWatch {
  const random = context.random.fork(`watch/member/${home}`);
  return {
    client,
    home,
    atMs: 0,
    key: "\0",
    rangeEnd: "\0",
    startRevision: 1,
    prevKv: chance(random, 50),
    noPut: false,
    noDelete: false,
    progressNotify: chance(random, 50),
    progressRequestMs: chance(random, 50) ? between(random, { min: 500, max: 3_000 }) : 0,
    slowByMs: 0,
  };
}

function partialWatch(
  context: DrawContext,
  options: { readonly client: number; readonly number: number; readonly keys: readonly [string, ...string[]] },
): PlannedWatch {
  const random = context.random.fork(`watch/partial/${options.number}`);
  const stretch = oneOf<Pick<PlannedWatch, "key" | "rangeEnd">>(random, [
    { key: oneOf(random, options.keys) },
    { key: keysFrom, rangeEnd: keysEnd },
    { key: oneOf(random, options.keys), rangeEnd: keysEnd },
  ]);
  const filter = oneOf(random, ["none", "none", "noPut", "noDelete"]);
  const planned: PlannedWatch = {
    client: options.client,
    home: random.below(context.members.length),
    atMs: between(random, { min: 0, max: Math.floor(context.safetyMs / 2) }),
    ...stretch,
    ...(chance(random, 60) ? { startRevision: 1 + random.below(200) } : undefined),
    prevKv: chance(random, 40),
    noPut: filter === "noPut",
    noDelete: filter === "noDelete",
    progressNotify: chance(random, 30),
    progressRequestMs: chance(random, 30) ? between(random, { min: 200, max: 2_000 }) : 0,
    slowByMs: chance(random, 40) ? between(random, { min: 50, max: 1_000 }) : 0,
  };
  // A notice would do for an answer, and a later question for an earlier one.
  const hearsOtherwise = planned.progressNotify || planned.progressRequestMs > 0;
  const asksAtOnce = !hearsOtherwise && chance(context.random.fork(`watch/asks/${options.number}`), 50);
  return asksAtOnce ? { ...planned, asksAtOnce } : planned;
}
