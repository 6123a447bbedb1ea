/*
 * Two of five members, or of seven, forget: an old copy of the disk is put back, the disk is wiped, the log is damaged.
 * At the same time, the second while the first is being filled up, or when that is long over. Or with a second one that
 * forgets no more than that it registered the first one's new life: no word of its own is gone, so it has nothing to
 * find out by itself, and what the first one said before must not count beside what it says now (core/raft/amnesia.ts,
 * counterexample 5).
 *
 * Fault atlas. Enough members always remember: those that do not forget are not started again between the time when all
 * is healed, so that they hear from a leader what everybody holds, and the time when both have asked. One may be down
 * meanwhile. A copy that lacks words of its member is older than that time to hear. A younger copy is made of a member
 * that is cut off from whoever could lead, for less than an election timeout: it says nothing in between.
 */
import { defaultMemberConfig, type Random } from "../../core/index.ts";
import { between, chance, oneOf } from "../chance.ts";
import { standardChecks } from "../checks.ts";
import type { PlannedFault } from "../faults.ts";
import { type DrawContext, scenario } from "../scenario.ts";
import {
  badLinks,
  clogs,
  type FaultClass,
  isolation,
  oneWayCuts,
  partitions,
  plainClasses,
  swarmOf,
  transfers,
} from "../swarm.ts";
import { at } from "../timeline.ts";
import { standardWorkload } from "../workload/mix.ts";

const linkClasses: readonly FaultClass[] = [isolation, partitions, oneWayCuts, badLinks, clogs, transfers];

/** Time for a leader to be elected, to hand over, and for all to be told by it what the others hold. */
const quietMs = 7_000;
/** How long both have to ask what they forgot, before those that are down come back without a memory. */
const askingMs = 1_500;

/** Who plays what; the leader and its side are a quorum with the two that forget, and none with one of them. */
interface Cast {
  readonly leader: string;
  readonly side: readonly string[];
  readonly first: string;
  readonly second: string;
  readonly rest: readonly string[];
}

interface Story {
  readonly random: Random;
  readonly context: DrawContext;
  readonly cast: Cast;
  readonly fromMs: number;
}

/** What happens, and when it is over. */
interface Told {
  readonly faults: readonly PlannedFault[];
  readonly untilMs: number;
}

function faultsOf(context: DrawContext): readonly PlannedFault[] {
  const random = context.random.fork("forgetting");
  const healMs = between(random, { min: 2_000, max: 5_000 });
  const fromMs = healMs + quietMs;
  const cast = drawCast(random.fork("cast"), context.members);
  const { first, second, leader } = cast;
  const { faults, untilMs } = tell({ random, context, cast, fromMs });
  const calmMs = untilMs + askingMs + quietMs;
  return [
    ...swarmWithin(context, "before", { fromMs: 0, untilMs: healMs, classes: [...plainClasses, transfers] }),
    at(healMs).healAll(),
    at(healMs + between(random, { min: 2_000, max: 3_000 })).copyDisk(first, "first"),
    at(healMs + between(random, { min: 2_000, max: 3_000 })).copyDisk(second, "second"),
    at(fromMs - 2_500).transferLeader(leader),
    ...faults,
    at(untilMs).healNetwork(),
    at(untilMs + askingMs).healAll(),
    ...swarmWithin(context, "after", {
      fromMs: calmMs,
      untilMs: context.safetyMs,
      classes: [...plainClasses, transfers],
    }),
  ];
}

function drawCast(random: Random, members: readonly string[]): Cast {
  const left = [...members];
  const next = (): string => left.splice(random.below(left.length), 1)[0] ?? "";
  const [leader, first, second] = [next(), next(), next()];
  const side = [leader];
  while (side.length < Math.floor(members.length / 2) - 1) side.push(next());
  return { leader, side, first, second, rest: left };
}

function swarmWithin(
  context: DrawContext,
  name: string,
  span: { readonly fromMs: number; readonly untilMs: number; readonly classes: readonly FaultClass[] },
): readonly PlannedFault[] {
  const random = context.random.fork(name);
  const safetyMs = span.untilMs - span.fromMs;
  return swarmOf(span.classes, { ...context, random, safetyMs }).map(({ atMs, fault }) => ({
    atMs: atMs + span.fromMs,
    fault,
  }));
}

function tell(story: Story): Told {
  const { random, context } = story;
  // With processes nobody can say when one has registered what.
  if (context.world === "real") return oneOf(random, [together, amidRecovery, longAfter])(story);
  return oneOf(random, [together, amidRecovery, longAfter, registered, halfRegistered])(story);
}

// ---- two that forget what they said --------------------------------------------------------------------------------

function together(story: Story): Told {
  const { random, fromMs } = story;
  return withLinks(story, [fromMs, fromMs + random.below(200)], fromMs + 6_000);
}

function amidRecovery(story: Story): Told {
  const { random, fromMs } = story;
  return withLinks(story, [fromMs, fromMs + between(random, { min: 50, max: 2_000 })], fromMs + 7_000);
}

function longAfter(story: Story): Told {
  const { random, fromMs } = story;
  return withLinks(story, [fromMs, fromMs + between(random, { min: 4_000, max: 7_000 })], fromMs + 11_000);
}

/** Every other time with links that break, sometimes with a third member that is down. */
function withLinks(story: Story, [firstMs, secondMs]: readonly [number, number], untilMs: number): Told {
  const { random, context, cast, fromMs } = story;
  const links = chance(random, 60)
    ? swarmWithin(context, "amid", { fromMs: fromMs - 300, untilMs, classes: linkClasses })
    : [];
  const down = chance(random, 30) ? [at(fromMs - random.below(300)).kill(oneOf(random, ["leader", cast.leader]))] : [];
  return {
    faults: [
      ...links,
      ...down,
      ...forgets(random.fork("first"), { victim: cast.first, label: "first", atMs: firstMs }),
      ...forgets(random.fork("second"), { victim: cast.second, label: "second", atMs: secondMs }),
    ],
    untilMs,
  };
}

function forgets(
  random: Random,
  { victim, label, atMs }: { readonly victim: string; readonly label: string; readonly atMs: number },
): readonly PlannedFault[] {
  const isSlow = chance(random, 50);
  return [
    forgetting(random, { victim, label, atMs }),
    at(atMs + 1 + random.below(isSlow ? 1_500 : 50)).restart(victim),
  ];
}

function forgetting(
  random: Random,
  { victim, label, atMs }: { readonly victim: string; readonly label: string; readonly atMs: number },
): PlannedFault {
  return oneOf(random, [at(atMs).restoreDisk(label), at(atMs).wipeDisk(victim), at(atMs).damageLog(victim)]);
}

// ---- one that forgets what it said, and one that forgets that it registered it -------------------------------------

/**
 * The leader's last entries are acknowledged by the first one and by its side, one word too few. All that remain register
 * the first one's new life, and the second forgets it: of those it hears then only the first one knows.
 */
function registered(story: Story): Told {
  const { random, cast, fromMs } = story;
  const { side, first, second, rest } = cast;
  const backMs = fromMs + 202;
  const againMs = backMs + between(random, { min: 200, max: 400 });
  return {
    faults: [
      ...alone(story),
      ...only(fromMs + 201, [
        [side, [first, second, ...rest]],
        [[second], rest],
      ]),
      at(backMs).restart(first),
      secondForgets(story, againMs),
      ...only(againMs + 1, [
        [side, [first, ...rest]],
        [[second], rest],
      ]),
      at(againMs + 2).restart(second),
    ],
    untilMs: againMs + between(random, { min: 2_500, max: 5_000 }),
  };
}

/** The second one registers the first before anybody else does, and of those it hears after it forgot that nobody knows. */
function halfRegistered(story: Story): Told {
  const { random, cast, fromMs } = story;
  const { side, first, second, rest } = cast;
  const backMs = fromMs + 202;
  const againMs = backMs + between(random, { min: 120, max: 300 });
  const partMs = againMs + between(random, { min: 100, max: 250 });
  return {
    faults: [
      ...alone(story),
      ...only(fromMs + 201, [
        [side, [first, second, ...rest]],
        [rest, [first, second]],
      ]),
      at(backMs).restart(first),
      secondForgets(story, againMs),
      ...only(againMs + 1, [
        [side, rest],
        [[first], [...side, second, ...rest]],
        [[second], rest.slice(1)],
      ]),
      at(againMs + 2).restart(second),
      ...only(partMs, [
        [
          [...side, second],
          [first, ...rest],
        ],
      ]),
    ],
    untilMs: partMs + between(random, { min: 2_500, max: 5_000 }),
  };
}

/** Nobody has a quorum; the second one hears nobody and is copied; then the first one forgets. */
function alone({ random, cast, fromMs }: Story): readonly PlannedFault[] {
  return [
    at(fromMs).partition([...cast.side, cast.first], cast.rest),
    at(fromMs + between(random, { min: 100, max: 190 })).copyDisk(cast.second, "silent"),
    forgetting(random.fork("first"), { victim: cast.first, label: "first", atMs: fromMs + 200 }),
  ];
}

/** Mostly nothing but the registration. */
function secondForgets({ random, cast }: Story, atMs: number): PlannedFault {
  if (chance(random, 70)) return at(atMs).restoreDisk("silent");
  return forgetting(random.fork("second"), { victim: cast.second, label: "second", atMs });
}

type Pair = readonly [readonly string[], readonly string[]];

/** From now on no links are cut but those between the two of each pair. */
function only(ms: number, pairs: readonly Pair[]): readonly PlannedFault[] {
  const cuts = pairs.flatMap(([some, others]) =>
    some.flatMap((from) =>
      others.flatMap((to) => [at(ms).cutOneWay({ from, to }), at(ms).cutOneWay({ from: to, to: from })]),
    ),
  );
  return [at(ms).healNetwork(), ...cuts];
}

const { appendsInFlightMax, appendsInFlightBytesMax } = defaultMemberConfig;

export default scenario({
  name: "two-forget-of-five",
  why: "Two members that forget, at once or one after the other, take nothing with them that was acknowledged.",
  worlds: ["sim", "real"],
  // Who begins with nothing is not to be sent a long log one entry a round trip.
  cluster: {
    voters: [5, 5, 7],
    config: { tickMs: 50, electionTicks: 20, appendsInFlightMax, appendsInFlightBytesMax },
  },
  workload: standardWorkload({ operationsPerSecond: 80, watchers: 1 }),
  faults: faultsOf,
  // One that forgot needs more than a majority to be heard: a minority left broken could keep it waiting.
  healAllAtOnce: true,
  durationMs: { sim: 32_000, real: 36_000 },
  checks: standardChecks,
});
