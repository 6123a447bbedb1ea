/*
 * Tuning knobs of members, on or off and drawn per seed: half of them stay at their default, the others take a value
 * from the ends of what makes sense. Fixed parameters never meet some bugs at all; a swarm of them does.
 */
import type { MemberConfig, Random } from "../core/index.ts";
import { chance, oneOf } from "./chance.ts";
import type { World } from "./scenario.ts";

type Choices = { readonly [Field in keyof MemberConfig]?: readonly [MemberConfig[Field], ...MemberConfig[Field][]] };

const kib = 1_024;

/**
 * Fields of one group are drawn together: one alone would not do what the group is there for. Timers keep an election
 * below some seconds, so that a minute's run sees several. Bounds of background work stay above what the workload
 * makes: a watcher or a lease that falls behind for ever would be late by design.
 */
const simulatedKnobs: readonly Choices[] = [
  { tickMs: [30, 50] },
  { electionTicks: [8, 15] },
  { preVote: [false] },
  { checkQuorum: [false] },
  { appendBytesMax: [0, kib, 16 * kib] },
  { appendsInFlightMax: [1, 2, 8], appendsInFlightBytesMax: [1, 2 * kib, 32 * kib] },
  { uncommittedBytesMax: [4 * kib, 64 * kib] },
  { snapshotEntries: [20, 100, 500], snapshotCatchUpEntries: [0, 5, 50], snapshotChunkBytes: [4 * kib, 32 * kib] },
  { segmentBytesMax: [4 * kib, 64 * kib] },
  { readRetryMs: [100, 200] },
  { proposalsMax: [16, 64] },
  { watchRepliesMax: [1, 4, 16] },
  { watchRevisionsPerReplyMax: [100, 300], watchersPerCatchUpMax: [4, 512], watchCatchUpMs: [20, 50] },
  { watchProgressMs: [200, 1_000] },
  { leaseCheckMs: [100, 500], leaseRevokesPerCheckMax: [20, 100] },
  { compactionEntriesPerTickMax: [5, 100] },
  { promoteLearners: [true] },
];

/**
 * Knobs that turn on what is off in most clusters, or bring bounds near: for a scenario of everything, on top of those
 * above. Bounds that only slow things down stay above what the workload makes, as above.
 */
const rareKnobs: readonly Choices[] = [
  { leaseReads: [true], checkQuorum: [true] },
  { leaseCheckpointMs: [300, 1_000], leaseCheckpointsPerCheckMax: [2, 1_000] },
  { autoCompactionRevisions: [1, 50, 300], autoCompactionCheckMs: [300, 2_000] },
  { autoCompactionPeriodMs: [500, 3_000] },
  { quotaBytes: [40 * kib, 48 * kib, 64 * kib], autoCompactionRevisions: [50], autoCompactionCheckMs: [1_000] },
  { versionCheckMs: [200, 1_000] },
  { corruptCheckMs: [300, 1_500] },
  { compactHashCheckMs: [300, 1_500] },
  { initialCorruptCheck: [true] },
  { compactionPauseMs: [0, 200] },
  { requestBytesMax: [200, 1_200] },
  { txnOperationsMax: [1, 3] },
  { applyLagEntriesMax: [5, 50] },
  { answerBytesPerStepMax: [64, 4 * kib] },
  { watchBytesMax: [kib, 16 * kib], watchStreamBytesMax: [256, 4 * kib] },
  { watchBytesPerReplyMax: [2 * kib, 8 * kib], watchBytesPerCatchUpMax: [16 * kib, 64 * kib] },
  { watchVainReadsPerCatchUpMax: [1_000, 4_000] },
  { streamsMax: [8, 20] },
  { strictReconfig: [false] },
  { soleVoterAtOnce: [false] },
  { tokenTtlSeconds: [1, 3], tokensMax: [2, 8] },
  { passwordCallsMax: [1] },
];

/** What a stock etcd has flags for, at values it accepts. */
const realKnobs: readonly Choices[] = [
  { tickMs: [50] },
  { electionTicks: [20] },
  { preVote: [false] },
  { snapshotEntries: [100, 1_000] },
];

/** Drawn values by field, half of the groups; fields left out stay at their default. */
export function drawTuning(random: Random, world: World): Partial<MemberConfig> {
  return drawKnobs(random, world === "sim" ? simulatedKnobs : realKnobs, 50);
}

/** Besides those above: a few of the rare ones, in the simulator. */
export function drawRareTuning(random: Random, world: World): Partial<MemberConfig> {
  return world === "sim" ? drawKnobs(random, rareKnobs, 15) : {};
}

function drawKnobs(random: Random, knobs: readonly Choices[], percent: number): Partial<MemberConfig> {
  const drawn: { [field: string]: number | boolean } = {};
  for (const knob of knobs) {
    for (const [position, [field, values]] of Object.entries(knob).entries()) {
      const own = random.fork(field);
      if (position === 0 && !chance(own, percent)) break;
      drawn[field] = oneOf<number | boolean>(own, values);
    }
  }
  return drawn;
}
