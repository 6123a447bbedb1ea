/*
 * Makes a failing plan smaller while it keeps failing in the same way: fewer faults, clients, calls and watches, fewer
 * members' tunings, shorter phases. Delta debugging over lists (Zeller, Hildebrandt 2002), simplest parts first. Plans are
 * built so that each part can be taken away alone.
 */
import type { Plan } from "../scenarios/plan.ts";

export interface ShrinkOptions {
  /** True when this plan still fails as the first one did. */
  readonly fails: (plan: Plan) => boolean;
  /** False ends the search with the smallest plan so far. */
  readonly mayGoOn: () => boolean;
  readonly onSmaller?: (plan: Plan) => void;
}

/** How much is in a plan: what shrinking makes less of. */
export const sizeOf = (plan: Plan): number =>
  plan.faults.length +
  plan.watches.length +
  plan.clients.length +
  plan.clients.reduce((sum, client) => sum + client.calls.length, 0);

/** The smallest plan found that still fails; the same plan when nothing can go. */
export function shrinkPlan(plan: Plan, options: ShrinkOptions): Plan {
  let smallest = plan;
  for (let round = 0; round < 10; round++) {
    const before = JSON.stringify(smallest).length;
    for (const pass of passes) smallest = pass(smallest, options);
    if (!options.mayGoOn() || JSON.stringify(smallest).length === before) break;
  }
  return smallest;
}

type Pass = (plan: Plan, options: ShrinkOptions) => Plan;

const passes: readonly Pass[] = [
  shortenPhases,
  (plan, options) => shrinkList(plan, options, plan.faults, (faults) => ({ ...plan, faults })),
  (plan, options) => shrinkList(plan, options, plan.clients, (clients) => ({ ...plan, clients })),
  (plan, options) => shrinkList(plan, options, plan.watches, (watches) => ({ ...plan, watches })),
  shrinkCalls,
  calmLinks,
  forgetTuning,
];

/** Removes ever smaller runs of items as long as the plan still fails. */
function shrinkList<Item>(
  plan: Plan,
  options: ShrinkOptions,
  items: readonly Item[],
  rebuild: (items: readonly Item[]) => Plan,
): Plan {
  let kept = items;
  let smallest = plan;
  for (let size = Math.max(1, kept.length >> 1); size >= 1 && kept.length > 0; size >>= 1) {
    for (let from = 0; from < kept.length && options.mayGoOn(); ) {
      const fewer = [...kept.slice(0, from), ...kept.slice(from + size)];
      const candidate = rebuild(fewer);
      if (options.fails(candidate)) {
        kept = fewer;
        smallest = candidate;
        options.onSmaller?.(smallest);
      } else from += size;
    }
  }
  return smallest;
}

/** All calls of all clients as one list, so that whole stretches of time can go at once. */
function shrinkCalls(plan: Plan, options: ShrinkOptions): Plan {
  const calls = plan.clients.flatMap((client) => client.calls.map((call) => ({ client: client.client, call })));
  calls.sort((a, b) => a.call.atMs - b.call.atMs || a.call.id - b.call.id);
  return shrinkList(plan, options, calls, (kept) => {
    const ids = new Set(kept.map(({ call }) => call.id));
    const clients = plan.clients.map((client) => ({ ...client, calls: client.calls.filter(({ id }) => ids.has(id)) }));
    return { ...plan, clients };
  });
}

/** Halves the safety phase, then the quiet at the end; faults beyond the end go with it. */
function shortenPhases(plan: Plan, options: ShrinkOptions): Plan {
  let smallest = plan;
  for (;;) {
    const { safetyMs } = smallest.phases;
    const shorter = Math.floor(safetyMs / 2);
    if (shorter < 100 || !options.mayGoOn()) break;
    const faults = smallest.faults.filter((fault) => fault.atMs < shorter);
    const candidate = { ...smallest, faults, phases: { ...smallest.phases, safetyMs: shorter } };
    if (!options.fails(candidate)) break;
    smallest = candidate;
    options.onSmaller?.(smallest);
  }
  return smallest;
}

/** A network that loses, repeats and reorders nothing, with one delay. */
function calmLinks(plan: Plan, options: ShrinkOptions): Plan {
  const { link } = plan;
  const calmer = [
    { ...link, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0, maxDelayMs: link.minDelayMs },
    { ...link, lossPpm: 0 },
    { ...link, duplicatePpm: 0 },
    { ...link, reorderPpm: 0 },
    { ...link, maxDelayMs: link.minDelayMs },
  ];
  let smallest = plan;
  for (const law of calmer) {
    const candidate = { ...smallest, link: law };
    if (JSON.stringify(law) === JSON.stringify(smallest.link) || !options.mayGoOn()) continue;
    if (!options.fails(candidate)) continue;
    smallest = candidate;
    options.onSmaller?.(smallest);
    if (law === calmer[0]) break;
  }
  return smallest;
}

/** Tuned fields back to their defaults, one by one, on all members together. */
function forgetTuning(plan: Plan, options: ShrinkOptions): Plan {
  const fields = [...new Set(plan.members.flatMap((member) => Object.keys(member.config)))].sort((a, b) =>
    a < b ? -1 : 1,
  );
  let smallest = plan;
  for (const field of fields) {
    if (!options.mayGoOn()) break;
    const members = smallest.members.map((member) => ({
      ...member,
      config: Object.fromEntries(Object.entries(member.config).filter(([name]) => name !== field)),
    }));
    const candidate = { ...smallest, members };
    if (!options.fails(candidate)) continue;
    smallest = candidate;
    options.onSmaller?.(smallest);
  }
  return smallest;
}
