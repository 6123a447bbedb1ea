/*
 * Leases. Two halves that must not be mixed up:
 * - replicated: which leases exist, their granted and checkpointed time, which keys hang on them. Changed only while an
 *   entry is applied, the same on every member, stored in bucket `lease`;
 * - timers: when each lease ends. Only the primary (the leader) has them, in its own clock. Nothing ends because a timer
 *   ran out: the primary names the lease, a replicated revoke ends it.
 *
 *   follower ──promote: every lease starts anew──▶ primary ──demote: timers forgotten──▶ follower
 *
 * So that a new primary need not start every lease anew, the primary may write down from time to time how much a long
 * lease has left: a checkpoint. A renewal has to undo it through the log before it is acknowledged, or the next primary
 * would end a renewed lease early; and one that is still on its way to the log counts as written.
 *
 * A lease that is past its time is as good as revoked: a renewal answers 0 and leaves it there. Otherwise a client could
 * be told its lease lives, while the revoke, already proposed, takes its keys. Source: etcd v3 API, Lease.
 */
import { assert } from "../assert.ts";
import { bytesOfId } from "../byte-io.ts";
import { bytesOfText } from "../bytes.ts";
import { type MemberConfig, memberConfigFields } from "../config.ts";
import { type LeaseCounts, newLeaseCounts, noteGrant } from "../counts.ts";
import { compareIds, type LeaseId, noLease } from "../ids.ts";
import type { Backend } from "../ports.ts";
import { type Expiry, ExpiryQueue } from "./expiry-queue.ts";
import { decodeLease, encodeLease } from "./lease-record.ts";

/** A lease named as expired is not named again for so long: its revoke is under way. */
export const revokeRetryMs = 3_000;

/** The part of the time two looks can revoke that a new primary plans for; the rest is room for ordinary expiries. */
const plannedShare = 0.75;

interface Lease extends Expiry {
  readonly leaseId: LeaseId;
  readonly ttlSeconds: number;
  /** Checkpointed time left, 0 when there is none; never above ttlSeconds. */
  remainingTtlSeconds: number;
  /** Keys attached, as texts. */
  readonly keys: Set<string>;
  /** In the primary's clock; no meaning elsewhere. `dueMs` is the same or, once it was named as expired, later. */
  expiryMs: number;
  /** Made when this primary first plans a checkpoint of it; in the queue of checkpoints while one is planned. */
  checkpoint: Expiry | undefined;
  /** Checkpoints this primary has proposed and not seen applied. */
  checkpointsSent: number;
}

/** The primary's word on one lease: 0 is its full time. */
export interface LeaseCheckpoint {
  readonly leaseId: LeaseId;
  readonly remainingTtlSeconds: number;
}

export class Lessor {
  private readonly backend: Backend;
  private readonly config: MemberConfig;
  private readonly leases = new Map<LeaseId, Lease>();
  private readonly leaseOfKey = new Map<string, LeaseId>();
  /** Empty unless primary; then holds every lease. */
  private readonly queue = new ExpiryQueue();
  /** When each lease is checkpointed next; empty unless primary. */
  private readonly checkpoints = new ExpiryQueue();
  private primary = false;
  readonly counts: LeaseCounts = newLeaseCounts();

  /** Empty until {@link reload}. */
  constructor(backend: Backend, config: MemberConfig) {
    this.backend = backend;
    this.config = config;
  }

  /**
   * Takes the leases from the backend, forgetting all it had, timers included. A key that names an unknown lease hangs
   * on none.
   */
  reload(attachments: ReadonlyMap<string, LeaseId>): void {
    this.demote();
    this.leases.clear();
    this.leaseOfKey.clear();
    this.backend.scan("lease", { from: new Uint8Array(1), to: undefined }, (_key, value) => {
      const { leaseId, ttlSeconds, remainingTtlSeconds } = decodeLease(value);
      this.leases.set(leaseId, newLease(leaseId, ttlSeconds, remainingTtlSeconds));
      return true;
    });
    for (const [text, leaseId] of attachments) {
      if (this.leases.has(leaseId)) this.attach(leaseId, text);
    }
  }

  // ---- replicated: only while an entry is applied --------------------------------------------------------------

  has(leaseId: LeaseId): boolean {
    return this.leases.has(leaseId);
  }

  /** True when some key hangs on some lease. */
  get hasAttachments(): boolean {
    return this.leaseOfKey.size > 0;
  }

  /** Id and time are settled before they are replicated: the id is not 0, the time at least the least one. */
  grant(
    leaseId: LeaseId,
    ttlSeconds: number,
    nowMs: number,
  ):
    | { readonly ok: true; readonly ttlSeconds: number }
    | { readonly ok: false; readonly refusal: "leaseTtlTooLarge" | "leaseExists" } {
    assert(leaseId !== noLease, "a lease is given its id before it is replicated");
    // Not the configured bounds, which may differ between members: all must come to the same verdict.
    if (ttlSeconds > memberConfigFields.leaseTtlMaxSeconds.max) return { ok: false, refusal: "leaseTtlTooLarge" };
    if (this.leases.has(leaseId)) return { ok: false, refusal: "leaseExists" };
    const lease = newLease(leaseId, Math.max(ttlSeconds, 1), 0);
    this.leases.set(leaseId, lease);
    this.store(lease);
    noteGrant(this.counts, lease.ttlSeconds);
    if (this.primary) this.schedule(lease, nowMs + lease.ttlSeconds * 1_000, nowMs);
    return { ok: true, ttlSeconds: lease.ttlSeconds };
  }

  /** Keys attached to the lease, as texts in byte order: the order in which a revoke deletes them. */
  keysOf(leaseId: LeaseId): readonly string[] {
    const lease = this.leases.get(leaseId);
    return lease === undefined ? [] : [...lease.keys].sort(compareTexts);
  }

  /** Removes a lease that exists; its keys must be deleted by then. */
  remove(leaseId: LeaseId): void {
    const lease = this.leases.get(leaseId);
    assert(lease !== undefined, "a lease that is removed exists");
    assert(lease.keys.size === 0, "a lease is removed after its keys", lease.keys.size);
    this.leases.delete(leaseId);
    this.counts.revoked += 1;
    this.backend.delete("lease", bytesOfId(leaseId));
    if (lease.position >= 0) this.queue.remove(lease);
    this.planNoCheckpoint(lease);
  }

  /** Hangs the key on a lease that exists, and on no other. */
  attach(leaseId: LeaseId, text: string): void {
    const lease = this.leases.get(leaseId);
    assert(lease !== undefined, "a key is attached to a lease that exists");
    if (this.leaseOfKey.get(text) === leaseId) return;
    this.detach(text);
    this.leaseOfKey.set(text, leaseId);
    lease.keys.add(text);
  }

  detach(text: string): void {
    const leaseId = this.leaseOfKey.get(text);
    if (leaseId === undefined) return;
    this.leaseOfKey.delete(text);
    this.leases.get(leaseId)?.keys.delete(text);
  }

  /** The primary's word on how much time is left, for the next primary; unknown leases are ignored. 0: the full time. */
  checkpoint(leaseId: LeaseId, remainingTtlSeconds: number): void {
    const lease = this.leases.get(leaseId);
    if (lease === undefined) return;
    if (remainingTtlSeconds > 0 && lease.checkpointsSent > 0) lease.checkpointsSent -= 1;
    lease.remainingTtlSeconds = Math.min(remainingTtlSeconds, lease.ttlSeconds);
    this.store(lease);
  }

  // ---- timers: only at the primary -----------------------------------------------------------------------------

  get isPrimary(): boolean {
    return this.primary;
  }

  /**
   * This member leads, and has applied everything that was committed before it did: an acknowledged renewal may have
   * been the last word on a checkpoint. Every lease gets its checkpointed time, or its full one, and `extendMs`, from now on: how
   * much the old primary had left it, nobody here knows. Leases that would end in a heap are spread over time, so
   * that revoking them does not crowd out all else.
   */
  promote(nowMs: number, extendMs: number): void {
    this.demote();
    this.primary = true;
    const leases = [...this.leases.values()];
    for (const lease of leases) {
      const seconds = lease.remainingTtlSeconds > 0 ? lease.remainingTtlSeconds : lease.ttlSeconds;
      lease.expiryMs = nowMs + seconds * 1_000 + extendMs;
      lease.checkpointsSent = 0;
    }
    leases.sort(compareExpiries);
    const { leaseRevokesPerCheckMax, leaseCheckMs } = this.config;
    const perSecond = Math.max(1, Math.floor((plannedShare * leaseRevokesPerCheckMax * 1_000) / leaseCheckMs));
    for (let place = 0; place < leases.length; place++) {
      const lease = leases[place] as Lease;
      const earlier = leases[place - perSecond];
      if (earlier !== undefined) lease.expiryMs = Math.max(lease.expiryMs, earlier.expiryMs + 1_000);
      this.schedule(lease, lease.expiryMs, nowMs);
    }
  }

  /** This member does not lead any more: it knows no lease's time. */
  demote(): void {
    this.primary = false;
    this.queue.clear();
    this.checkpoints.clear();
  }

  /**
   * Whether a checkpoint, applied or on its way, would let a later primary end the lease before the time a renewal
   * promises: then a checkpoint of 0 has to be applied before {@link renew}.
   */
  mustResetBeforeRenewal(leaseId: LeaseId): boolean {
    const lease = this.leases.get(leaseId);
    return lease !== undefined && (lease.remainingTtlSeconds > 0 || lease.checkpointsSent > 0);
  }

  /** Starts the lease's time anew. Returns its full time in seconds; 0 when it is unknown or past its time. */
  renew(leaseId: LeaseId, nowMs: number): number {
    assert(this.primary, "only the primary renews leases");
    const lease = this.leases.get(leaseId);
    if (lease === undefined || lease.expiryMs <= nowMs) return 0;
    lease.expiryMs = nowMs + lease.ttlSeconds * 1_000;
    this.queue.move(lease, lease.expiryMs);
    this.planCheckpoint(lease, nowMs);
    this.counts.renewed += 1;
    return lease.ttlSeconds;
  }

  /** Whole seconds left, 0 once past its time, and the keys in byte order; undefined when the lease is unknown. */
  timeToLive(
    leaseId: LeaseId,
    nowMs: number,
  ):
    | { readonly ttlSeconds: number; readonly grantedTtlSeconds: number; readonly keys: readonly Uint8Array[] }
    | undefined {
    assert(this.primary, "only the primary knows the time left of a lease");
    const lease = this.leases.get(leaseId);
    if (lease === undefined) return undefined;
    return {
      ttlSeconds: Math.max(0, Math.floor((lease.expiryMs - nowMs) / 1_000)),
      grantedTtlSeconds: lease.ttlSeconds,
      keys: this.keysOf(leaseId).map(bytesOfText),
    };
  }

  /**
   * At most `max` leases past their time, the longest past first. Each is named once and then again only after
   * {@link revokeRetryMs}, should its revoke have been lost. Empty unless primary.
   */
  expired(nowMs: number, max: number): readonly LeaseId[] {
    const due: LeaseId[] = [];
    while (due.length < max) {
      const first = this.queue.first;
      if (first === undefined || first.dueMs > nowMs) break;
      due.push(first.leaseId);
      this.queue.move(first, nowMs + revokeRetryMs);
    }
    return due;
  }

  /**
   * At most `max` leases whose time left is to be written down now. Each counts as sent: should its proposal be refused,
   * {@link checkpointRefused} says so.
   */
  checkpointsDue(nowMs: number, max: number): readonly LeaseCheckpoint[] {
    const due: LeaseCheckpoint[] = [];
    while (due.length < max) {
      const first = this.checkpoints.first;
      if (first === undefined || first.dueMs > nowMs) break;
      const lease = this.leases.get(first.leaseId);
      assert(lease !== undefined, "a checkpoint is planned for a lease that exists");
      this.planCheckpoint(lease, nowMs);
      // Up, never down: nobody may end it sooner than this primary would.
      const remainingTtlSeconds = Math.ceil((lease.expiryMs - nowMs) / 1_000);
      if (remainingTtlSeconds <= 0 || remainingTtlSeconds >= lease.ttlSeconds) continue;
      lease.checkpointsSent += 1;
      due.push({ leaseId: lease.leaseId, remainingTtlSeconds });
    }
    return due;
  }

  /** It is in no log and never will be; the lease is due again at once. */
  checkpointRefused(leaseId: LeaseId, nowMs: number): void {
    const lease = this.leases.get(leaseId);
    if (lease === undefined || lease.checkpointsSent === 0) return;
    lease.checkpointsSent -= 1;
    if (lease.checkpoint !== undefined && lease.checkpoint.position >= 0)
      this.checkpoints.move(lease.checkpoint, nowMs);
  }

  /** All leases: at the primary the one that ends first comes first, elsewhere in id order. */
  get leaseIds(): readonly LeaseId[] {
    const leases = [...this.leases.values()];
    leases.sort(this.primary ? compareExpiries : (a, b) => compareIds(a.leaseId, b.leaseId));
    return leases.map((lease) => lease.leaseId);
  }

  // ---- helpers -------------------------------------------------------------------------------------------------

  private schedule(lease: Lease, expiryMs: number, nowMs: number): void {
    lease.expiryMs = expiryMs;
    lease.dueMs = expiryMs;
    this.queue.add(lease);
    this.planCheckpoint(lease, nowMs);
  }

  /** The next one comes an interval from now, unless the lease has ended by then. */
  private planCheckpoint(lease: Lease, nowMs: number): void {
    const { leaseCheckpoints, leaseCheckpointMs } = this.config;
    if (!leaseCheckpoints || lease.expiryMs - nowMs <= leaseCheckpointMs) {
      this.planNoCheckpoint(lease);
      return;
    }
    const dueMs = nowMs + leaseCheckpointMs;
    lease.checkpoint ??= { leaseId: lease.leaseId, dueMs, position: -1 };
    if (lease.checkpoint.position >= 0) this.checkpoints.move(lease.checkpoint, dueMs);
    else {
      lease.checkpoint.dueMs = dueMs;
      this.checkpoints.add(lease.checkpoint);
    }
  }

  private planNoCheckpoint(lease: Lease): void {
    if (lease.checkpoint !== undefined && lease.checkpoint.position >= 0) this.checkpoints.remove(lease.checkpoint);
  }

  private store(lease: Lease): void {
    this.backend.put("lease", bytesOfId(lease.leaseId), encodeLease(lease));
  }
}

function newLease(leaseId: LeaseId, ttlSeconds: number, remainingTtlSeconds: number): Lease {
  return {
    leaseId,
    ttlSeconds,
    remainingTtlSeconds,
    keys: new Set(),
    expiryMs: 0,
    dueMs: 0,
    position: -1,
    checkpoint: undefined,
    checkpointsSent: 0,
  };
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const compareExpiries = (a: Lease, b: Lease): number => a.expiryMs - b.expiryMs || compareIds(a.leaseId, b.leaseId);
