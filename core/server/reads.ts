/*
 * Linearizable reads. A read is answered from this member's own state once that state includes everything that was
 * committed when the read arrived: a leader proves by a round of heartbeats that it still leads, and names its commit
 * index; the read waits until this member has applied that far. Reads that arrive during one round share the next.
 * Source: Raft thesis §6.4.
 */
import type { Credential } from "../auth/identity.ts";
import type { MemberConfig } from "../config.ts";
import type { LogIndex, RequestId } from "../ids.ts";
import type { LeaseForward } from "../input.ts";
import type { Raft } from "../raft/raft.ts";
import type { ReadState } from "../raft/ready.ts";
import type { Request, TxnRequest } from "../request.ts";

export type LeaseQuestion = Extract<LeaseForward, { type: "leaseRenew" | "leaseQuery" }>;

export interface RequestedRead {
  readonly type: "request";
  readonly requestId: RequestId;
  readonly request: Request;
  /** Judged when the read is served. */
  readonly credential: Credential | undefined;
}

/** What is done once the read may be served. */
export type Read =
  | RequestedRead
  /** A lease call of this member's own clients; lease-calls.ts knows the rest. */
  | { readonly type: "leaseCall"; readonly callId: number }
  /** A lease call another member forwarded to this one as the leader. */
  | { readonly type: "leasePeer"; readonly question: LeaseQuestion };

interface WaitingRead {
  readonly read: Read;
  readonly startedMs: number;
}
interface Round {
  readonly context: number;
  readonly reads: WaitingRead[];
  askedMs: number;
}
interface ProvenRound {
  readonly readIndex: LogIndex;
  readonly reads: readonly WaitingRead[];
}

/** Bounded by `proposalsMax` reads; each lives at most `requestTimeoutMs`. */
export class Reads {
  readonly #raft: Raft;
  readonly #config: MemberConfig;
  #context = 0;
  /** Reads for the next round. */
  #gathering: WaitingRead[] = [];
  #round: Round | undefined;
  /** Rounds whose index is known but not yet applied here, readIndex rising. */
  #proven: ProvenRound[] = [];
  #count = 0;
  /** What may be served and waits for a step that has room; the oldest first. */
  readonly #postponed = new Map<RequestId, { readonly read: RequestedRead; readonly startedMs: number }>();
  /** For metrics; see counts.ts. */
  readonly counts = { slow: 0, failed: 0 };

  constructor(options: { raft: Raft; config: MemberConfig }) {
    this.#raft = options.raft;
    this.#config = options.config;
  }

  /** False when too many wait already. */
  add(read: Read, nowMs: number): boolean {
    if (this.#count >= this.#config.proposalsMax) return false;
    this.#count += 1;
    this.#gathering.push({ read, startedMs: nowMs });
    if (this.#round === undefined) this.#startRound(nowMs);
    return true;
  }

  /** A round is proven; returns what may be served at once. */
  proven(state: ReadState, appliedIndex: LogIndex, nowMs: number): readonly Read[] {
    const round = this.#round;
    if (round === undefined || round.context !== state.readContext) return none;
    this.#round = undefined;
    this.#proven.push({ readIndex: state.readIndex, reads: round.reads });
    if (this.#gathering.length > 0) this.#startRound(nowMs);
    return this.applied(appliedIndex);
  }

  /** Raft gave the round up; it is asked again, by a later tick if no leader is known now. */
  aborted(readContext: number, nowMs: number): void {
    if (this.#round?.context === readContext) this.#ask(this.#round, nowMs);
  }

  /** This member applied up to that index; returns what may now be served, in the order it arrived. */
  applied(appliedIndex: LogIndex): readonly Read[] {
    let ready = 0;
    while (ready < this.#proven.length && (this.#proven[ready] as ProvenRound).readIndex <= appliedIndex) ready += 1;
    if (ready === 0) return none;
    const served: Read[] = [];
    for (const round of this.#proven.splice(0, ready)) {
      for (const waiting of round.reads) served.push(waiting.read);
    }
    this.#count -= served.length;
    return served;
  }

  /** It may be served, but not in this step. @returns false: too many wait already */
  postpone(read: RequestedRead, nowMs: number): boolean {
    if (this.#postponed.size >= this.#config.proposalsMax) return false;
    this.#postponed.set(read.requestId, { read, startedMs: nowMs });
    return true;
  }

  get hasPostponed(): boolean {
    return this.#postponed.size > 0;
  }

  /** Takes out those that wait, the oldest first, each when it is asked for. */
  *takePostponed(): Generator<RequestedRead, void> {
    for (const [requestId, { read }] of this.#postponed) {
      this.#postponed.delete(requestId);
      yield read;
    }
  }

  /** Nobody waits for that answer any more. */
  forget(requestId: RequestId): void {
    this.#postponed.delete(requestId);
  }

  /** Asks again for a round that got no answer; returns the reads that ran out of time. */
  tick(nowMs: number): readonly Read[] {
    const late = this.#latePostponed(nowMs - this.#config.requestTimeoutMs);
    if (this.#count === 0) return late;
    if (this.#round !== undefined && nowMs - this.#round.askedMs >= this.#config.readRetryMs) {
      this.counts.slow += 1;
      this.#ask(this.#round, nowMs);
    }
    const expired: Read[] = [...late];
    const expiresMs = nowMs - this.#config.requestTimeoutMs;
    this.#gathering = takeExpired(this.#gathering, expiresMs, expired);
    if (this.#round !== undefined) {
      const reads = takeExpired(this.#round.reads, expiresMs, expired);
      if (reads !== this.#round.reads) this.#round = reads.length === 0 ? undefined : { ...this.#round, reads };
    }
    this.#proven = this.#proven
      .map((round) => ({
        readIndex: round.readIndex,
        reads: takeExpired(round.reads as WaitingRead[], expiresMs, expired),
      }))
      .filter((round) => round.reads.length > 0);
    if (this.#round === undefined && this.#gathering.length > 0) this.#startRound(nowMs);
    this.#count -= expired.length - late.length;
    this.counts.failed += expired.length - late.length;
    return expired;
  }

  #latePostponed(startedBeforeMs: number): readonly Read[] {
    const late: Read[] = [];
    for (const [requestId, { read, startedMs }] of this.#postponed) {
      if (startedMs > startedBeforeMs) break;
      this.#postponed.delete(requestId);
      late.push(read);
    }
    return late;
  }

  #startRound(nowMs: number): void {
    this.#context += 1;
    this.#round = { context: this.#context, reads: this.#gathering, askedMs: nowMs };
    this.#gathering = [];
    this.#ask(this.#round, nowMs);
  }

  #ask(round: Round, nowMs: number): void {
    round.askedMs = nowMs;
    this.#raft.requestRead(round.context);
  }
}

/** Moves reads begun at or before that time to `expired`; the same array when there were none. */
function takeExpired(reads: WaitingRead[], startedBeforeMs: number, expired: Read[]): WaitingRead[] {
  const first = reads[0];
  if (first === undefined || first.startedMs > startedBeforeMs) return reads;
  const kept: WaitingRead[] = [];
  for (const waiting of reads) {
    if (waiting.startedMs <= startedBeforeMs) expired.push(waiting.read);
    else kept.push(waiting);
  }
  return kept;
}

const none: readonly Read[] = [];

/** A transaction of ranges only, which is served like a read; a nested one makes it a write. */
export function isReadOnlyTxn(txn: TxnRequest): boolean {
  return (
    txn.success.every((operation) => operation.type === "range") &&
    txn.failure.every((operation) => operation.type === "range")
  );
}

/** True when every range in it is serializable; also true without any operation, as in etcd. */
export function isSerializableTxn(txn: TxnRequest): boolean {
  return (
    txn.success.every((operation) => operation.type === "range" && operation.serializable) &&
    txn.failure.every((operation) => operation.type === "range" && operation.serializable)
  );
}
