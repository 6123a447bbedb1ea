/*
 * Every tunable and every bound of a member: unit, default, allowed range, and what happens when a bound is reached.
 * Worlds and flags read the table; nothing else in core holds a number that an operator might want to change.
 */

export interface MemberConfig {
  readonly tickMs: number;
  readonly electionTicks: number;
  readonly soleVoterAtOnce: boolean;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly leaseReads: boolean;
  readonly leaseAllowanceTicks: number;
  readonly appendBytesMax: number;
  readonly appendsInFlightMax: number;
  readonly appendsInFlightBytesMax: number;
  readonly uncommittedBytesMax: number;
  readonly applyLagEntriesMax: number;
  readonly snapshotEntries: number;
  readonly snapshotCatchUpEntries: number;
  readonly snapshotChunkBytes: number;
  readonly segmentBytesMax: number;
  readonly requestBytesMax: number;
  readonly txnOperationsMax: number;
  readonly requestTimeoutMs: number;
  readonly readRetryMs: number;
  readonly answerBytesPerStepMax: number;
  readonly proposalsMax: number;
  readonly streamRequestsMax: number;
  readonly streamsMax: number;
  readonly watchesPerStreamMax: number;
  readonly watchesMax: number;
  readonly watchRepliesMax: number;
  readonly watchStreamBytesMax: number;
  readonly watchBytesMax: number;
  readonly watchRevisionsPerReplyMax: number;
  readonly watchBytesPerReplyMax: number;
  readonly watchersPerCatchUpMax: number;
  readonly watchBytesPerCatchUpMax: number;
  readonly watchVainReadsPerCatchUpMax: number;
  readonly watchCatchUpMs: number;
  readonly watchProgressMs: number;
  readonly leaseCheckMs: number;
  readonly leaseRevokesPerCheckMax: number;
  readonly leaseCheckpoints: boolean;
  readonly leaseCheckpointMs: number;
  readonly leaseCheckpointsPerCheckMax: number;
  readonly leaseTtlMaxSeconds: number;
  readonly compactionEntriesPerTickMax: number;
  readonly compactionPauseMs: number;
  readonly autoCompactionPeriodMs: number;
  readonly autoCompactionRevisions: number;
  readonly autoCompactionCheckMs: number;
  readonly versionCheckMs: number;
  readonly corruptCheckMs: number;
  readonly initialCorruptCheck: boolean;
  readonly compactHashCheckMs: number;
  readonly quotaBytes: number;
  readonly simpleTokens: boolean;
  readonly tokenTtlSeconds: number;
  readonly tokensMax: number;
  readonly passwordCallsMax: number;
  readonly strictReconfig: boolean;
  readonly learnersMax: number;
  readonly promoteLearners: boolean;
}

export interface NumberField {
  readonly kind: "number";
  readonly unit: "ms" | "ticks" | "bytes" | "entries" | "count" | "seconds";
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** What it is, and what happens when it is reached. */
  readonly meaning: string;
}
export interface SwitchField {
  readonly kind: "switch";
  readonly default: boolean;
  readonly meaning: string;
}

const count = (
  unit: NumberField["unit"],
  standard: number,
  [min, max]: readonly [number, number],
  meaning: string,
): NumberField => ({ kind: "number", unit, default: standard, min, max, meaning });

const kib = 1024;
const mib = 1024 * kib;

export const memberConfigFields = {
  tickMs: count(
    "ms",
    100,
    [1, 10_000],
    "One Raft tick, and the interval between heartbeats (etcd: heartbeat-interval).",
  ),
  electionTicks: count(
    "ticks",
    10,
    [2, 500],
    "Ticks without a leader before a campaign; the actual wait is drawn from [E, 2E).",
  ),
  soleVoterAtOnce: {
    kind: "switch",
    default: true,
    meaning:
      "A member that is the only voter campaigns as soon as it counts, not after an election timeout (etcd: initial-election-tick-advance).",
  },
  preVote: { kind: "switch", default: true, meaning: "Ask whether an election could be won before raising the term." },
  checkQuorum: {
    kind: "switch",
    default: true,
    meaning:
      "A leader that hears no quorum for electionTicks steps down; voters ignore campaigns while they hear a leader.",
  },
  leaseReads: {
    kind: "switch",
    default: false,
    meaning:
      "A leader that a quorum answered lately answers linearizable reads without asking again. Sound only while clocks drift apart by less than (leaseAllowanceTicks − 1) / electionTicks and no machine stops together with its clock; needs checkQuorum. Only members that have it too count, and each keeps out of elections for electionTicks after it starts.",
  },
  leaseAllowanceTicks: count(
    "ticks",
    2,
    [1, 499],
    "By so much a leader's lease is shorter than the election timeout: one tick for the phase of the others' ticks, the rest for drift. Less than electionTicks.",
  ),
  appendBytesMax: count("bytes", mib, [0, 64 * mib], "Entry bytes in one append message; one entry always fits."),
  appendsInFlightMax: count(
    "count",
    512,
    [1, 65_536],
    "Unanswered appends to one follower; when reached, that follower waits for an answer.",
  ),
  appendsInFlightBytesMax: count(
    "bytes",
    16 * mib,
    [1, 1024 * mib],
    "Entry bytes of the unanswered appends to one follower; when reached, it waits for an answer. One append always fits.",
  ),
  uncommittedBytesMax: count(
    "bytes",
    64 * mib,
    [kib, 1024 * mib],
    "Proposed bytes not yet committed; when reached, the leader drops new proposals.",
  ),
  applyLagEntriesMax: count(
    "entries",
    5_000,
    [1, 1_000_000],
    "Committed but unapplied entries; when exceeded, writes are refused as too many requests.",
  ),
  snapshotEntries: count(
    "entries",
    10_000,
    [1, 10_000_000],
    "Applied entries between two log compactions (etcd: snapshot-count).",
  ),
  snapshotCatchUpEntries: count(
    "entries",
    5_000,
    [0, 10_000_000],
    "Entries kept behind a compaction for slow followers.",
  ),
  snapshotChunkBytes: count("bytes", 256 * kib, [64, 16 * mib], "Bytes in one snapshot chunk."),
  segmentBytesMax: count(
    "bytes",
    64_000_000,
    [kib, 1024 * mib],
    "Size at which a log segment is closed and a new one begun.",
  ),
  requestBytesMax: count(
    "bytes",
    1_572_864,
    [1, 512 * mib],
    "Largest replicated command; a larger one is refused (etcd: max-request-bytes).",
  ),
  txnOperationsMax: count("count", 128, [1, 1_000_000], "Operations in one transaction (etcd: max-txn-ops)."),
  requestTimeoutMs: count(
    "ms",
    7_000,
    [1, 3_600_000],
    "A request without result for so long is answered as timed out: 5 s + 2 election timeouts.",
  ),
  readRetryMs: count("ms", 500, [1, 60_000], "A read index request without answer for so long is sent again."),
  answerBytesPerStepMax: count(
    "bytes",
    4 * mib,
    [1, 1024 * mib],
    "Keys and values in the answers of one step; when reached, reads wait for the next. One answer always fits.",
  ),
  proposalsMax: count(
    "count",
    50_000,
    [1, 10_000_000],
    "Writes waiting for their result on this member; when reached, new ones are refused as too many requests.",
  ),
  streamRequestsMax: count(
    "count",
    10_000,
    [1, 1_000_000],
    "Keep-alives one stream may have waiting; when exceeded, the stream is ended as too many requests.",
  ),
  streamsMax: count(
    "count",
    100_000,
    [1, 10_000_000],
    "Streams clients may have open on this member; when reached, a new one is ended as too many requests.",
  ),
  watchesPerStreamMax: count(
    "count",
    100_000,
    [1, 10_000_000],
    "Watches of one stream, those a compaction cancelled included; when reached, another is refused and the stream goes on.",
  ),
  watchesMax: count(
    "count",
    1_000_000,
    [1, 100_000_000],
    "Watches of all streams of this member; when reached, another is refused and its stream goes on.",
  ),
  watchRepliesMax: count(
    "count",
    128,
    [1, 65_536],
    "Replies a stream may hold untaken; when reached, its watchers fall behind and later read history from the store.",
  ),
  watchStreamBytesMax: count(
    "bytes",
    16 * mib,
    [1, 1024 * mib],
    "Keys and values in the replies a stream holds untaken; one reply always fits. When reached, as above.",
  ),
  watchBytesMax: count(
    "bytes",
    256 * mib,
    [1, 64 * 1024 * mib],
    "The same of all streams together; when reached, only streams that hold none get a reply.",
  ),
  watchRevisionsPerReplyMax: count(
    "count",
    1_000,
    [1, 1_000_000],
    "Revisions one catch-up reply may cover; a revision is never split.",
  ),
  watchBytesPerReplyMax: count(
    "bytes",
    mib,
    [1, 1024 * mib],
    "Keys and values one catch-up reply may hold; a revision is never split.",
  ),
  watchersPerCatchUpMax: count(
    "count",
    512,
    [1, 1_000_000],
    "Watchers that catch up in one round; the rest wait for the next.",
  ),
  watchBytesPerCatchUpMax: count(
    "bytes",
    4 * mib,
    [1, 1024 * mib],
    "Keys and values sent to watchers that catch up between two rounds, and read where nothing was wanted; the rest waits.",
  ),
  watchVainReadsPerCatchUpMax: count(
    "count",
    10_000,
    [1, 100_000_000],
    "Changes read between two rounds that their watcher did not want; then those wait that found nothing in their last look.",
  ),
  watchCatchUpMs: count("ms", 100, [1, 60_000], "Time between two catch-up rounds."),
  watchProgressMs: count(
    "ms",
    600_000,
    [100, 86_400_000],
    "Time between progress notices to idle watchers that asked for them.",
  ),
  leaseCheckMs: count(
    "ms",
    500,
    [1, 60_000],
    "Time between two looks at the leader for leases to end or to checkpoint.",
  ),
  leaseRevokesPerCheckMax: count(
    "count",
    500,
    [1, 1_000_000],
    "Expired leases revoked in one look; the rest wait for the next.",
  ),
  leaseCheckpoints: {
    kind: "switch",
    default: false,
    meaning:
      "The leader writes the time long leases have left to the log, so that a new leader does not start them anew (etcd: LeaseCheckpoint).",
  },
  leaseCheckpointMs: count(
    "ms",
    300_000,
    [1, 86_400_000],
    "Time between two checkpoints of one lease; a lease with less time left has none.",
  ),
  leaseCheckpointsPerCheckMax: count(
    "count",
    1_000,
    [1, 1_000_000],
    "Leases checkpointed in one look, all in one entry; the rest wait for the next.",
  ),
  leaseTtlMaxSeconds: count(
    "seconds",
    9_000_000_000,
    [1, 9_000_000_000],
    "Largest time to live; a larger one is refused.",
  ),
  compactionEntriesPerTickMax: count(
    "entries",
    1_000,
    [1, 1_000_000],
    "Stored revisions one piece of a compaction looks at; a tick does one piece at most.",
  ),
  compactionPauseMs: count(
    "ms",
    10,
    [0, 3_600_000],
    "Least time between two pieces of a compaction (etcd: compaction-sleep-interval).",
  ),
  autoCompactionPeriodMs: count(
    "ms",
    0,
    [0, 315_360_000_000],
    "History the leader keeps readable for so long and compacts beyond; 0: by hand only (etcd: auto-compaction-mode periodic).",
  ),
  autoCompactionRevisions: count(
    "count",
    0,
    [0, 1_000_000_000_000],
    "Newest revisions the leader keeps readable, compacting older ones; 0: by hand only (etcd: auto-compaction-mode revision).",
  ),
  autoCompactionCheckMs: count(
    "ms",
    300_000,
    [1, 86_400_000],
    "Time between two looks for revisions beyond autoCompactionRevisions.",
  ),
  versionCheckMs: count(
    "ms",
    0,
    [0, 3_600_000],
    "Time between two looks of the leader at the members' releases, to decide the cluster's; 0: none is ever decided.",
  ),
  corruptCheckMs: count(
    "ms",
    0,
    [0, 315_360_000_000],
    "Time between two comparisons of all members' hashes by the leader; 0: none (etcd: corrupt-check-time).",
  ),
  initialCorruptCheck: {
    kind: "switch",
    default: false,
    meaning:
      "Compare hashes with the other members before serving, and end when they differ (etcd: InitialCorruptCheck).",
  },
  compactHashCheckMs: count(
    "ms",
    0,
    [0, 315_360_000_000],
    "Time between two comparisons of what compactions left, by the leader; 0: none (etcd: compact-hash-check-time).",
  ),
  quotaBytes: count(
    "bytes",
    2 * 1024 * mib,
    [-1, 1024 * 1024 * mib],
    "Backend size at which writes are refused as out of space; −1: no limit (etcd: quota-backend-bytes).",
  ),
  simpleTokens: {
    kind: "switch",
    default: true,
    meaning: "Give out tokens that members keep in memory; off: the world signs them itself (etcd: auth-token).",
  },
  tokenTtlSeconds: count(
    "seconds",
    300,
    [1, 1_000_000_000],
    "A simple token unused for so long is forgotten (etcd: auth-token-ttl).",
  ),
  tokensMax: count(
    "count",
    100_000,
    [1, 10_000_000],
    "Simple tokens kept in memory; when reached, the one unused for longest is forgotten.",
  ),
  passwordCallsMax: count(
    "count",
    1_000,
    [1, 1_000_000],
    "Passwords waiting to be hashed or checked; when reached, calls with another are refused as too many requests.",
  ),
  strictReconfig: {
    kind: "switch",
    default: true,
    meaning:
      "Refuse a change of members after which too few started or connected voters might be left (etcd: strict-reconfig-check).",
  },
  learnersMax: count(
    "count",
    1,
    [1, 1_000],
    "Learners of a cluster; when reached, adding one is refused (etcd: max-learners).",
  ),
  promoteLearners: {
    kind: "switch",
    default: false,
    meaning:
      "A leader makes voters of learners that have started and caught up, one after the other, those that were demoted too.",
  },
} as const satisfies { readonly [Name in keyof MemberConfig]: NumberField | SwitchField };

export const defaultMemberConfig: MemberConfig = Object.fromEntries(
  Object.entries(memberConfigFields).map(([name, field]) => [name, field.default]),
) as unknown as MemberConfig;

/** The first field that is out of range or of the wrong kind, as a sentence; undefined when all is well. */
export function checkMemberConfig(config: MemberConfig): string | undefined {
  for (const [name, field] of Object.entries(memberConfigFields) as [keyof MemberConfig, NumberField | SwitchField][]) {
    const value = config[name];
    if (field.kind === "switch") {
      if (typeof value !== "boolean") return `${name} must be true or false, not ${String(value)}`;
    } else if (typeof value !== "number" || !Number.isInteger(value) || value < field.min || value > field.max) {
      return `${name} must be a whole number of ${field.unit} in ${field.min}..${field.max}, not ${String(value)}`;
    }
  }
  if (config.leaseReads && !config.checkQuorum)
    return "leaseReads needs checkQuorum: without it nobody keeps a promise";
  if (config.leaseReads && config.leaseAllowanceTicks >= config.electionTicks)
    return `leaseAllowanceTicks must be less than electionTicks (${config.electionTicks}), not ${config.leaseAllowanceTicks}`;
  return undefined;
}

/** Most users, roles and permissions of a role; not for operators to change: all members must come to one verdict. */
export const authBounds = { usersMax: 100_000, rolesMax: 100_000, permissionsMax: 10_000 } as const;

/** etcd's least time to live: 1.5 election timeouts, rounded up to seconds. */
export const leaseTtlMinSeconds = (config: Pick<MemberConfig, "tickMs" | "electionTicks">): number =>
  Math.ceil((1.5 * config.tickMs * config.electionTicks) / 1000);
