/*
 * Fault classes, each with episodes of its own: something breaks, stays broken for a while, and is put right. A
 * scenario picks classes; a swarm draws per seed which of them are on and how often they strike. Every episode leaves
 * the world as it found it, so classes can be mixed and any one of them removed.
 */
import type { Random } from "../core/index.ts";
import { between, chance, oneOf } from "./chance.ts";
import type { PlannedFault } from "./faults.ts";
import type { DrawContext } from "./scenario.ts";
import { at } from "./timeline.ts";

/** From when to when something is broken. */
export interface Episode {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** One way to break a cluster for one episode, and what puts it right. */
export interface FaultClass {
  readonly name: string;
  draw(episode: Episode, context: DrawContext): readonly PlannedFault[];
}

// ---- episodes --------------------------------------------------------------------------------------------------

export interface EpisodeOptions {
  /** Quiet time before each episode, and length of one; each drawn between half and one and a half times this. */
  readonly quietMs: number;
  readonly lengthMs: number;
  /** Before this the cluster is left to elect its first leader. */
  readonly firstMs?: number;
}

/** Episodes that do not overlap and end within the safety phase. */
export function episodes(random: Random, context: DrawContext, options: EpisodeOptions): Episode[] {
  const drawn: Episode[] = [];
  let nowMs = options.firstMs ?? Math.min(3_000, Math.floor(context.safetyMs / 10));
  for (;;) {
    const fromMs = nowMs + around(random, options.quietMs);
    const untilMs = fromMs + around(random, options.lengthMs);
    if (untilMs >= context.safetyMs) return drawn;
    drawn.push({ fromMs, untilMs });
    nowMs = untilMs;
  }
}

function around(random: Random, ms: number): number {
  return between(random, { min: Math.ceil(ms / 2), max: Math.floor(ms * 1.5) });
}

/** Episodes of one class, each with a stream of its own. */
export function strikes(faultClass: FaultClass, context: DrawContext, options: EpisodeOptions): PlannedFault[] {
  const random = context.random.fork(faultClass.name);
  return episodes(random.fork("times"), context, options).flatMap((episode, number) =>
    faultClass.draw(episode, { ...context, random: random.fork(`episode/${number}`) }),
  );
}

/** A drawn half of the classes, at least one, each as often as the seed says; `more` may be on or off, all of them. */
export function swarmOf(
  classes: readonly FaultClass[],
  context: DrawContext,
  more: readonly FaultClass[] = [],
): PlannedFault[] {
  const always = context.random.fork("always").below(classes.length);
  return [...classes, ...more].flatMap((faultClass, position) => {
    const random = context.random.fork(`swarm/${faultClass.name}`);
    if (position !== always && chance(random, 50)) return [];
    return strikes(faultClass, context, {
      quietMs: oneOf(random, [2_000, 5_000, 12_000]),
      lengthMs: oneOf(random, [500, 2_000, 6_000]),
    });
  });
}

// ---- classes ---------------------------------------------------------------------------------------------------

const anyMember = (context: DrawContext): string => context.members[context.random.below(context.members.length)] ?? "";

/** The leader most of the time: it is the member whose loss hurts. */
const anyTarget = (context: DrawContext): string =>
  chance(context.random, 60) ? "leader" : chance(context.random, 50) ? "follower" : anyMember(context);

export const isolation: FaultClass = {
  name: "isolation",
  draw: ({ fromMs, untilMs }, context) => [at(fromMs).isolate(anyTarget(context)), at(untilMs).healNetwork()],
};

export const partitions: FaultClass = {
  name: "partitions",
  draw: ({ fromMs, untilMs }, context) => {
    const left = context.members.filter(() => chance(context.random, 50));
    const right = context.members.filter((name) => !left.includes(name));
    return left.length === 0 || right.length === 0
      ? []
      : [at(fromMs).partition(left, right), at(untilMs).healNetwork()];
  },
};

export const oneWayCuts: FaultClass = {
  name: "oneWayCuts",
  draw: ({ fromMs, untilMs }, context) => {
    const from = anyMember(context);
    const others = context.members.filter((name) => name !== from);
    const to = others[context.random.below(Math.max(1, others.length))];
    return to === undefined ? [] : [at(fromMs).cutOneWay({ from, to }), at(untilMs).healNetwork()];
  },
};

export const badLinks: FaultClass = {
  name: "badLinks",
  draw: ({ fromMs, untilMs }, context) => {
    const { random } = context;
    const law = {
      minDelayMs: between(random, { min: 0, max: 20 }),
      maxDelayMs: between(random, { min: 20, max: 150 }),
      lossPpm: oneOf(random, [0, 20_000, 100_000, 300_000]),
      duplicatePpm: oneOf(random, [0, 50_000]),
      reorderPpm: oneOf(random, [0, 50_000]),
    };
    return [at(fromMs).links(law), at(untilMs).links(context.link)];
  },
};

export const kills: FaultClass = {
  name: "kills",
  draw: ({ fromMs, untilMs }, context) => [at(fromMs).kill(anyTarget(context)), at(untilMs).restart("all")],
};

export const powerLosses: FaultClass = {
  name: "powerLosses",
  draw: ({ fromMs, untilMs }, context) => [
    chance(context.random, 30) ? at(fromMs).powerLossOfAll() : at(fromMs).powerLoss(anyTarget(context)),
    at(untilMs).restart("all"),
  ],
};

export const pauses: FaultClass = {
  name: "pauses",
  draw: ({ fromMs, untilMs }, context) => [at(fromMs).pause(anyTarget(context)), at(untilMs).resume("all")],
};

export const slowDisks: FaultClass = {
  name: "slowDisks",
  draw: ({ fromMs, untilMs }, context) => {
    const member = anyMember(context);
    const byMs = between(context.random, { min: 20, max: 500 });
    return [at(fromMs).slowDisk(member, byMs), at(untilMs).slowDisk(member, 0)];
  },
};

/** The process ends by itself; somebody looks after the disk, and starts it again. */
export const failedSyncs: FaultClass = {
  name: "failedSyncs",
  draw: ({ fromMs, untilMs }, context) => {
    const member = anyMember(context);
    const persistent = chance(context.random, 50);
    return [at(fromMs).failSync(member, { persistent }), at(untilMs).mendDisk(member), at(untilMs).restart("all")];
  },
};

/** Somebody makes room, takes the alarm away, and starts the member again if its log had no room left either. */
export const fullDisks: FaultClass = {
  name: "fullDisks",
  draw: ({ fromMs, untilMs }, context) => {
    const member = anyMember(context);
    return [
      at(fromMs).fillDisk(member),
      at(untilMs).mendDisk(member),
      at(untilMs).disarmAlarms(),
      at(untilMs).restart("all"),
    ];
  },
};

/** One member's file is as large as what is in it, the others' as large as they ever were; then writes go on. */
export const defragments: FaultClass = {
  name: "defragments",
  draw: ({ fromMs, untilMs }, context) => [at(fromMs).defragment(anyMember(context)), at(untilMs).disarmAlarms()],
};

export const clogs: FaultClass = {
  name: "clogs",
  draw: ({ fromMs, untilMs }, context) => [at(fromMs).clogLinks(anyTarget(context)), at(untilMs).healNetwork()],
};

/** Forwards and back; what ticks count does not jump along. */
export const clockJumps: FaultClass = {
  name: "clockJumps",
  draw: ({ fromMs }, context) => {
    const far = between(context.random, { min: 50, max: 3_000 });
    return [at(fromMs).clockJump(anyTarget(context), chance(context.random, 50) ? far : -far)];
  },
};

/** As far apart as reads by lease have to bear at every election timeout that is drawn. */
export const clockDrifts: FaultClass = {
  name: "clockDrifts",
  draw: ({ fromMs, untilMs }, context) => {
    const drifting = context.members.filter(() => chance(context.random, 70));
    return [
      ...drifting.map((name) => at(fromMs).clockDrift(name, between(context.random, { min: -30_000, max: 30_000 }))),
      ...drifting.map((name) => at(untilMs).clockDrift(name, 0)),
    ];
  },
};

/** Every other one goes to a member that is just then not there to take it. */
export const transfers: FaultClass = {
  name: "transfers",
  draw: ({ fromMs, untilMs }, context) => {
    const target = chance(context.random, 50) ? "follower" : anyMember(context);
    const trouble = chance(context.random, 40) ? [at(fromMs - 10).isolate(target), at(untilMs).healNetwork()] : [];
    return [at(fromMs).transferLeader(target), ...trouble];
  },
};

/** Every class that leaves clocks and old copies of disks alone. */
export const plainClasses: readonly FaultClass[] = [
  isolation,
  partitions,
  oneWayCuts,
  badLinks,
  kills,
  powerLosses,
  pauses,
  slowDisks,
];

/** Classes that came later: a swarm draws them apart, so that seeds keep what they had. */
export const laterClasses: readonly FaultClass[] = [failedSyncs, clogs, fullDisks];
