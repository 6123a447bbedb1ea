/*
 * What a leader knows and believes about one member's log.
 *
 *            accepted                     refused
 *   probe ─────────────▶ replicate ────────────────────▶ probe
 *     │  ▲                                                 one append an answer or heartbeat; nextIndex is a guess
 *     │  └── aborted ── snapshot ── acknowledged ─▶ replicate
 *     └── next entry compacted ──▶  nothing is sent while it runs
 *
 * In replicate nextIndex runs ahead of the answers, as far as the in-flight window allows.
 * Source: Raft thesis §3.5 (nextIndex, matchIndex), §10.2.1 (pipelining), §5 (snapshots).
 */
import { assert } from "../assert.ts";
import { indexOf, type LogIndex, type MemberId, noIndex } from "../ids.ts";
import { Inflight } from "./inflight.ts";

export type ProgressState = "probe" | "replicate" | "snapshot";

export class Progress {
  readonly id: MemberId;
  state: ProgressState = "probe";
  /** Life of that member that everything here is about; 0 before its first word to this leader. */
  incarnation = 0;
  /** That life remembers what it promised, and so counts: see amnesia.ts. */
  isCounted = false;
  /** Highest index known to be durable there and equal to the leader's log; never falls in one life of that member. */
  matchIndex: LogIndex = noIndex;
  /** First index of the next append; always > matchIndex. */
  nextIndex: LogIndex;
  /** In probe: an append was sent and neither an answer nor a heartbeat reply has come since. */
  probeSent = false;
  /** Send an append at the next chance even if it carries nothing new: an earlier one may be lost. */
  appendDue = false;
  /** Highest commit index the follower learns from appends sent so far, lost ones included. */
  sentCommitIndex: LogIndex = noIndex;
  /** It follows this leader, or has answered an only voter's question: see divergence.ts. */
  isMet = false;
  /** Heard from since the last check of the quorum. */
  recentActive = false;
  /** Highest read round this member confirmed in this leadership. */
  confirmedRound = 0;
  /** Highest of them with which it promised to give no vote for as long as this leader's election timeout. */
  promisedRound = 0;
  readonly inflight: Inflight;

  constructor(options: {
    readonly id: MemberId;
    readonly nextIndex: LogIndex;
    readonly inFlight: ConstructorParameters<typeof Inflight>[0];
  }) {
    this.id = options.id;
    this.nextIndex = options.nextIndex;
    this.inflight = new Inflight(options.inFlight);
  }

  /** What of matchIndex counts for a commit. */
  get countedIndex(): LogIndex {
    return this.isCounted ? this.matchIndex : noIndex;
  }

  /** The follower's log agrees up to `index`; false when that was known already. */
  advanceMatch(index: LogIndex): boolean {
    if (index <= this.matchIndex) return false;
    this.matchIndex = index;
    if (this.nextIndex <= index) this.nextIndex = indexOf(index + 1);
    return true;
  }

  /**
   * A word of that member's life `incarnation` has come. False: that life is over, and nothing it said counts any more.
   * A new life may stand on an older disk than the one before, so all begins anew with it.
   */
  meetLife(incarnation: number): boolean {
    if (incarnation === this.incarnation) return true;
    if (incarnation < this.incarnation) return false;
    const isFirst = this.incarnation === 0;
    this.incarnation = incarnation;
    if (isFirst) return true;
    this.isCounted = false;
    this.matchIndex = noIndex;
    this.confirmedRound = 0;
    this.promisedRound = 0;
    this.becomeProbe(this.nextIndex);
    return true;
  }

  becomeProbe(nextIndex: LogIndex): void {
    assert(nextIndex > this.matchIndex, "an entry known to match would be sent again", nextIndex, this.matchIndex);
    this.changeTo("probe");
    this.nextIndex = nextIndex;
    this.sentCommitIndex = noIndex;
  }

  becomeReplicate(): void {
    this.changeTo("replicate");
    this.nextIndex = indexOf(this.matchIndex + 1);
  }

  becomeSnapshot(): void {
    this.changeTo("snapshot");
  }

  private changeTo(state: ProgressState): void {
    this.state = state;
    this.probeSent = false;
    this.appendDue = false;
    this.inflight.clear();
  }
}
