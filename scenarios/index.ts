/*
 * Every scenario by name.
 */
import usersAndRoles from "./auth/users-and-roles.ts";
import clockDriftLeases from "./clock/clock-drift-leases.ts";
import fencedLocks from "./clock/fenced-locks.ts";
import leaseReads from "./clock/lease-reads.ts";
import leaseReadsClocksApart from "./clock/lease-reads-clocks-apart.ts";
import readIndexClocksApart from "./clock/read-index-clocks-apart.ts";
import crashRecoverAll from "./crash/crash-recover-all.ts";
import leaderKilled from "./crash/leader-killed.ts";
import pausedLeader from "./crash/paused-leader.ts";
import rollingRestart from "./crash/rolling-restart.ts";
import bitRotInLog from "./disk/bit-rot-in-log.ts";
import diskFull from "./disk/disk-full.ts";
import failingSyncs from "./disk/failing-syncs.ts";
import founderRestored from "./disk/founder-restored.ts";
import quotaReached from "./disk/quota-reached.ts";
import slowDisks from "./disk/slow-disks.ts";
import slowFollowerSnapshot from "./disk/slow-follower-snapshot.ts";
import staleDiskAndClock from "./disk/stale-disk-and-clock.ts";
import staleDuringElection from "./disk/stale-during-election.ts";
import staleSnapshotRestored from "./disk/stale-snapshot-restored.ts";
import twoForgetOfFive from "./disk/two-forget-of-five.ts";
import wipedMember from "./disk/wiped-member.ts";
import absentWhileReplaced from "./membership/absent-while-replaced.ts";
import growAndShrink from "./membership/grow-and-shrink.ts";
import leaderRemoved from "./membership/leader-removed.ts";
import leaderTransfer from "./membership/leader-transfer.ts";
import learnerPromoted from "./membership/learner-promoted.ts";
import learnersGrowUp from "./membership/learners-grow-up.ts";
import mixedMembers from "./membership/mixed-members.ts";
import replaceMember from "./membership/replace-member.ts";
import replacedInOneStep from "./membership/replaced-in-one-step.ts";
import mixedEverything from "./mixed-everything.ts";
import cloggedLinks from "./network/clogged-links.ts";
import flappingLinks from "./network/flapping-links.ts";
import isolatedLeaderFlooded from "./network/isolated-leader-flooded.ts";
import leaderCutOff from "./network/leader-cut-off.ts";
import majorityLostThenBack from "./network/majority-lost-then-back.ts";
import oneWayLinks from "./network/one-way-links.ts";
import type { Scenario } from "./scenario.ts";
import steady from "./steady.ts";
import autoCompaction from "./upkeep/auto-compaction.ts";
import leaseCheckpoints from "./upkeep/lease-checkpoints.ts";
import silentCorruption from "./upkeep/silent-corruption.ts";

/** In the order of their names. */
export const scenarios: readonly Scenario[] = [
  absentWhileReplaced,
  autoCompaction,
  bitRotInLog,
  clockDriftLeases,
  cloggedLinks,
  crashRecoverAll,
  diskFull,
  failingSyncs,
  fencedLocks,
  flappingLinks,
  founderRestored,
  growAndShrink,
  isolatedLeaderFlooded,
  leaderCutOff,
  leaderKilled,
  leaderRemoved,
  leaderTransfer,
  learnerPromoted,
  learnersGrowUp,
  leaseCheckpoints,
  leaseReads,
  leaseReadsClocksApart,
  majorityLostThenBack,
  mixedEverything,
  mixedMembers,
  oneWayLinks,
  pausedLeader,
  quotaReached,
  readIndexClocksApart,
  replaceMember,
  replacedInOneStep,
  rollingRestart,
  silentCorruption,
  slowDisks,
  slowFollowerSnapshot,
  staleDiskAndClock,
  staleDuringElection,
  staleSnapshotRestored,
  steady,
  twoForgetOfFive,
  usersAndRoles,
  wipedMember,
];

/** undefined when there is none of that name. */
export const scenarioNamed = (name: string): Scenario | undefined => scenarios.find((known) => known.name === name);
