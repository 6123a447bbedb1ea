/*
 * Clients that draw each call from a weighted mix of sources. In a swarm the mix itself is drawn: some sources are
 * left out, others come more often, because a bug that needs many deletes hides among even numbers of everything.
 */
import { between, chance, oneOf } from "../chance.ts";
import type { PlannedCall, PlannedClient } from "../plan.ts";
import type { DrawContext, Workload } from "../scenario.ts";
import { leases } from "./lease.ts";
import { compactions, ranges, stretchDeletes } from "./range.ts";
import { deletes, gets, oldGets, puts, serializableGets } from "./register.ts";
import { keyNames, type OperationSource, type SourceContext } from "./source.ts";
import { compareAndSets, wideTxns } from "./txn.ts";
import { watchers } from "./watch.ts";

export interface MixOptions {
  readonly clients: number;
  /** All clients together, in the safety phase. */
  readonly operationsPerSecond: number;
  /** Most keys the clients share; a swarm draws fewer. */
  readonly keys: number;
  /** Watchers besides the one of every key at each member. */
  readonly watchers: number;
  readonly sources: readonly OperationSource[];
  /** False: all sources, all keys, weights as given. */
  readonly swarm: boolean;
}

/** After the safety phase calls come this much more slowly: enough to see progress. */
const quietFactor = 5;

/** A workload of that mix. Client numbers and call ids count from 1. */
export const mix =
  (options: MixOptions): Workload =>
  (context) => {
    const random = context.random.fork("mix");
    const sources = options.swarm ? drawSources(random.fork("sources"), options.sources) : options.sources;
    const most = { min: 1, max: options.keys };
    const keys = keyNames(options.swarm ? Math.max(between(random, most), between(random, most)) : options.keys);
    const clients: PlannedClient[] = [];
    let firstCall = 1;
    for (let client = 1; client <= options.clients; client++) {
      const planned = drawClient(context, { ...options, sources, source: { client, keys }, firstCall });
      firstCall += planned.calls.length;
      clients.push(planned);
    }
    const watches = watchers(context, { firstClient: options.clients + 1, keys, more: options.watchers });
    return { clients, watches };
  };

/** The first source always stays, so that there is something to see. */
function drawSources(random: DrawContext["random"], sources: readonly OperationSource[]): OperationSource[] {
  return sources
    .filter((_, position) => position === 0 || chance(random, 80))
    .map((source) => ({ ...source, weight: source.weight * oneOf(random, [1, 1, 2, 4]) }));
}

function drawClient(
  context: DrawContext,
  options: MixOptions & { readonly source: SourceContext; readonly firstCall: number },
): PlannedClient {
  const { client } = options.source;
  const random = context.random.fork(`client/${client}`);
  const slowest = context.world === "sim" ? 4_000 : 8_000;
  return {
    client,
    home: (client - 1) % context.members.length,
    timeoutMs: between(random, { min: context.world === "sim" ? 500 : 2_000, max: slowest }),
    // One client in five stays where it is: what a member cut off from the others tells it must hold too.
    failover: client % 5 !== 0,
    calls: drawCalls(context, options, random),
  };
}

function drawCalls(
  context: DrawContext,
  options: MixOptions & { readonly source: SourceContext; readonly firstCall: number },
  random: DrawContext["random"],
): PlannedCall[] {
  const draws = options.sources.map((source) => source.begin(options.source));
  const weights = options.sources.map((source) => source.weight);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const gapMs = (options.clients * 1_000) / options.operationsPerSecond;
  const calls: PlannedCall[] = [];
  let atMs = 0;
  for (;;) {
    const meanMs = atMs < context.safetyMs ? gapMs : gapMs * quietFactor;
    atMs += random.below(Math.max(1, Math.round(2 * meanMs))) + 1;
    if (atMs >= context.callsUntilMs) return calls;
    const draw = draws[positionOf(weights, random.below(total))];
    const id = options.firstCall + calls.length;
    if (draw !== undefined) calls.push({ id, atMs, operation: draw({ callId: id, random }) });
  }
}

/** Array position of the weight in which that point of their sum falls. */
function positionOf(weights: readonly number[], point: number): number {
  let rest = point;
  for (const [position, weight] of weights.entries()) {
    if (rest < weight) return position;
    rest -= weight;
  }
  return weights.length - 1;
}

/** The sources of {@link standardWorkload}; lease times suit a run of a minute. */
export const standardSources: readonly OperationSource[] = [
  puts(24),
  gets(22),
  compareAndSets(16),
  wideTxns(6),
  ranges(8),
  serializableGets(6),
  oldGets(4),
  deletes(6),
  stretchDeletes(1),
  leases({ weight: 6, ttlSeconds: { min: 2, max: 8 } }),
  compactions(1),
];

/** Five clients, a hundred operations a second of everything a client can do, and watchers at each member. */
export const standardWorkload = (options: Partial<MixOptions> = {}): Workload =>
  mix({
    clients: 5,
    operationsPerSecond: 100,
    keys: 10,
    watchers: 3,
    sources: standardSources,
    swarm: true,
    ...options,
  });
