/*
 * The Raft machine of one member: the term rules that every message passes, then the step of the role it is in. It does
 * no I/O: calls change the state, `takeReady` hands out what to write, send and apply.
 *
 *              no leader heard            pre-votes won            votes won
 *   follower ─────────────────▶ preCandidate ─────────▶ candidate ─────────▶ leader
 *      ▲    ◀── lost, or a leader speaks ──┴────────────────┘                  │
 *      └──────────── a higher term, or no quorum heard for an election timeout ┘
 *
 * Source: Raft thesis; where etcd's behaviour is visible (stickiness, transfer) it is followed.
 */
import { assert, unreachable } from "../assert.ts";
import { indexOf, type LogIndex, type MemberId, type Term } from "../ids.ts";
import {
  askAtOnce,
  beginRecall,
  handleHelloReply,
  handleRegisterReply,
  maybeRecovered,
  missingAnswers,
  type Standing,
  tickRecall,
  votersToAsk,
} from "./amnesia.ts";
import { campaign, maybeCampaignAsCalled, stepCandidate, tickCandidate } from "./candidate.ts";
import { askIfAlone, type Divergence, handleAcquaintance, stepAlone } from "./divergence.ts";
import { handlePreVote, handleVote, isLoyal, refuseVote, stepFollower, tickFollower } from "./follower.ts";
import {
  addRead,
  flushLeader,
  handleLateProposal,
  hasConfigurationDue,
  leaderPersisted,
  leaderReconfigured,
  maybeAppendConfiguration,
  proposeAsLeader,
  proposeConfigurationAsLeader,
  sayFarewell,
  startTransfer,
  stepLeader,
  tickFarewell,
  tickLeader,
} from "./leader.ts";
import { noteOwnLives } from "./lives.ts";
import type {
  Configuration,
  Entry,
  HardState,
  RaftMessage,
  Registration,
  SnapshotChunk,
  SnapshotChunkReply,
} from "./message.ts";
import type { ProgressState } from "./progress.ts";
import type { RaftView, ReadState, Ready, RecallView, Role } from "./ready.ts";
import { type RaftOptions, RaftState } from "./state.ts";
import { handleHello, handleRegister, noteWord } from "./witness.ts";

export type { RaftOptions } from "./state.ts";

/** How a leader sees one other member; for status, for promoting learners, for ending snapshot transfers. */
export interface ProgressView {
  readonly state: ProgressState;
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
  readonly recentActive: boolean;
}

const noMessages: readonly RaftMessage[] = [];
const noReadStates: readonly ReadState[] = [];
const noContexts: readonly number[] = [];
const noMembers: readonly MemberId[] = [];
const noCommands: readonly Uint8Array[] = [];

export class Raft implements RaftView {
  private readonly state: RaftState;
  /** The hard state as of the last Ready. */
  private takenTerm: Term;
  private takenVotedFor: MemberId | undefined;
  private takenCommitIndex: LogIndex;
  private takenRegistrations: readonly Registration[];
  private takenIsRecovering: boolean;

  constructor(options: RaftOptions) {
    this.state = new RaftState(options);
    this.takenTerm = options.hardState.term;
    this.takenVotedFor = options.hardState.votedFor;
    this.takenCommitIndex = this.state.log.commitIndex;
    const { registrations, isRecovering } = options.hardState;
    this.takenRegistrations = registrations;
    this.takenIsRecovering = isRecovering;
    if (isRecovering || options.standing === "checking") beginRecall(this.state, isRecovering, options.forgotten);
  }

  // ---- inputs ----------------------------------------------------------------------------------------------------

  /** Time of the input that is about to be handled, by this member's clock; never falls. Only reads by lease need it. */
  noteNow(nowMs: number): void {
    this.state.nowMs = nowMs;
  }

  /** This member can send to that one from now on: who has to find out what it promised need not wait to be spoken to. */
  connected(to: MemberId): void {
    const { recall } = this.state;
    if (recall !== undefined) askAtOnce(this.state, recall, to);
    else askIfAlone(this.state, to);
  }

  /** One tick has passed: elections, heartbeats, check-quorum and transfers count these. */
  tick(): void {
    const state = this.state;
    if (state.promisedTicks > 0) state.promisedTicks--;
    if (state.recall !== undefined) tickRecall(state, state.recall);
    if (state.farewell !== undefined) tickFarewell(state, state.farewell);
    if (state.leadership !== undefined) tickLeader(state, state.leadership);
    else if (state.role === "follower") tickFollower(state);
    else tickCandidate(state);
  }

  /** Every message but snapshotChunk and snapshotChunkReply, which pass {@link acceptSnapshotMessage}. */
  step(message: RaftMessage): void {
    const state = this.state;
    if (!this.isForMe(message)) return;
    noteWord(state, message);
    noteOwnLives(state, message);
    if (this.stepRecall(message) || stepAlone(state, message)) return;
    if (message.type === "voteReply" || message.type === "preVoteReply" || message.type === "timeoutNow") {
      state.learnCommitted(message.committed);
    }
    if (message.term > state.term) {
      if (!this.meetHigherTerm(message)) return;
    } else if (message.term < state.term) {
      this.answerLowerTerm(message);
      return;
    }
    if (message.type === "vote") handleVote(state, message);
    else if (message.type === "preVote") handlePreVote(state, message);
    else if (state.leadership !== undefined) stepLeader(state, state.leadership, message);
    else {
      // A campaign is over once a leader of its term speaks.
      if (state.role !== "follower" && isLeadersWord(message)) state.becomeFollower(state.term, message.from);
      if (state.role === "follower") stepFollower(state, message);
      else stepCandidate(state, message);
    }
  }

  /**
   * What a message of this leader's own term says that no follower can: it must be dropped, for there is no honest way
   * to such a word. Undefined when nothing is wrong.
   */
  impossibility(message: RaftMessage): string | undefined {
    const { leadership, log, term } = this.state;
    if (leadership === undefined || message.term !== term) return undefined;
    if (message.type === "appendAccepted" && message.matchIndex > log.lastIndex)
      return "acknowledges an entry that was never sent";
    if (message.type === "heartbeatReply" && message.readRound > leadership.reads.lastRound)
      return "confirms a read round that never began";
    return undefined;
  }

  /**
   * Term and leader rules for the two snapshot messages. False: drop it; a chunk of a snapshot that holds nothing new
   * is answered here with what this member has.
   */
  acceptSnapshotMessage(message: SnapshotChunk | SnapshotChunkReply): boolean {
    const state = this.state;
    if (!this.isForMe(message) || state.standing === "checking" || stepAlone(state, message)) return false;
    if (message.term > state.term) {
      state.becomeFollower(message.term, message.type === "snapshotChunk" ? message.from : undefined);
    } else if (message.term < state.term) {
      this.answerLowerTerm(message);
      return false;
    }
    if (message.type === "snapshotChunkReply") {
      const progress = state.leadership?.progressOf(message.from);
      if (progress === undefined) return false;
      progress.recentActive = true;
      return progress.state === "snapshot";
    }
    assert(state.leadership === undefined, "one term has two leaders", state.id, message.from);
    if (state.role !== "follower") state.becomeFollower(state.term, message.from);
    state.heardLeader(message.from);
    if (message.snapshotIndex > state.log.commitIndex) return true;
    // What is committed agrees, unless that is in doubt; then its answers to appends say how far.
    if (state.recall?.sharedIndex === undefined) state.sendAccepted(message.from, state.log.commitIndex);
    return false;
  }

  /** All of the commands or none: "dropped" during a leader transfer or when too many bytes are uncommitted. */
  propose(commands: readonly Uint8Array[]): "appended" | "forwarded" | "noLeader" | "dropped" {
    const state = this.state;
    if (state.leadership !== undefined) return proposeAsLeader(state, state.leadership, commands);
    if (state.leaderId === undefined) return "noLeader";
    state.forward(state.leaderId, commands);
    return "forwarded";
  }

  /**
   * A change of the configuration, alone in its entry. "waiting": the leader appends it after the one before it was
   * applied; leadership that ends before then takes it along. "dropped": too many wait.
   */
  proposeConfiguration(command: Uint8Array): "appended" | "waiting" | "forwarded" | "noLeader" | "dropped" {
    const state = this.state;
    if (state.leadership !== undefined) return proposeConfigurationAsLeader(state, state.leadership, command);
    if (state.leaderId === undefined) return "noLeader";
    state.forwardedProposals++;
    state.sendOnTerm({
      type: "proposeConfiguration",
      from: state.id,
      to: state.leaderId,
      term: state.term,
      incarnation: state.incarnation,
      sequence: state.forwardedProposals,
      command,
    });
    return "forwarded";
  }

  /**
   * Starts the proof for a read; its result comes in readStates or readsAborted. Asking again with a context that waits
   * at another member repeats the question, for when it was lost; at the leader itself nothing can be lost, and asking
   * again may give the result twice. "noLeader" also when `proposalsMax` reads wait already: ask again later.
   */
  requestRead(readContext: number): "waiting" | "noLeader" {
    const state = this.state;
    const leadership = state.leadership;
    if (state.standing !== "sound") return "noLeader";
    if (leadership !== undefined) {
      if (leadership.reads.count >= state.config.proposalsMax) return "noLeader";
      addRead(state, leadership, { from: undefined, readContext, incarnation: 0 });
      return "waiting";
    }
    if (state.leaderId === undefined || state.forwardedReads.count >= state.config.proposalsMax) return "noLeader";
    state.forwardedReads.add(readContext);
    state.sendOnTerm({
      type: "readIndex",
      from: state.id,
      to: state.leaderId,
      term: state.term,
      readContext,
      incarnation: state.incarnation,
    });
    return "waiting";
  }

  /** Campaigns now, as if the election timeout had passed. Nothing happens on a leader or a learner. */
  campaign(): void {
    campaign(this.state, { transfer: false });
  }

  /** False when this member does not lead or `to` cannot: it is unknown or a learner. Gives up after E ticks. */
  transferLeadership(to: MemberId): boolean {
    const { state } = this;
    return state.leadership !== undefined && startTransfer(state, state.leadership, to);
  }

  /** A configuration entry was applied, in log order and before appliedTo. Who no longer votes neither leads nor campaigns. */
  applyConfiguration(configuration: Configuration): void {
    const state = this.state;
    state.configure(configuration);
    const { leadership } = state;
    if (leadership === undefined) {
      if (!state.isVoter && state.role !== "follower") state.becomeFollower(state.term, undefined);
      return;
    }
    leadership.configure(configuration, indexOf(state.log.lastIndex + 1));
    leadership.appendsDue = true;
    if (state.isVoter) leaderReconfigured(state, leadership);
    else {
      sayFarewell(state, leadership);
      state.becomeFollower(state.term, undefined);
    }
  }

  // ---- outputs ---------------------------------------------------------------------------------------------------

  /** Whether takeReady may have something to give; costs nothing. */
  hasReady(): boolean {
    const state = this.state;
    const leadership = state.leadership;
    return (
      state.messages.length > 0 ||
      state.messagesAfterPersist.length > 0 ||
      state.log.hasUnwritten ||
      state.log.hasCommitted ||
      this.takenCommitIndex !== state.log.commitIndex ||
      this.takenTerm !== state.term ||
      this.takenVotedFor !== state.votedFor ||
      this.takenRegistrations !== state.registrations ||
      this.takenIsRecovering !== (state.standing === "recovering") ||
      state.readStates.length > 0 ||
      state.readsAborted.length > 0 ||
      state.dropped.length > 0 ||
      (leadership !== undefined &&
        (leadership.snapshotsWanted.length > 0 ||
          ((leadership.appendsDue || leadership.heartbeatsDue) && state.durableTerm >= state.term)))
    );
  }

  /** Hands out everything gathered since the last take, each thing once; `committed` is bounded by appendBytesMax. */
  takeReady(): Ready {
    const state = this.state;
    if (state.leadership !== undefined) flushLeader(state, state.leadership);
    const isVoteChanged =
      this.takenTerm !== state.term ||
      this.takenVotedFor !== state.votedFor ||
      this.takenRegistrations !== state.registrations ||
      this.takenIsRecovering !== (state.standing === "recovering");
    const hardState =
      isVoteChanged || this.takenCommitIndex !== state.log.commitIndex ? this.takeHardState() : undefined;
    const entries = state.log.takeUnwritten(state.term);
    const { messages, messagesAfterPersist, readStates, readsAborted, dropped, leadership } = state;
    const snapshotsWanted = leadership?.snapshotsWanted ?? noMembers;
    if (messages.length > 0) state.messages = [];
    if (messagesAfterPersist.length > 0) state.messagesAfterPersist = [];
    if (readStates.length > 0) state.readStates = [];
    if (readsAborted.length > 0) state.readsAborted = [];
    if (leadership !== undefined && snapshotsWanted.length > 0) leadership.snapshotsWanted = [];
    if (dropped.length > 0) state.dropped = [];
    return {
      messages: messages.length > 0 ? messages : noMessages,
      hardState,
      entries,
      mustSync: isVoteChanged || entries.length > 0,
      messagesAfterPersist: messagesAfterPersist.length > 0 ? messagesAfterPersist : noMessages,
      committed: state.log.takeCommitted(state.config.appendBytesMax),
      readStates: readStates.length > 0 ? readStates : noReadStates,
      readsAborted: readsAborted.length > 0 ? readsAborted : noContexts,
      snapshotsWanted,
      dropped: dropped.length > 0 ? dropped : noCommands,
    };
  }

  // ---- what the member reports back ------------------------------------------------------------------------------

  /**
   * The write of a Ready whose last entry was (index, term) is durable, and with it all earlier writes. Called once per
   * Ready that had entries, in order; a call may stand for the ones before it.
   */
  persisted(index: LogIndex, term: Term): void {
    const state = this.state;
    const hardStateTerm = state.log.persisted(index, term);
    if (hardStateTerm === undefined) return;
    if (hardStateTerm > state.durableTerm) state.durableTerm = hardStateTerm;
    if (state.leadership !== undefined) leaderPersisted(state, state.leadership);
    if (state.recall !== undefined) maybeRecovered(state, state.recall);
  }

  appliedTo(index: LogIndex): void {
    const { state } = this;
    state.log.appliedTo(index);
    const { leadership } = state;
    if (leadership !== undefined && hasConfigurationDue(state, leadership)) maybeAppendConfiguration(state, leadership);
    else maybeCampaignAsCalled(state);
  }

  /** Forgets entries ≤ index (≤ appliedIndex). A follower that still needs them will need a snapshot. */
  compactTo(index: LogIndex): void {
    this.state.log.compactTo(index);
  }

  /**
   * The backend was replaced by a snapshot that {@link acceptSnapshotMessage} let in. If the log holds (index, term) its
   * tail beyond stays and only commit and applied index advance; else the log starts anew after it. Queues the
   * acknowledgement in messagesAfterPersist. False, and nothing changes, when entries up to it were handed out meanwhile.
   */
  installSnapshot(snapshot: {
    readonly index: LogIndex;
    readonly term: Term;
    readonly configuration: Configuration;
  }): boolean {
    const state = this.state;
    assert(state.leadership === undefined, "a leader holds every committed entry and installs no snapshot", state.id);
    // It may have begun to campaign while the backend was made durable.
    if (state.role !== "follower") state.becomeFollower(state.term, undefined);
    if (snapshot.index <= state.log.handedIndex) return false;
    state.log.install(snapshot.index, snapshot.term);
    state.configure(snapshot.configuration);
    if (state.recall !== undefined) state.recall.sharedIndex = undefined;
    if (state.leaderId !== undefined) {
      state.messagesAfterPersist.push({
        type: "appendAccepted",
        from: state.id,
        to: state.leaderId,
        term: state.term,
        matchIndex: snapshot.index,
        incarnation: state.incarnation,
        isRecovering: state.standing !== "sound",
        registrations: state.registrations,
      });
    }
    return true;
  }

  /** The transfer to that follower ended without success: probe it again, which may ask for another snapshot. */
  snapshotAborted(to: MemberId): void {
    const leadership = this.state.leadership;
    const progress = leadership?.progressOf(to);
    if (leadership === undefined || progress === undefined || progress.state !== "snapshot") return;
    progress.becomeProbe(indexOf(progress.matchIndex + 1));
    leadership.appendsDue = true;
  }

  // ---- view ------------------------------------------------------------------------------------------------------

  get id(): MemberId {
    return this.state.id;
  }
  get role(): Role {
    return this.state.role;
  }
  get term(): Term {
    return this.state.term;
  }
  get votedFor(): MemberId | undefined {
    return this.state.votedFor;
  }
  get leaderId(): MemberId | undefined {
    return this.state.leaderId;
  }
  get standing(): Standing {
    return this.state.standing;
  }
  get recall(): RecallView | undefined {
    const { recall, id } = this.state;
    if (recall === undefined) return undefined;
    const silent = votersToAsk(this.state, recall).filter((voter) => voter !== id && !recall.answered.has(voter));
    const forgetful = silent.filter((voter) => recall.forgetful.has(voter));
    return { forgotten: recall.forgotten, missing: missingAnswers(this.state, recall), silent, forgetful };
  }
  get outlivedBy(): number {
    return this.state.outlivedBy;
  }
  get divergence(): Divergence | undefined {
    return this.state.divergence;
  }
  /** As it stands now; what is on the disk may be older. */
  get hardState(): HardState {
    const { term, votedFor, registrations, standing } = this.state;
    const { commitIndex } = this.state.log;
    return { term, votedFor, commitIndex, registrations, isRecovering: standing === "recovering" };
  }
  get commitIndex(): LogIndex {
    return this.state.log.commitIndex;
  }
  get appliedIndex(): LogIndex {
    return this.state.log.appliedIndex;
  }
  get firstIndex(): LogIndex {
    return this.state.log.firstIndex;
  }
  get lastIndex(): LogIndex {
    return this.state.log.lastIndex;
  }
  get stableIndex(): LogIndex {
    return this.state.log.stableIndex;
  }
  get configuration(): Configuration {
    return this.state.configuration;
  }
  /** Whom this leader is handing over to; undefined when it is not. */
  get transferee(): MemberId | undefined {
    return this.state.leadership?.transferee;
  }
  termAt(index: LogIndex): Term | undefined {
    return this.state.log.termAt(index);
  }
  entryAt(index: LogIndex): Entry | undefined {
    return this.state.log.entryAt(index);
  }
  /** undefined when this member does not lead, for itself, and for strangers. */
  progressOf(id: MemberId): ProgressView | undefined {
    return this.state.leadership?.progressOf(id);
  }

  // ---- term rules ------------------------------------------------------------------------------------------------

  /**
   * Strangers are not listened to, with two exceptions. One that speaks as a leader, or asks for a vote, may know a
   * configuration that names both: 1. Of members 1 and 2, 1 leads and adds 3; the entry is on 2, but 2 has not heard
   * that it is committed. 2. Member 1 dies. Now 2 and 3 are a majority, and 2 alone can win no election: it must be
   * able to vote for 3. And a member that is not in its own configuration is new, and knows nobody yet.
   */
  private isForMe(message: RaftMessage): boolean {
    const state = this.state;
    if (message.to !== state.id || message.from === state.id) return false;
    if (message.from === state.leaderId || state.isMember(message.from) || isLeadersWord(message)) return true;
    // Only a leader both know of can have asked for a campaign against itself.
    if (message.type === "preVote" || (message.type === "vote" && !message.transfer)) return true;
    // Who was away for long knows nobody that is there now, and may be the one whose answer is waited for.
    if (message.type === "hello") return true;
    // Whoever was asked may answer; each says for which life.
    if (message.type === "registerReply") return state.recall !== undefined;
    if (message.type === "helloReply") return state.recall !== undefined || state.isSoleVoter;
    return !state.isMember(state.id);
  }

  /** What a member may have forgotten is asked and answered in any role and term; true: there is nothing more to do. */
  private stepRecall(message: RaftMessage): boolean {
    const state = this.state;
    switch (message.type) {
      case "hello":
        handleHello(state, message);
        return true;
      case "helloReply":
        if (state.recall === undefined) handleAcquaintance(state, message);
        else handleHelloReply(state, state.recall, message);
        return true;
      case "register":
        handleRegister(state, message);
        return true;
      case "registerReply":
        handleRegisterReply(state, message);
        return true;
      default:
        if (state.recall === undefined) return false;
        askAtOnce(state, state.recall, message.from);
        return state.standing === "checking";
    }
  }

  /** Adopts the higher term where that is due; false when the message goes no further. */
  private meetHigherTerm(message: RaftMessage): boolean {
    const state = this.state;
    switch (message.type) {
      case "preVote":
        // Its term is only a question.
        return true;
      case "preVoteReply":
        // A granted one repeats the term asked for.
        if (message.granted) return true;
        state.becomeFollower(message.term, undefined);
        return false;
      case "vote":
        if (!message.transfer && isLoyal(state)) return false;
        state.becomeFollower(message.term, undefined);
        return true;
      case "append":
      case "heartbeat":
      case "snapshotChunk":
        state.becomeFollower(message.term, message.from);
        return true;
      case "voteReply":
      case "appendAccepted":
      case "appendRejected":
      case "heartbeatReply":
      case "readIndex":
      case "readIndexReply":
      case "propose":
      case "proposeConfiguration":
      case "timeoutNow":
      case "snapshotChunkReply":
        state.becomeFollower(message.term, undefined);
        return true;
      case "hello":
      case "helloReply":
      case "register":
      case "registerReply":
        return false;
      default:
        return unreachable(message);
    }
  }

  /** Who is behind is told so; late answers are dropped, and so are requests, but for proposals nobody else has. */
  private answerLowerTerm(message: RaftMessage): void {
    if (message.type === "preVote") handlePreVote(this.state, message);
    else if (message.type === "vote") refuseVote(this.state, message);
    else if (isLeadersWord(message)) this.state.refuseOldLeader(message.from);
    else if (message.type === "propose") handleLateProposal(this.state, message);
  }

  private takeHardState(): HardState {
    const { hardState } = this;
    this.takenTerm = hardState.term;
    this.takenVotedFor = hardState.votedFor;
    this.takenCommitIndex = hardState.commitIndex;
    this.takenRegistrations = hardState.registrations;
    this.takenIsRecovering = hardState.isRecovering;
    return hardState;
  }
}

/** What only the leader of its term says. */
const isLeadersWord = (message: RaftMessage): boolean =>
  message.type === "append" || message.type === "heartbeat" || message.type === "snapshotChunk";
