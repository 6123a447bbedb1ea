/*
 * The follower: takes entries from the leader of its term, and answers candidates. Granting a vote is here too, since
 * whoever grants one is a follower of that term by then. Source: Raft thesis §3.4–3.6, §4.2.3 (stickiness), §9.6.
 */
import { indexOf, noTerm } from "../ids.ts";
import { canVote, isUpToDate, noteAgreement } from "./amnesia.ts";
import { campaign, campaignAtOnce } from "./candidate.ts";
import { comparedIndex, contradictsCommitted, isDoubtful, noteCompared } from "./divergence.ts";
import type { Append, Heartbeat, PreVote, RaftMessage, ReadIndexReply, Vote } from "./message.ts";
import { promiseMsOf } from "./read-lease.ts";
import type { RaftState } from "./state.ts";

/** A message of this member's own term, while it follows. */
export function stepFollower(state: RaftState, message: RaftMessage): void {
  switch (message.type) {
    case "append":
      state.heardLeader(message.from);
      handleAppend(state, message);
      return;
    case "heartbeat":
      state.heardLeader(message.from);
      handleHeartbeat(state, message);
      return;
    case "timeoutNow":
      campaignAtOnce(state);
      return;
    case "readIndexReply":
      handleReadIndexReply(state, message);
      return;
    default:
      // Answers to a campaign or a leadership that is over, and requests for a leader that this member is not.
      return;
  }
}

export function tickFollower(state: RaftState): void {
  const isAtOnce = state.isSoleVoter && state.config.soleVoterAtOnce && state.leaderId === undefined;
  if (!isAtOnce && !state.electionTimeoutReached()) return;
  if (state.isVoter && state.standing === "sound") campaign(state, { transfer: false });
  // One that cannot campaign at least stops sending its clients' requests to a leader that is gone, and being loyal to it.
  if (state.role === "follower") state.changeLeader(undefined);
}

function handleAppend(state: RaftState, message: Append): void {
  if (contradictsCommitted(state, message)) return;
  const log = state.log;
  const lastNewIndex = indexOf(message.prevIndex + message.entries.length);
  // Every leader holds what is committed, so an append that begins before the commit index agrees there; its start may
  // be compacted here, and only what lies beyond the commit index can be new.
  const disagrees = message.prevIndex >= log.commitIndex && log.termAt(message.prevIndex) !== message.prevTerm;
  if (disagrees || isDoubtful(state, message.prevIndex)) {
    rejectAppend(state, message);
    return;
  }
  log.merge(message.entries);
  log.commitTo(indexOf(Math.min(message.commitIndex, lastNewIndex)));
  const { recall } = state;
  if (recall !== undefined) noteCompared(state, recall, lastNewIndex);
  state.sendAccepted(message.from, comparedIndex(state, lastNewIndex));
  if (recall !== undefined) noteAgreement(state, recall, message);
}

function rejectAppend(state: RaftState, message: Append): void {
  // Whatever is committed agrees, so the hint need not go below it.
  const conflict = state.log.conflictHint(message.prevIndex, message.prevTerm);
  const { sharedIndex } = state.recall ?? {};
  // In doubt first what is the last here, as the leader may have forgotten all that was before.
  const isLastAsked = sharedIndex !== undefined && message.prevIndex <= state.log.commitIndex;
  const hintIndex = isLastAsked ? sharedIndex : indexOf(Math.max(conflict, state.log.commitIndex));
  state.sendOnTerm({
    type: "appendRejected",
    from: state.id,
    to: message.from,
    term: state.term,
    rejectedIndex: message.prevIndex,
    hintIndex,
    hintTerm: state.log.termAt(hintIndex) ?? noTerm,
    incarnation: state.incarnation,
  });
}

function handleHeartbeat(state: RaftState, message: Heartbeat): void {
  // What the leader takes for held here may have been acknowledged by a life whose disk is gone. The answer tells it.
  if (message.toIncarnation === state.incarnation) state.log.commitTo(message.commitIndex);
  if (message.held !== undefined) {
    state.witnessFor(message.held.memberId).noteHeld(message.held.index, message.held.term);
  }
  const promisedMs = state.standing === "sound" ? promiseMsOf(state.config) : 0;
  if (promisedMs > 0) state.promisedTicks = state.config.electionTicks;
  state.sendOnTerm({
    type: "heartbeatReply",
    from: state.id,
    to: message.from,
    term: state.term,
    readRound: message.readRound,
    incarnation: state.incarnation,
    isRecovering: state.standing !== "sound",
    promisedMs,
  });
}

function handleReadIndexReply(state: RaftState, message: ReadIndexReply): void {
  if (message.incarnation !== state.incarnation || !state.forwardedReads.take(message.readContext)) return;
  state.readStates.push({ readContext: message.readContext, readIndex: message.readIndex });
}

/**
 * Voters ignore campaigns while they hear a leader, so that a member that comes back cannot unseat one that serves.
 * Only with check-quorum: else a leader that is heard but hears nobody would be honoured forever. One that promised is
 * loyal even when it has learned of a higher term since, and knows no leader.
 */
export function isLoyal(state: RaftState): boolean {
  if (state.promisedTicks > 0) return true;
  return state.config.checkQuorum && state.leaderId !== undefined && state.electionTicks < state.config.electionTicks;
}

/** Would this member vote so? Changes nothing. `term` of the message is the one the sender would campaign in. */
export function handlePreVote(state: RaftState, message: PreVote): void {
  if (!canVote(state)) return;
  if ((message.term > state.term || state.promisedTicks > 0) && isLoyal(state)) return;
  const isFree = message.term > state.term || (message.term === state.term && canVoteInOwnTerm(state, message));
  const granted = isFree && isUpToDate(state, message);
  state.sendOnTerm({
    type: "preVoteReply",
    from: state.id,
    to: message.from,
    // A refusal carries this member's own term: a sender that is behind adopts it and can campaign above it.
    term: granted ? message.term : state.term,
    granted,
    committed: state.committed,
  });
}

/** A vote request of this member's own term. One that forgot, and does not know whom it may vote for, says nothing. */
export function handleVote(state: RaftState, message: Vote): void {
  if (!canVote(state) || (state.promisedTicks > 0 && !message.transfer && state.votedFor !== message.from)) return;
  const granted = canVoteInOwnTerm(state, message) && isUpToDate(state, message);
  if (!granted) {
    refuseVote(state, message);
    return;
  }
  state.votedFor = message.from;
  // Its own question whether it could win is moot: somebody else may.
  if (state.role === "preCandidate") state.becomeFollower(state.term, undefined);
  state.resetElectionTimer();
  state.messagesAfterPersist.push({
    type: "voteReply",
    from: state.id,
    to: message.from,
    term: state.term,
    granted: true,
    committed: state.committed,
    incarnation: state.incarnation,
    registrations: state.registrations,
  });
}

/** Refuses a vote request of this term or an earlier one; the answer tells this member's term. */
export function refuseVote(state: RaftState, message: Vote): void {
  const { id: from, term, committed, incarnation, registrations } = state;
  const to = message.from;
  state.sendOnTerm({ type: "voteReply", from, to, term, granted: false, committed, incarnation, registrations });
}

function canVoteInOwnTerm(state: RaftState, message: PreVote | Vote): boolean {
  return state.votedFor === message.from || (state.votedFor === undefined && state.leaderId === undefined);
}
