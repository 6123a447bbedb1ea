/*
 * Reads without a round, an option (`leaseReads`): a leader that knows that nobody else can have been elected answers at
 * once. Each voter that answers a heartbeat promises, if it has the option too, to give no vote and to begin no campaign
 * for an election timeout E from then on, counted in its own ticks; one that starts keeps still for E as well, since it
 * may have forgotten a promise. Once a quorum has answered a round of heartbeats, nobody is elected before the promises
 * end, and whoever is elected then has a vote of that quorum. The lease is counted from when the round was *sent*, which
 * is before any promise of it began, and ends earlier by the allowance.
 *
 *   leader   ──┬─ round sent ──────────────── lease: E − allowance ─┤ │
 *              └──▶ promise: at least E − 1 tick, by the voter's clock ─┤ first vote for another
 *
 * What is assumed: while the voter counts E − 1 ticks, the leader does not count fewer than E − allowance, and its clock
 * does not show less either. Clocks that drift apart by more than (allowance − 1) / E break that, and so does a machine
 * that stops with its clock (a suspended virtual machine); reads may then be stale. A pause of the process alone does not:
 * the lease ends by the clock and by ticks, whichever is first, and a gap between two ticks ends it too.
 *
 * What ends it for the rest of the term: a transfer. The word to campaign sets promises aside, and may be late: the leader
 * gives the transfer up, goes on, and the word arrives.
 * Source: Raft thesis §6.4.1; Gray and Cheriton, Leases.
 */
import type { MemberConfig } from "../config.ts";

/** Rounds on the way whose answers can still prolong the lease; of more, the oldest do not. */
const roundsMax = 64;

interface SentRound {
  readonly round: number;
  readonly sentMs: number;
  readonly sentTick: number;
}

export class ReadLease {
  readonly #ms: number;
  readonly #ticks: number;
  readonly #tickMs: number;
  /** Oldest first, rounds rising, at most roundsMax. */
  readonly #sent: SentRound[] = [];
  /** What the lease counts from; undefined: there is none. */
  #from: SentRound | undefined;
  #tick = 0;
  #lastTickMs: number | undefined;
  #isOver = false;

  constructor(config: MemberConfig) {
    this.#tickMs = config.tickMs;
    this.#ticks = config.electionTicks - config.leaseAllowanceTicks;
    this.#ms = this.#ticks * config.tickMs;
  }

  /** A tick of the leader. After a gap only rounds that are sent from now on count. */
  tick(nowMs: number): void {
    this.#tick += 1;
    if (this.#lastTickMs !== undefined && nowMs - this.#lastTickMs > gapTicks * this.#tickMs) this.#drop();
    this.#lastTickMs = nowMs;
  }

  /** Heartbeats of that round leave. */
  sent(round: number, nowMs: number): void {
    if (this.#sent.length >= roundsMax) this.#sent.shift();
    this.#sent.push({ round, sentMs: nowMs, sentTick: this.#tick });
  }

  /** A quorum of the present voters has promised in answer to that round, or a later one; 0: to none. */
  promised(round: number): void {
    let kept = 0;
    while (kept < this.#sent.length && (this.#sent[kept] as SentRound).round < round) kept++;
    const from = this.#sent[kept];
    // Another quorum decides after a change of members: it may have promised less.
    if (this.#from !== undefined && round < this.#from.round) this.#from = undefined;
    if (from?.round !== round) return;
    this.#from = from;
    this.#sent.splice(0, kept);
  }

  /** Nobody else can have been elected by now. */
  holds(nowMs: number): boolean {
    const from = this.#from;
    if (from === undefined || this.#isOver) return false;
    return nowMs - from.sentMs < this.#ms && this.#tick - from.sentTick < this.#ticks;
  }

  /** Promises to this leader may be set aside in its term. */
  end(): void {
    this.#isOver = true;
  }

  #drop(): void {
    this.#sent.length = 0;
    this.#from = undefined;
  }
}

/** Ticks come one tick apart; so much later than that, and the process stood still. */
const gapTicks = 2;

/** How long a voter of that config keeps its promise, at least, by its own clock; 0: it makes none. */
export const promiseMsOf = (config: MemberConfig): number =>
  config.leaseReads && config.checkQuorum ? config.electionTicks * config.tickMs : 0;
