/*
 * What a member holds only while it leads: progress of everyone, reads waiting for proof, a transfer under way. Made
 * when an election is won, dropped as a whole when leadership ends, so that nothing stale is left for the next one.
 */
import type { MemberConfig } from "../config.ts";
import { indexOf, type LogIndex, type MemberId } from "../ids.ts";
import { membersOf } from "./confchange.ts";
import { ForwardedOnce } from "./forwarded.ts";
import type { Configuration } from "./message.ts";
import { Progress } from "./progress.ts";
import { reachedByQuorum } from "./quorum.ts";
import { ReadLease } from "./read-lease.ts";
import { LeaderReads } from "./readindex.ts";

export interface LeadershipOptions {
  readonly id: MemberId;
  readonly configuration: Configuration;
  readonly lastIndex: LogIndex;
  readonly lastRound: number;
  readonly config: MemberConfig;
}

export class Leadership {
  /** The leader itself; its matchIndex is what its own disk holds. */
  readonly self: Progress;
  /** Everyone else, in id order. */
  peers: readonly Progress[] = [];
  readonly reads: LeaderReads;
  /** Absent unless reads may be answered by lease. */
  readonly readLease: ReadLease | undefined;
  readonly forwarded = new ForwardedOnce();
  /** Index of the empty entry this leader began with: from it on every entry has its term. */
  readonly startIndex: LogIndex;
  /** Bytes of entries in the log that are not committed. */
  uncommittedBytes = 0;
  /** The newest change of the configuration in the log may lie here; until it is applied no other is appended. */
  configurationIndex: LogIndex;
  /** Changes of the configuration that wait for their turn. */
  configurationsWaiting: Uint8Array[] = [];
  transferee: MemberId | undefined;
  /** Ticks since the transfer began. */
  transferTicks = 0;
  /** Ticks since the quorum was last checked. */
  quorumTicks = 0;
  /** Something may be worth an append to somebody. */
  appendsDue = false;
  heartbeatsDue = false;
  /** Followers to whom a snapshot shall be sent. */
  snapshotsWanted: MemberId[] = [];
  /** Whom the next heartbeats speak of: a position among `peers`, or one further for the leader; undefined: of nobody. */
  heldTurn: number | undefined;
  lastHeldTurn = 0;

  private readonly inFlight: { readonly countMax: number; readonly bytesMax: number };
  private incoming: readonly Progress[] = [];
  private outgoing: readonly Progress[] = [];
  /** Scratch space of the quorum sums: one value per voter of each half. */
  private readonly incomingValues: number[] = [];
  private readonly outgoingValues: number[] = [];

  constructor(options: LeadershipOptions) {
    const { appendsInFlightMax, appendsInFlightBytesMax } = options.config;
    this.inFlight = { countMax: appendsInFlightMax, bytesMax: appendsInFlightBytesMax };
    this.readLease = options.config.leaseReads ? new ReadLease(options.config) : undefined;
    this.startIndex = indexOf(options.lastIndex + 1);
    // An earlier leader may have left one anywhere in the log.
    this.configurationIndex = this.startIndex;
    this.reads = new LeaderReads(options.lastRound);
    this.self = this.newProgress(options.id, this.startIndex);
    this.self.isCounted = true;
    this.configure(options.configuration, this.startIndex);
  }

  /** Known members keep their progress; new ones begin as probes at `nextIndex`. */
  configure(configuration: Configuration, nextIndex: LogIndex): void {
    const known = this.peers;
    const peers: Progress[] = [];
    for (const id of membersOf(configuration)) {
      if (id === this.self.id) continue;
      peers.push(known.find((progress) => progress.id === id) ?? this.newProgress(id, nextIndex));
    }
    this.peers = peers;
    this.incoming = configuration.voters.map((id) => this.progressOf(id) ?? this.self);
    this.outgoing = configuration.outgoing.map((id) => this.progressOf(id) ?? this.self);
    this.incomingValues.length = this.incoming.length;
    this.outgoingValues.length = this.outgoing.length;
    this.readLease?.promised(this.promisedByQuorum());
  }

  /** Progress of a peer; undefined for the leader itself and for strangers. */
  progressOf(id: MemberId): Progress | undefined {
    const peers = this.peers;
    for (let position = 0; position < peers.length; position++) {
      const progress = peers[position] as Progress;
      if (progress.id === id) return progress;
    }
    return undefined;
  }

  /** The only voter was answered by one that may be spoken to. */
  meet(id: MemberId): void {
    const progress = this.progressOf(id);
    if (progress === undefined || progress.isMet) return;
    progress.isMet = true;
    progress.probeSent = false;
    this.appendsDue = true;
  }

  /** Highest index that a quorum holds durably. */
  matchedByQuorum(): number {
    for (let at = 0; at < this.incoming.length; at++) {
      this.incomingValues[at] = (this.incoming[at] as Progress).countedIndex;
    }
    for (let at = 0; at < this.outgoing.length; at++) {
      this.outgoingValues[at] = (this.outgoing[at] as Progress).countedIndex;
    }
    return reachedByQuorum(this.incomingValues, this.outgoingValues);
  }

  /** Highest read round that a quorum has confirmed; the leader itself confirms every round. */
  confirmedByQuorum(): number {
    this.self.confirmedRound = this.reads.lastRound;
    for (let at = 0; at < this.incoming.length; at++) {
      this.incomingValues[at] = (this.incoming[at] as Progress).confirmedRound;
    }
    for (let at = 0; at < this.outgoing.length; at++) {
      this.outgoingValues[at] = (this.outgoing[at] as Progress).confirmedRound;
    }
    return reachedByQuorum(this.incomingValues, this.outgoingValues);
  }

  /** Highest read round in answer to which a quorum promised to give no votes; the leader itself gives none anyway. */
  promisedByQuorum(): number {
    this.self.promisedRound = this.reads.lastRound;
    for (let at = 0; at < this.incoming.length; at++) {
      this.incomingValues[at] = (this.incoming[at] as Progress).promisedRound;
    }
    for (let at = 0; at < this.outgoing.length; at++) {
      this.outgoingValues[at] = (this.outgoing[at] as Progress).promisedRound;
    }
    return reachedByQuorum(this.incomingValues, this.outgoingValues);
  }

  /** Whether a quorum of voters was heard from since the last check; begins the next interval. */
  checkQuorum(): boolean {
    this.self.recentActive = true;
    for (let at = 0; at < this.incoming.length; at++) {
      this.incomingValues[at] = isHeard(this.incoming[at] as Progress) ? 1 : 0;
    }
    for (let at = 0; at < this.outgoing.length; at++) {
      this.outgoingValues[at] = isHeard(this.outgoing[at] as Progress) ? 1 : 0;
    }
    for (const progress of this.peers) progress.recentActive = false;
    return reachedByQuorum(this.incomingValues, this.outgoingValues) >= 1;
  }

  private newProgress(id: MemberId, nextIndex: LogIndex): Progress {
    return new Progress({ id, nextIndex, inFlight: this.inFlight });
  }
}

/** Whoever is heard but does not count keeps no leader in office. */
const isHeard = (progress: Progress): boolean => progress.recentActive && progress.isCounted;
