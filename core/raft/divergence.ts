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
 * heeds nobody else: it could only be made to follow somebody whose entries contradict its own.
 *
 * Stopped and started again, it may be found in time, as a disk that is merely old: its own entries look like any others,
 * and two that lead in one term, each in a history of its own, write entries of that term at the same index. So one that
 * was alone by its own list takes its log to agree with a leader's up to the entry that gave it that list, and compares
 * whole entries from there on (Recall.sharedIndex).
 */
import { equalBytes } from "../bytes.ts";
import { indexOf, type LogIndex, type MemberId, type Term } from "../ids.ts";
import type { Recall } from "./amnesia.ts";
import { isSameConfiguration } from "./confchange.ts";
import type { Append, Entry, HelloReply, RaftMessage, Roll } from "./message.ts";
import type { RaftState } from "./state.ts";

/** What proves that this member and `from` have different histories; in the order of the proofs. */
export type Divergence = { readonly from: MemberId } & (
  | { readonly type: "members"; readonly index: LogIndex }
  | { readonly type: "leads"; readonly term: Term }
  | { readonly type: "entries"; readonly index: LogIndex; readonly ownTerm: Term; readonly term: Term }
);

/** Another member is there: the only voter asks what it knows. One that is still checking asks anyway. */
export function askIfAlone(state: RaftState, to: MemberId): void {
  if (!state.isSoleVoter || state.recall !== undefined) return;
  const { id: from, term, incarnation } = state;
  state.messages.push({ type: "hello", from, to, term, incarnation });
}

/** A message to one that leads as the only voter. True: it goes no further. */
export function stepAlone(state: RaftState, message: RaftMessage): boolean {
  if (!state.isSoleVoter || state.leadership === undefined) return false;
  switch (message.type) {
    case "append":
    case "heartbeat":
    case "snapshotChunk":
      askIfAlone(state, message.from);
      return message.term >= state.term;
    case "preVote":
    case "vote":
      askIfAlone(state, message.from);
      return false;
    default:
      return false;
  }
}

/** The answer of one that {@link askIfAlone} asked. */
export function handleAcquaintance(state: RaftState, { from, term, incarnation, leads, roll }: HelloReply): void {
  if (incarnation !== state.incarnation || !state.isSoleVoter) return;
  if (hasOtherMembers(state, roll)) state.divergence ??= { type: "members", from, index: roll.index };
  else if (leads && state.leadership !== undefined && term >= state.term)
    state.divergence ??= { type: "leads", from, term };
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

/** A member begins to recover: what it holds beyond that index may be of its own history, if it was alone. */
export function doubtOwnEntries(state: RaftState, recall: Recall): void {
  const { isSoleVoter, log } = state;
  if (!isSoleVoter) return;
  recall.sharedIndex = lastChange(state) ?? log.appliedIndex;
  log.forgetUncommitted();
}

/** An append was taken that begins where the logs agree: they do as far as it reaches. */
export function noteCompared(state: RaftState, recall: Recall, lastNewIndex: LogIndex): void {
  if (recall.sharedIndex === undefined || lastNewIndex <= recall.sharedIndex) return;
  recall.sharedIndex = lastNewIndex < state.log.commitIndex ? lastNewIndex : undefined;
}

/** Where that append begins it is not certain that the leader's log and this one are the same. */
export const isDoubtful = ({ recall }: RaftState, prevIndex: LogIndex): boolean =>
  recall?.sharedIndex !== undefined && prevIndex > recall.sharedIndex;

/** Proof 3. True: the append must not be taken. Every leader holds what is committed, whatever else it holds. */
export function contradictsCommitted(state: RaftState, { from, prevIndex, prevTerm, entries }: Append): boolean {
  const { log, recall } = state;
  // Steady appends begin at the commit index or after it.
  if (prevIndex > log.commitIndex || isDoubtful(state, prevIndex)) return false;
  const ownTerm = log.termAt(prevIndex);
  if (ownTerm !== undefined && ownTerm !== prevTerm) {
    state.divergence ??= { type: "entries", from, index: prevIndex, ownTerm, term: prevTerm };
    return true;
  }
  for (let position = 0; position < entries.length; position++) {
    const entry = entries[position] as Entry;
    if (entry.index > log.commitIndex) return false;
    const own = log.entryAt(entry.index);
    if (own === undefined || isSameEntry(own, entry, recall?.sharedIndex !== undefined)) continue;
    state.divergence ??= { type: "entries", from, index: entry.index, ownTerm: own.term, term: entry.term };
    return true;
  }
  return false;
}

/** Within one history the term of an entry says all. */
const isSameEntry = (one: Entry, other: Entry, isWhole: boolean): boolean =>
  one.term === other.term && (!isWhole || (one.kind === other.kind && equalBytes(one.data, other.data)));
