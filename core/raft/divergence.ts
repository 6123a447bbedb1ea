/*
 * A member whose history is not that of its cluster. A disk from the time when its member was alone, put back, lets it
 * lead alone unless one of the others reaches it in time (amnesia.ts, "What it cannot find"); a forced new cluster beside
 * members that live does the same. From then on two histories have one name, and nothing can join them: what either has
 * acknowledged is committed there. All that can be done is to stop before more is acknowledged that will be lost, and to
 * say so. What proves it:
 * 1. After the same entry, or an earlier one here, with no change of members since, others belong than here.
 * 2. This member leads as the only voter, and another leads in the same term or a later one. Whoever is elected later
 *    holds what is committed, so also that there is one voter, and needs its vote; but this member gives none while it
 *    leads. The list before that one is no way out either: whoever holds the entry that made this member the only voter
 *    knows that the change before it is committed, so it needs this member's vote by that list too.
 * 3. A leader sends another entry for an index that is committed here.
 *
 * One message is no proof of 1 and 2, for anybody may have sent it long ago, or by mistake. So the only voter asks
 * whoever connects to it or speaks as somebody who leads or wants to; the answer names this life. As long as it leads it
 * heeds nobody else: it could only be made to follow somebody whose entries contradict its own. Nor does it speak to
 * anybody before the answer, not even to refuse:
 * 1. Its term may be the higher one, when it was started more often. A leader that it refused would step down.
 * 2. By its list 2 is a learner; by that of the cluster 2 votes, and may lead. In the same term there would be two
 *    leaders; in a later one 2 would follow, and find that its own committed entries are contradicted.
 *
 * Stopped and started again, it may be found in time, as a disk that is merely old: its own entries look like any others,
 * and two that lead in one term, each in a history of its own, write entries of that term at the same index. So one that
 * was alone by its own list compares whole entries from the beginning of its log on (Recall.sharedIndex). The entry that
 * gave it that list is too late to begin: it may have added and removed a learner when it was alone. And what the only
 * voter has on its disk it has acknowledged, or may have: a commit index on a disk lags behind.
 */
import { equalBytes } from "../bytes.ts";
import { indexOf, type LogIndex, type MemberId, type Term } from "../ids.ts";
import type { Recall } from "./amnesia.ts";
import { isSameConfiguration, votersOf } from "./confchange.ts";
import type { Append, Entry, HelloReply, RaftMessage, Roll } from "./message.ts";
import type { RaftState } from "./state.ts";

/** What proves that this member and `from` have different histories; in the order of the proofs. */
export type Divergence = { readonly from: MemberId } & (
  | { readonly type: "members"; readonly index: LogIndex }
  | { readonly type: "leads"; readonly term: Term }
  | { readonly type: "entries"; readonly index: LogIndex; readonly ownTerm: Term; readonly term: Term }
);

/**
 * Another member is there: the only voter asks what it knows. One that is still checking asks anyway. Not before its term
 * is durable: a crash could undo that, and who has heard of it would find that this member forgot.
 */
export function askIfAlone(state: RaftState, to: MemberId): void {
  if (!state.isSoleVoter || state.recall !== undefined) return;
  const { id: from, term, incarnation } = state;
  state.sendOnTerm({ type: "hello", from, to, term, incarnation });
}

/** A message to one that leads as the only voter. True: it goes no further. */
export function stepAlone(state: RaftState, message: RaftMessage): boolean {
  if (!state.isSoleVoter || state.leadership === undefined) return false;
  switch (message.type) {
    case "append":
    case "heartbeat":
    case "snapshotChunk":
    case "preVote":
    case "vote":
      askIfAlone(state, message.from);
      return true;
    default:
      return false;
  }
}

/**
 * The answer of one that {@link askIfAlone} asked. Where it proves nothing, who led before is told that this is over; who
 * is a learner is spoken to from now on, unless it takes itself for a voter that it never was as far as is known here.
 */
export function handleAcquaintance(state: RaftState, { from, term, incarnation, leads, roll }: HelloReply): void {
  if (incarnation !== state.incarnation || !state.isSoleVoter) return;
  const { leadership } = state;
  if (hasOtherMembers(state, roll)) state.divergence ??= { type: "members", from, index: roll.index };
  else if (leadership === undefined) return;
  else if (leads && term >= state.term) state.divergence ??= { type: "leads", from, term };
  else if (leads) state.refuseOldLeader(from);
  else if (!votersOf(roll.configuration).includes(from) || state.wasVoter(from)) leadership.meet(from);
}

/** Proof 1. Where this log does not reach that entry its member may merely be behind, unless it leads alone. */
function hasOtherMembers(state: RaftState, roll: Roll): boolean {
  const since = lastChange(state);
  return since !== undefined && roll.index >= since && !isSameConfiguration(roll.configuration, state.configuration);
}

/** What another says of the members, to one that does not count yet. True: it has proof, and shall not recover. */
export function provesDivergence(state: RaftState, { from, roll }: { from: MemberId; roll: Roll }): boolean {
  if (!state.isSoleVoter || roll.index > state.log.lastIndex || !hasOtherMembers(state, roll)) return false;
  state.divergence ??= { type: "members", from, index: roll.index };
  return true;
}

/** An index from which on this member's list is what it is now; undefined while a change waits to be applied. */
function lastChange({ log }: RaftState): LogIndex | undefined {
  let index = log.lastIndex;
  while (index >= log.firstIndex && log.entryAt(index)?.kind !== "configuration") index = indexOf(index - 1);
  return index > log.appliedIndex ? undefined : index;
}

/**
 * A member begins to recover: what it holds may be of its own history, if it was alone. All of it is committed by its own
 * word, as far as that suffices: up to the next change of members.
 */
export function doubtOwnEntries(state: RaftState, recall: Recall): void {
  const { isSoleVoter, log } = state;
  if (!isSoleVoter) return;
  recall.sharedIndex = indexOf(log.firstIndex - 1);
  let ownIndex = log.appliedIndex;
  while (ownIndex < log.lastIndex) {
    ownIndex = indexOf(ownIndex + 1);
    if (log.entryAt(ownIndex)?.kind === "configuration") break;
  }
  log.commitTo(ownIndex);
  log.forgetUncommitted();
}

/** An append was taken that begins where the logs agree: they do as far as it reaches. */
export function noteCompared(state: RaftState, recall: Recall, lastNewIndex: LogIndex): void {
  if (recall.sharedIndex === undefined || lastNewIndex <= recall.sharedIndex) return;
  recall.sharedIndex = lastNewIndex < state.log.commitIndex ? lastNewIndex : undefined;
}

/** Up to where such an append proves that the logs are the same. Below the beginning of this one nothing can be compared. */
export function comparedIndex({ log, recall }: RaftState, lastNewIndex: LogIndex): LogIndex {
  const { sharedIndex } = recall ?? {};
  // Whatever is committed agrees too, unless that is in doubt.
  if (sharedIndex === undefined) return lastNewIndex > log.commitIndex ? lastNewIndex : log.commitIndex;
  return lastNewIndex < sharedIndex ? lastNewIndex : sharedIndex;
}

/** Where that append begins it is not certain that the leader's log and this one are the same. */
export const isDoubtful = ({ recall }: RaftState, prevIndex: LogIndex): boolean =>
  recall?.sharedIndex !== undefined && prevIndex > recall.sharedIndex;

/** Proof 3. True: the append must not be taken. Every leader holds what is committed, whatever else it holds. */
export function contradictsCommitted(state: RaftState, { from, prevIndex, prevTerm, entries }: Append): boolean {
  const { log, recall } = state;
  // Steady appends begin at the commit index or after it.
  if (prevIndex > log.commitIndex) return false;
  const ownTerm = log.termAt(prevIndex);
  if (ownTerm !== undefined && ownTerm !== prevTerm) {
    state.divergence ??= { type: "entries", from, index: prevIndex, ownTerm, term: prevTerm };
    return true;
  }
  for (let position = 0; position < entries.length; position++) {
    const entry = entries[position] as Entry;
    if (entry.index > log.commitIndex) return false;
    // Of the entry before the first its term is still known.
    const term = log.termAt(entry.index);
    const own = recall?.sharedIndex === undefined ? undefined : log.entryAt(entry.index);
    if (term === undefined || (term === entry.term && (own === undefined || isSameEntry(own, entry)))) continue;
    state.divergence ??= { type: "entries", from, index: entry.index, ownTerm: term, term: entry.term };
    return true;
  }
  return false;
}

/** Within one history the term of an entry says as much. */
const isSameEntry = (one: Entry, other: Entry): boolean => one.kind === other.kind && equalBytes(one.data, other.data);
