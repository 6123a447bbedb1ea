/*
 * Reads that wait at a leader for the proof that it still leads: a read may be served at the commit index noted when it
 * came, once a quorum has answered a heartbeat sent after it came. Heartbeats carry a rising round; a confirmed round
 * releases the reads of that round and of earlier ones, never of later ones. A leader that has not yet committed in its
 * own term does not know how far its predecessors committed: reads wait for that first. Source: Raft thesis §6.4.
 */
import type { LogIndex, MemberId } from "../ids.ts";

export interface WaitingRead {
  /** Who asked; undefined for this member itself. */
  readonly from: MemberId | undefined;
  readonly readContext: number;
  /** Of the asking member; 0 for this member itself. */
  readonly incarnation: number;
}

export interface ProvenRead extends WaitingRead {
  readonly readIndex: LogIndex;
}

interface QueuedRead extends ProvenRead {
  readonly round: number;
}

export class LeaderReads {
  /** Rounds never fall from front to back. */
  private queue: QueuedRead[] = [];
  /** Reads that came before the first commit of the leader's own term. */
  private early: WaitingRead[] = [];
  private round: number;
  /** No heartbeat of `round` has been sent yet: reads may still join it. */
  private isRoundOpen = false;

  /** `lastRound`: the highest round of an earlier leadership of this member, so that rounds only rise. */
  constructor(lastRound: number) {
    this.round = lastRound;
  }

  /** Reads waiting in all. */
  get count(): number {
    return this.queue.length + this.early.length;
  }

  /** Round for the heartbeats about to be sent: the highest one that a read waits for, 0 when none waits. */
  get roundAwaited(): number {
    return this.queue.length === 0 ? 0 : this.round;
  }

  get lastRound(): number {
    return this.round;
  }

  /** Heartbeats about to be sent get a round of their own even if no read waits. */
  openRound(): number {
    if (!this.isRoundOpen) {
      this.round++;
      this.isRoundOpen = true;
    }
    return this.round;
  }

  /** The read waits until the first commit of the leader's term. */
  addEarly(read: WaitingRead): void {
    this.early.push(read);
  }

  /** The read waits for a round of heartbeats that begins after now. */
  add(read: WaitingRead, commitIndex: LogIndex): void {
    this.openRound();
    this.queue.push({
      from: read.from,
      readContext: read.readContext,
      incarnation: read.incarnation,
      readIndex: commitIndex,
      round: this.round,
    });
  }

  /** The leader has committed in its own term: early reads join a round. Returns whether there were any. */
  admitEarly(commitIndex: LogIndex): boolean {
    if (this.early.length === 0) return false;
    for (const read of this.early) this.add(read, commitIndex);
    this.early = [];
    return true;
  }

  /** Heartbeats of the current round are on their way: a read that comes later needs another round. */
  closeRound(): void {
    this.isRoundOpen = false;
  }

  /** A quorum has confirmed that round: the reads it proves, oldest first. */
  confirm(round: number): readonly ProvenRead[] {
    let proven = 0;
    while (proven < this.queue.length && (this.queue[proven] as QueuedRead).round <= round) proven++;
    return this.queue.splice(0, proven);
  }

  /** Leadership ended: contexts of this member's own reads that will get no answer, oldest first. */
  abandon(): readonly number[] {
    const own: number[] = [];
    for (const read of this.queue) if (read.from === undefined) own.push(read.readContext);
    for (const read of this.early) if (read.from === undefined) own.push(read.readContext);
    this.queue = [];
    this.early = [];
    return own;
  }
}

/** Reads of this member that wait for the answer of the leader they were sent to. */
export class ForwardedReads {
  private contexts: number[] = [];

  get count(): number {
    return this.contexts.length;
  }

  /** A context that waits already keeps its place: it is being asked again. */
  add(readContext: number): void {
    if (!this.contexts.includes(readContext)) this.contexts.push(readContext);
  }

  /** False when that read does not wait, because it was answered or abandoned before. */
  take(readContext: number): boolean {
    const position = this.contexts.indexOf(readContext);
    if (position < 0) return false;
    this.contexts.splice(position, 1);
    return true;
  }

  /** The leader or the term changed: contexts that will get no answer, oldest first. */
  abandon(): readonly number[] {
    const abandoned = this.contexts;
    this.contexts = [];
    return abandoned;
  }
}
