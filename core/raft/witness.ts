/*
 * What a member knows of the others' promises, and tells whoever asks: in which terms they spoke, what they held, which of
 * their lives began anew. Those that ask are in amnesia.ts, and so is why two answers may be believed. Source: as there.
 */
import { type LogIndex, type MemberId, noIndex, noTerm, type Term } from "../ids.ts";
import { membersOf } from "./confchange.ts";
import { withRegistration } from "./hard-state.ts";
import { latestLife } from "./lives.ts";
import type { Hello, RaftMessage, Register, Registration, Roll } from "./message.ts";
import type { RaftState } from "./state.ts";

/** What a member knows of another's promises. Nothing here falls, or is kept on disk. */
export class Witness {
  readonly id: MemberId;
  /** Highest term in which it spoke to this member. */
  seenTerm: Term = noTerm;
  heldIndex: LogIndex = noIndex;
  /** Term of that entry; 0 when it is not known. */
  heldTerm: Term = noTerm;
  /** The latest of its lives that asked this member; 0: none. */
  life = 0;

  constructor(id: MemberId) {
    this.id = id;
  }

  noteHeld(index: LogIndex, term: Term): void {
    if (index <= this.heldIndex) return;
    this.heldIndex = index;
    this.heldTerm = term;
  }
}

/** What every message says about its sender. The term of those left out need not be durable there. */
export function noteWord(state: RaftState, message: RaftMessage): void {
  if (message.type === "preVote" || message.type === "preVoteReply" || message.type === "snapshotChunkReply") return;
  const witness = state.witnessFor(message.from);
  if (message.term > witness.seenTerm) witness.seenTerm = message.term;
}

/** A stranger is answered too: by its own list, or a newer one, this member's word may count. */
export function handleHello(state: RaftState, message: Hello): void {
  meetLife(state, message);
  answerHello(state, message.from);
}

function answerHello(state: RaftState, to: MemberId): void {
  const witness = state.witnessFor(to);
  state.sendOnTerm({
    type: "helloReply",
    from: state.id,
    to,
    term: state.term,
    incarnation: latestLife(state, to),
    seenTerm: witness.seenTerm,
    heldIndex: witness.heldIndex,
    heldTerm: witness.heldTerm,
    hasServed: state.hasServed(to),
    leads: state.leadership !== undefined,
    roll: state.roll,
    registrations: state.registrations,
  });
}

function meetLife(state: RaftState, { from, incarnation }: Hello | Register): void {
  const witness = state.witnessFor(from);
  if (incarnation > witness.life) witness.life = incarnation;
  // What that member's earlier lives acknowledged counts no more from here on.
  state.leadership?.progressOf(from)?.meetLife(incarnation);
}

/**
 * Only who is sound itself can vouch for what was promised. And only who has the other in its list keeps its registration:
 * one that has just joined, and knows nobody yet, would promise what it does not do.
 */
export function handleRegister(state: RaftState, message: Register): void {
  const { from, incarnation } = message;
  meetLife(state, message);
  if (incarnation < latestLife(state, from)) {
    // A question from long ago, or of a member whose clock was set back: it has to begin anew.
    answerHello(state, from);
    return;
  }
  state.recall?.forgetful.add(from);
  if (state.standing !== "sound" || !state.isMember(from)) return;
  learnRegistration(state, { memberId: from, incarnation });
  state.messagesAfterPersist.push({
    type: "registerReply",
    from: state.id,
    to: from,
    term: state.term,
    incarnation,
    round: message.round,
    lastIndex: state.log.lastIndex,
    lastTerm: state.log.lastTerm,
    roll: state.roll,
    registrations: state.registrations,
  });
}

/** What another member registered, heard along with its word. */
export function learnRegistrations(state: RaftState, registrations: readonly Registration[], roll?: Roll): void {
  for (let position = 0; position < registrations.length; position++) {
    learnRegistration(state, registrations[position] as Registration, roll);
  }
}

/** `roll`: who belongs, as far as the one who says so knows; this member may not know it yet, or any more. */
function learnRegistration(state: RaftState, registration: Registration, roll?: Roll): void {
  const { memberId, incarnation } = registration;
  const isNamed = roll !== undefined && membersOf(roll.configuration).includes(memberId);
  if (memberId === state.id || !(isNamed || state.isMember(memberId))) return;
  const known = state.registrations;
  state.registrations = withRegistration(known, registration);
  if (state.registrations === known) return;
  state.leadership?.progressOf(memberId)?.meetLife(incarnation);
  if ((state.voteLives.get(memberId) ?? incarnation) < incarnation) {
    state.votes.delete(memberId);
    state.voteLives.delete(memberId);
  }
}
