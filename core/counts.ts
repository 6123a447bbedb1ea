/*
 * What happened at one member in this life, counted where it happened, for the metrics of its world. Nothing in core
 * depends on a count. Source: etcd v3 HTTP surface, §5 metrics.
 */
import type { MemberId } from "./ids.ts";

/** Operations on keys, those inside transactions too. */
export interface KeyCounts {
  ranges: number;
  puts: number;
  /** Deletions asked for, whether or not a key was there; a revoked lease's keys are one each. */
  deletes: number;
  /** Requests of more than one operation. */
  txns: number;
  /** Keys and values of all puts. */
  putBytes: number;
}

export interface LeaseCounts {
  granted: number;
  revoked: number;
  renewed: number;
  /** Leases past their time whose end was proposed by this member. */
  expired: number;
  /** Sum of the times to live granted. */
  ttlSeconds: number;
  /** Grants whose time to live is at most 2^position seconds, and more than the position before; the last takes the rest. */
  readonly grantedByTtl: number[];
}

export interface WatchCounts {
  readonly streams: number;
  readonly watches: number;
  /** Watches that are behind. */
  readonly behind: number;
  /** Events sent. */
  readonly events: number;
}

/** Snapshots this member sent to others as their leader. */
export interface SnapshotCounts {
  sending: number;
  sent: number;
  failed: number;
}

export interface MemberCounts {
  readonly keys: Readonly<KeyCounts>;
  /** Keys held in memory, live or not. */
  readonly storedKeys: number;
  /** Old revisions that compactions removed. */
  readonly compactedEntries: number;
  /** Pieces of compactions so far. */
  readonly compactionPieces: number;
  /** Some of what was compacted is still stored. */
  readonly isCompacting: boolean;
  readonly leases: Readonly<LeaseCounts>;
  readonly watches: WatchCounts;
  readonly authRevision: number;
  readonly writes: { readonly waiting: number; readonly failed: number };
  /** Proofs of leadership for reads that had to be asked for again, and reads that ran out of time. */
  readonly reads: { readonly slow: number; readonly failed: number };
  readonly snapshotsSent: ReadonlyMap<MemberId, Readonly<SnapshotCounts>>;
  readonly snapshotsReceived: ReadonlyMap<MemberId, number>;
  /** The leader whose snapshot is arriving; undefined: none is. */
  readonly snapshotFrom: MemberId | undefined;
  /** A received snapshot is being made durable. */
  readonly isInstalling: boolean;
}

/** Powers of two up to this one have a place of their own in {@link LeaseCounts.grantedByTtl}. */
export const ttlPowerMax = 23;

export const newKeyCounts = (): KeyCounts => ({ ranges: 0, puts: 0, deletes: 0, txns: 0, putBytes: 0 });

export const newLeaseCounts = (): LeaseCounts => ({
  granted: 0,
  revoked: 0,
  renewed: 0,
  expired: 0,
  ttlSeconds: 0,
  grantedByTtl: new Array<number>(ttlPowerMax + 2).fill(0),
});

export function noteGrant(counts: LeaseCounts, ttlSeconds: number): void {
  counts.granted += 1;
  counts.ttlSeconds += ttlSeconds;
  const power = ttlSeconds <= 1 ? 0 : Math.min(ttlPowerMax + 1, Math.ceil(Math.log2(ttlSeconds)));
  counts.grantedByTtl[power] = (counts.grantedByTtl[power] ?? 0) + 1;
}
