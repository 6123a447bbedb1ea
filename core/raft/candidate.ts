/*
 * Campaigns. A preCandidate asks whether it could win and changes nothing by asking; a candidate raises the term and
 * votes for itself. Source: Raft thesis §3.4, §9.6 (pre-vote), §3.10 (transfer).
 *
 * The candidate's own vote needs no notice from its disk to be counted. Vote requests leave only after that vote is
 * durable, so a vote given in answer to one proves it; and a sole voter that wins without an answer stays silent until an
 * entry of its new term, written after the vote, is durable (see sendOnTerm and the leader's flush).
 */
import { assert } from "../assert.ts";
import { type Term, termOf } from "../ids.ts";
import { registeredLife } from "./hard-state.ts";
import { becomeLeader } from "./leader.ts";
import type { PreVoteReply, RaftMessage, VoteReply } from "./message.ts";
import { voteOutcome } from "./quorum.ts";
import type { RaftState } from "./state.ts";
import { learnRegistrations } from "./witness.ts";

/**
 * Begins a campaign, unless this member leads, does not vote, may have forgotten what it promised, or has not yet applied
 * a committed configuration: it would count the wrong majority. `transfer`: the leader asked for it, so no pre-vote is needed and voters need not be
 * loyal to that leader.
 */
export function campaign(state: RaftState, options: { readonly transfer: boolean }): void {
  if (state.role === "leader" || !state.isVoter) return;
  if (state.promisedTicks > 0 && !options.transfer) return;
  state.resetElectionTimer();
  if (state.standing !== "sound") return;
  if (state.log.hasUnappliedConfiguration()) return;
  if (state.config.preVote && !options.transfer && !state.isSoleVoter) becomePreCandidate(state);
  else becomeCandidate(state, options.transfer);
}

/**
 * The leader asked for a campaign. The word of one that was removed comes right behind the news that its removal is
 * committed, often in one step with it: the campaign begins as soon as that is applied. Said again it may not be heard
 * here, for those that were removed are not listened to.
 */
export function campaignAtOnce(state: RaftState): void {
  campaign(state, { transfer: true });
  if (state.log.hasUnappliedConfiguration()) state.calledInTerm = state.term;
}

/** Something was applied. */
export function maybeCampaignAsCalled(state: RaftState): void {
  if (state.calledInTerm === undefined || state.log.hasUnappliedConfiguration()) return;
  const isStill = state.calledInTerm === state.term && state.role === "follower";
  state.calledInTerm = undefined;
  if (isStill) campaign(state, { transfer: true });
}

/** A message of this member's own term, or a granted pre-vote of the next, while it campaigns. */
export function stepCandidate(state: RaftState, message: RaftMessage): void {
  switch (message.type) {
    case "preVoteReply":
      handlePreVoteReply(state, message);
      return;
    case "voteReply":
      handleVoteReply(state, message);
      return;
    case "timeoutNow":
      campaignAtOnce(state);
      return;
    default:
      return;
  }
}

export function tickCandidate(state: RaftState): void {
  if (state.electionTimeoutReached()) campaign(state, { transfer: false });
}

function becomePreCandidate(state: RaftState): void {
  state.role = "preCandidate";
  state.changeLeader(undefined);
  state.clearVotes();
  state.votes.set(state.id, true);
  const term = termOf(state.term + 1);
  const { lastIndex, lastTerm } = state.log;
  for (const to of state.voterIds) {
    if (to !== state.id) state.sendOnTerm({ type: "preVote", from: state.id, to, term, lastIndex, lastTerm });
  }
}

function becomeCandidate(state: RaftState, transfer: boolean): void {
  state.becomeFollower(termOf(state.term + 1), undefined);
  state.role = "candidate";
  state.votedFor = state.id;
  state.votes.set(state.id, true);
  const term: Term = state.term;
  const { lastIndex, lastTerm } = state.log;
  for (const to of state.voterIds) {
    if (to === state.id) continue;
    state.messagesAfterPersist.push({ type: "vote", from: state.id, to, term, lastIndex, lastTerm, transfer });
  }
  if (state.isSoleVoter) becomeLeader(state);
}

function handlePreVoteReply(state: RaftState, message: PreVoteReply): void {
  if (state.role !== "preCandidate") return;
  // Granted answers carry the term asked for, refusals the term of the voter.
  if (message.term !== (message.granted ? state.term + 1 : state.term)) return;
  switch (countVote(state, message)) {
    case "won":
      becomeCandidate(state, false);
      return;
    case "lost":
      state.becomeFollower(state.term, undefined);
      return;
    case "pending":
      return;
  }
}

function handleVoteReply(state: RaftState, message: VoteReply): void {
  if (state.role !== "candidate") return;
  assert(message.term === state.term, "a vote of another term would be counted", message.term, state.term);
  // A refusal may answer an earlier term's request, in the name of the term in which the voter is by now.
  if (message.granted) state.durableTerm = state.term;
  learnRegistrations(state, message.registrations);
  if (message.incarnation < registeredLife(state.registrations, message.from)) return;
  if (!state.votes.has(message.from)) state.voteLives.set(message.from, message.incarnation);
  switch (countVote(state, message)) {
    case "won":
      becomeLeader(state);
      return;
    case "lost":
      state.becomeFollower(state.term, undefined);
      return;
    case "pending":
      return;
  }
}

/** The first answer of a voter stands. */
function countVote(state: RaftState, message: PreVoteReply | VoteReply): ReturnType<typeof voteOutcome> {
  if (!state.votes.has(message.from)) state.votes.set(message.from, message.granted);
  return voteOutcome(state.configuration, state.votes);
}
