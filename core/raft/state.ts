/*
 * The state every role shares, the outbox, and the two things any role may have to do: fall back to follower, and send
 * a message no earlier than what it stands on. What each role does with it is in follower.ts, candidate.ts, leader.ts.
 */
import { assert } from "../assert.ts";
import type { MemberConfig } from "../config.ts";
import { type LogIndex, type MemberId, noIndex, noTerm, type Term } from "../ids.ts";
import type { Random } from "../ports.ts";
import type { Forgotten, Recall, Standing } from "./amnesia.ts";
import { assertConfiguration, membersOf, votersOf } from "./confchange.ts";
import type { Divergence } from "./divergence.ts";
import type { ForwardedOnce } from "./forwarded.ts";
import type { Leadership } from "./leadership.ts";
import { RaftLog } from "./log.ts";
import type {
  Committed,
  Configuration,
  EntryList,
  ForwardedProposal,
  HardState,
  RaftMessage,
  Registration,
  Roll,
} from "./message.ts";
import { promiseMsOf } from "./read-lease.ts";
import { ForwardedReads } from "./readindex.ts";
import type { ReadState, Role } from "./ready.ts";
import { Witness } from "./witness.ts";

export interface RaftOptions {
  readonly id: MemberId;
  readonly configuration: Configuration;
  readonly config: MemberConfig;
  /** As found on disk: durable. */
  readonly hardState: HardState;
  /** Position just before the first of `entries`; (0, 0) for a whole log. */
  readonly snapshotIndex: LogIndex;
  readonly snapshotTerm: Term;
  /** As found on disk: durable. */
  readonly entries: EntryList;
  /** Entries up to it are never handed out again; snapshotIndex ≤ appliedIndex ≤ last entry. */
  readonly appliedIndex: LogIndex;
  /** Draws election timeouts. */
  readonly random: Random;
  /** "checking" unless it is known otherwise that the disk holds all that this member ever promised. */
  readonly standing: "sound" | "checking";
  /** What is known to be lost, when the hard state says that this member recovers. */
  readonly forgotten?: Forgotten | undefined;
  /** Whether that member is known to have started before, from what this one has applied. */
  readonly hasServed: (id: MemberId) => boolean;
  /** Whether that learner voted before, as far as this member has applied. */
  readonly wasVoter: (id: MemberId) => boolean;
  /** The command with which a leader leaves that joint configuration; absent: it never does by itself. */
  readonly leaveJoint?: (configuration: Configuration) => Uint8Array;
  /**
   * Higher in every life of this member, also on an older disk, and at least 1: answers to reads of an earlier life are
   * not taken for its own, and what an earlier life acknowledged is not counted.
   */
  readonly incarnation: number;
}

/** See {@link RaftState.farewell}. */
export interface Farewell {
  /** In which it led. */
  readonly term: Term;
  /** The voters that stay; those that hold most come first. */
  readonly successors: readonly MemberId[];
  ticks: number;
}

/** Commands that share a message to the leader; one that is larger has a message of its own. */
const forwardBytesMax = 64 * 1024;
/** More than belong to any cluster that is being changed; whoever is forgotten is as one that never spoke. */
const strangersMax = 16;

export class RaftState {
  readonly id: MemberId;
  readonly config: MemberConfig;
  readonly incarnation: number;
  /** A later life of this member than this one, as others say: see lives.ts. 0: nobody says so. */
  outlivedBy = 0;
  /** What proves that this member goes on with another history than its cluster; it must not go on. */
  divergence: Divergence | undefined;
  readonly log: RaftLog;
  private readonly random: Random;

  configuration: Configuration;
  /** Everyone in the configuration, this member included, in id order. */
  memberIds: readonly MemberId[] = [];
  /** Those whose votes count, in id order. */
  voterIds: readonly MemberId[] = [];
  isVoter = false;
  /** This member is the one voter: it needs nobody's vote but its own. */
  isSoleVoter = false;

  standing: Standing = "sound";
  /** Present exactly while standing is not sound. */
  recall: Recall | undefined;
  /** What is known of the others' promises; one for each other member, in id order. */
  private witnesses: readonly Witness[] = [];
  /** The same of those that this member does not know to belong, or not yet; at most `strangersMax`, the newest last. */
  private strangers: readonly Witness[] = [];
  registrations: readonly Registration[];
  readonly hasServed: (id: MemberId) => boolean;
  readonly wasVoter: (id: MemberId) => boolean;
  readonly leaveJoint: RaftOptions["leaveJoint"] | undefined;

  /** As of the input being handled; only reads by lease ask for it. */
  nowMs = 0;
  /** Ticks in which this member gives no vote and begins no campaign, because a leader relies on that. */
  promisedTicks: number;

  role: Role = "follower";
  term: Term;
  votedFor: MemberId | undefined;
  leaderId: MemberId | undefined;
  /** Answers to the running campaign, by voter. */
  readonly votes = new Map<MemberId, boolean>();
  /** The life in which each of them was given. */
  readonly voteLives = new Map<MemberId, number>();
  /** Present exactly while role is leader. */
  leadership: Leadership | undefined;
  /** This member was removed while it led, and nobody is known to have taken its place. */
  farewell: Farewell | undefined;
  /** The term whose leader asked for a campaign that waits until a committed configuration is applied. */
  calledInTerm: Term | undefined;
  /** Highest read round of any leadership in this life. */
  lastRound = 0;
  readonly forwardedReads = new ForwardedReads();
  /**
   * Proposals of others that came while leadership was being handed over, at most `proposalsMax`: in no log yet, so they
   * may go on to the next leader, once.
   */
  heldBack: (readonly Uint8Array[])[] = [];
  /** What this life's last leadership took of what was forwarded to it: nothing else of that term is in a log. */
  former: { readonly term: Term; readonly forwarded: ForwardedOnce } | undefined;
  /** Messages of forwarded proposals in this life. */
  forwardedProposals = 0;
  /** The last of them; more goes into it while it is the last that waits to be taken, and of this term. */
  private gathering:
    | { readonly message: ForwardedProposal; readonly commands: Uint8Array[]; bytes: number }
    | undefined;
  /** Ticks since a leader was heard, a vote granted or a campaign begun. */
  electionTicks = 0;
  /** Ticks after which to campaign, in [E, 2E); 0: not drawn since the last reset. */
  private electionTimeoutTicks = 0;
  /** Highest term known to be durable on this member: what stands on the term alone may leave at once. */
  durableTerm: Term;

  messages: RaftMessage[] = [];
  messagesAfterPersist: RaftMessage[] = [];
  readStates: ReadState[] = [];
  readsAborted: number[] = [];
  /** Of others, and in no log: each came with a message that was taken once, so nobody appends them any more. */
  dropped: Uint8Array[] = [];

  constructor(options: RaftOptions) {
    this.id = options.id;
    this.config = options.config;
    // A life before this one may have promised.
    this.promisedTicks = promiseMsOf(options.config) > 0 ? options.config.electionTicks : 0;
    this.incarnation = options.incarnation;
    this.random = options.random;
    this.term = options.hardState.term;
    this.durableTerm = options.hardState.term;
    this.votedFor = options.hardState.votedFor;
    this.registrations = options.hardState.registrations;
    this.hasServed = options.hasServed;
    this.wasVoter = options.wasVoter;
    this.leaveJoint = options.leaveJoint;
    this.log = new RaftLog({
      baseIndex: options.snapshotIndex,
      baseTerm: options.snapshotTerm,
      entries: options.entries,
      commitIndex: options.hardState.commitIndex,
      appliedIndex: options.appliedIndex,
    });
    assert(this.log.lastTerm <= this.term, "the log is ahead of the durable term", this.log.lastTerm, this.term);
    this.configuration = options.configuration;
    this.configure(options.configuration);
  }

  configure(configuration: Configuration): void {
    assertConfiguration(configuration);
    const before = this.memberIds;
    this.configuration = configuration;
    this.memberIds = membersOf(configuration);
    this.voterIds = votersOf(configuration);
    this.isVoter = this.voterIds.includes(this.id);
    const known = [...this.witnesses, ...this.strangers];
    this.witnesses = this.memberIds
      .filter((id) => id !== this.id)
      .map((id) => known.find((witness) => witness.id === id) ?? new Witness(id));
    this.strangers = this.strangers.filter(({ id }) => !this.isMember(id));
    // Only of those that left: one that starts may begin with a list that is older than what it noted.
    const hasLeft = (id: MemberId): boolean => before.includes(id) && !this.isMember(id);
    const registrations = this.registrations.filter((one) => !hasLeft(one.memberId));
    if (registrations.length < this.registrations.length) this.registrations = registrations;
    this.isSoleVoter = this.isVoter && this.voterIds.length === 1;
  }

  isMember(id: MemberId): boolean {
    const ids = this.memberIds;
    for (let position = 0; position < ids.length; position++) if (ids[position] === id) return true;
    return false;
  }

  /** undefined for this member, and for strangers that nothing is known of. */
  witnessOf(id: MemberId): Witness | undefined {
    const witnesses = this.witnesses;
    for (let position = 0; position < witnesses.length; position++) {
      const witness = witnesses[position] as Witness;
      if (witness.id === id) return witness;
    }
    return this.strangers.find((witness) => witness.id === id);
  }

  /** {@link witnessOf}, made anew for a stranger; this member's own is nobody's. */
  witnessFor(id: MemberId): Witness {
    const known = this.witnessOf(id);
    if (known !== undefined) return known;
    const witness = new Witness(id);
    if (id !== this.id) this.strangers = [...this.strangers.slice(1 - strangersMax), witness];
    return witness;
  }

  /** Who belongs, as far as this member has applied. */
  get roll(): Roll {
    return { index: this.log.appliedIndex, configuration: this.configuration };
  }

  /** What this member surely knows to be committed. */
  get committed(): Committed {
    const index = this.log.commitIndex;
    return { index, term: this.log.termAt(index) ?? noTerm };
  }

  /**
   * Whoever holds a committed entry may count it as committed, whoever said so. Voters say it, because a change of the
   * members may be among it: 1. Of members 1 to 4, 4 is down and 1 leads; it is removed, and only 2 hears that this is
   * committed. 2. Member 3 has an entry more than 2, so 2 cannot win its vote; but 3 counts a majority of four, and
   * there are only two. So neither would ever lead, had 2 not told 3.
   */
  learnCommitted({ index, term }: Committed): void {
    // A leader finds out by counting, and keeps its sums by it.
    if (this.leadership === undefined && this.log.termAt(index) === term) this.log.commitTo(index);
  }

  resetElectionTimer(): void {
    this.electionTicks = 0;
    this.electionTimeoutTicks = 0;
  }

  /** One tick without a leader's word; true when it is time to campaign. The wait is drawn once E ticks have passed. */
  electionTimeoutReached(): boolean {
    const least = this.config.electionTicks;
    this.electionTicks++;
    if (this.electionTicks < least) return false;
    if (this.electionTimeoutTicks === 0) this.electionTimeoutTicks = least + this.random.below(least);
    return this.electionTicks >= this.electionTimeoutTicks;
  }

  /**
   * Ends any campaign or leadership. The vote is forgotten only with its term. A follower that merely learns of a
   * higher term keeps its election timer: a candidate with a poor log must not be able to keep others from campaigning.
   */
  becomeFollower(term: Term, leaderId: MemberId | undefined): void {
    assert(term >= this.term, "the term fell", term, this.term);
    if (this.leadership !== undefined) this.former = { term: this.term, forwarded: this.leadership.forwarded };
    if (term > this.term) {
      this.abandonForwardedReads();
      this.term = term;
      this.votedFor = undefined;
    }
    if (this.role !== "follower") {
      this.role = "follower";
      this.resetElectionTimer();
    }
    this.endLeadership();
    this.clearVotes();
    this.changeLeader(leaderId);
  }

  clearVotes(): void {
    this.votes.clear();
    this.voteLives.clear();
  }

  /** Reads sent to the former leader will get no answer that this member accepts. */
  changeLeader(leaderId: MemberId | undefined): void {
    if (this.leaderId === leaderId) return;
    this.abandonForwardedReads();
    this.leaderId = leaderId;
    if (leaderId === undefined || leaderId === this.id || this.heldBack.length === 0) return;
    const heldBack = this.heldBack;
    this.heldBack = [];
    for (const commands of heldBack) this.forward(leaderId, commands);
  }

  /**
   * Sends commands of clients to whoever leads; nobody tells what becomes of them. Those of one step share a message, as
   * long as it is small: a leader takes or drops a message as a whole.
   */
  forward(to: MemberId, commands: readonly Uint8Array[]): void {
    const bytes = commands.reduce((sum, command) => sum + command.length, 0);
    const gathering = this.gathering;
    const isOpen = gathering !== undefined && gathering.message === this.queueOnTerm[this.queueOnTerm.length - 1];
    const { message: last } = gathering ?? {};
    if (isOpen && last?.to === to && last.term === this.term && gathering.bytes + bytes <= forwardBytesMax) {
      gathering.bytes += bytes;
      gathering.commands.push(...commands);
      return;
    }
    this.forwardedProposals++;
    const { id: from, term, incarnation, forwardedProposals: sequence } = this;
    const gathered = [...commands];
    const message: ForwardedProposal = { type: "propose", from, to, term, incarnation, sequence, commands: gathered };
    this.gathering = { message, commands: gathered, bytes };
    this.sendOnTerm(message);
  }

  /** The leader of this term spoke. */
  heardLeader(from: MemberId): void {
    assert(this.leaderId === undefined || this.leaderId === from, "one term has two leaders", this.leaderId, from);
    this.changeLeader(from);
    this.resetElectionTimer();
  }

  /** For what stands on the current term: leaves at once if that term is durable, else after it is. */
  sendOnTerm(message: RaftMessage): void {
    this.queueOnTerm.push(message);
  }

  private get queueOnTerm(): RaftMessage[] {
    return this.durableTerm >= this.term ? this.messages : this.messagesAfterPersist;
  }

  /** Tells the leader that this log agrees with its own up to `matchIndex`; leaves once it is durable that far. */
  sendAccepted(to: MemberId, matchIndex: LogIndex): void {
    const { id, term, incarnation, registrations } = this;
    const isRecovering = this.standing !== "sound";
    const message: RaftMessage = {
      type: "appendAccepted",
      from: id,
      to,
      term,
      matchIndex,
      incarnation,
      isRecovering,
      registrations,
    };
    if (this.log.stableIndex >= matchIndex) this.sendOnTerm(message);
    else this.messagesAfterPersist.push(message);
  }

  /** Answers a leader of an earlier term, so that it learns of this one. Refuses position 0, which no one refuses. */
  refuseOldLeader(to: MemberId): void {
    this.sendOnTerm({
      type: "appendRejected",
      from: this.id,
      to,
      term: this.term,
      rejectedIndex: noIndex,
      hintIndex: noIndex,
      hintTerm: noTerm,
      incarnation: this.incarnation,
    });
  }

  private endLeadership(): void {
    if (this.leadership === undefined) return;
    this.lastRound = this.leadership.reads.lastRound;
    for (const readContext of this.leadership.reads.abandon()) this.readsAborted.push(readContext);
    this.leadership = undefined;
  }

  private abandonForwardedReads(): void {
    if (this.forwardedReads.count === 0) return;
    for (const readContext of this.forwardedReads.abandon()) this.readsAborted.push(readContext);
  }
}
