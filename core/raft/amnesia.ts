/*
 * A member whose disk was put back to an older state, lost writes it had reported durable, was damaged, or was wiped, has
 * forgotten votes it gave and entries it acknowledged. It finds out by asking, and is not counted until it has learned enough.
 *
 *              enough answers, none of them knows of more
 *   checking ─────────────────────────────────────────────▶ sound
 *      │ one knows of more                                     ▲
 *      ▼                                                       │ registered, and holds what a leader elected in spite
 *   recovering ────────────────────────────────────────────────┘ of it has committed
 *
 * A checking member says nothing but hello, and hears nothing else. A recovering one follows and is sent entries, but
 * campaigns never, and its answers neither commit nor confirm anything. It votes only as counterexample 4 says.
 *
 * Why that is safe. Of n voters q are a quorum; P forgot; R are n − q + 1 other voters that have on disk "count nothing
 * that lives of P before this one said". A quorum that needs an old word of P has q − 1 other voters, so one of them, r,
 * is in R. Whoever counts that quorum hears from r, and r says what it has registered with every vote and every
 * acknowledgement. (Which of two lives is the later one: lives.ts.) What if r spoke before it registered?
 * 1. A vote: P voted for X in term 5, forgot it, and would vote for Y in term 5 too. r voted for X as well, so r was in
 *    term 5 when it registered. P adopts the highest term of R, and gives that term's vote away to itself: it never
 *    votes anew in a term up to that one. In later terms all words of r come after its registration.
 * 2. An acknowledgement: r and P acknowledged entry k of leader L, P forgot it, and L commits k without having heard of
 *    the new P. With the votes of P and of others that lack k, Y would be elected and k lost. But P waits until it holds
 *    what a leader M has committed that knows this life of P and has a term at least that of R, and an entry of that
 *    term too. If M is L, it counts the old word no more, so its commit index has all it ever committed with it. Else M
 *    was elected in a later term, in which the old word of P was not counted, or honest: it holds k by the ordinary
 *    argument (thesis §3.6.3; with the new P's vote, by 4), before the entries of its own term. So P holds k too.
 * 3. A confirmed read: the old P answered a heartbeat before it forgot, so before anybody was elected with its new vote.
 *    What a later leader commits is younger than the read.
 * 4. Of two voters, or four of which one is down, the others are no quorum without P: if it never voted, nobody could
 *    bring it up to date. So once registered it votes, in later terms than that of R, for whoever's log is as good as
 *    each log of R was when it registered. r held k then, so the ordinary argument holds with r's log in place of the
 *    one P has lost. Where k was committed under an older list, by voters that are none now, R need not hold it: what P
 *    still knows to be committed counts beside their logs, and no leader lacks that.
 * 5. r itself forgets that it registered P, with an old copy of its disk, and need not notice: no word of its own is gone
 *    with that copy. Then L commits k by the new word of r and the old one of P; and those who registered P elect Y
 *    without k, on the word of the new P and without that of r. So every answer to a member that asks says what its
 *    sender has registered, and P keeps its own registration among them: P and the n − q of R besides r are n − q + 1 of
 *    the others, so of the q − 1 that r hears before it speaks one knows. And if those of R register one after the other,
 *    and r forgets and asks in between? Then the one it hears may not know yet, while P counts what r said before. So P
 *    asks twice: once n − q + 1 have registered it, it asks all of them anew, and R are those that answer this time. Who
 *    forgot before that registers P again; who forgets later hears of one that knows.
 * Whom to ask. A member that was down for long may know nobody of those that are there now; one whose copy is from the
 * time when it was alone waits a moment for strangers. So it also asks whoever connects to it, or speaks to it as a
 * leader or a candidate, and each answer says who belongs as far as the one who answers has applied: the newest such
 * list that names it decides whose answers count, and how many (Roll). Why that is no weaker: an entry that changed the
 * members was committed by a quorum of the older list in some term T, and whoever has applied it knows a term of at least
 * T. Under the older list nothing more can be decided in a term below T without one of that quorum; and what it decided
 * before, the leader of T had. So it is the newer list whose quorums an old word of P could still be part of.
 * What must not be: two recovering members vouch for each other. So only a sound one registers, and if too many have
 * forgotten, all wait, and say so: nobody can tell from within what was promised.
 *
 * What it cannot find. The answers come from memory: what nobody that answers knows of goes unnoticed. With n = 3 a
 * member may start with one answer, or two stopped members could never go on without the third. Members are told
 * regularly what the others hold (Heartbeat.held), so a copy older than a few heartbeats is found, unless all others
 * have restarted since; and what the only voter promised nobody else knows. A copy from the time when the member was
 * alone is found only if one of the others is there when it starts; who turns up later can only make it stop
 * (divergence.ts). And counterexample 5 is met for one of R that forgets: where two do, three members in all, each may
 * hear of nobody who knows.
 *
 * Source: Viewstamped Replication Revisited §4.3 (recovery); Michael et al., Recovering Shared Objects Without Stable
 * Storage (crash-consistent quorums); the proof for Raft's terms and votes is the above.
 */
import { indexOf, type LogIndex, type MemberId, noIndex, noTerm, type Term } from "../ids.ts";
import { membersOf, votersOf } from "./confchange.ts";
import { doubtOwnEntries, provesDivergence } from "./divergence.ts";
import { withRegistration } from "./hard-state.ts";
import type { Append, Configuration, HelloReply, RegisterReply, Roll } from "./message.ts";
import { majorityOf } from "./quorum.ts";
import type { RaftState } from "./state.ts";
import { learnRegistrations } from "./witness.ts";

export type Standing = "sound" | "checking" | "recovering";

/** What of a member's promises is gone; which it is decides nothing, but people want to know. */
export type Forgotten = "term" | "entries" | "everything" | "damaged entries" | "found by an earlier life";

/** Held while a member is not sound. */
export class Recall {
  /** Ticks since the questions were first asked. */
  ticks = 0;
  /** Other voters that answered the question of the present standing, and of the present round. */
  answered: Set<MemberId> = new Set();
  /** Of questions to be registered; 0 before the second one. */
  round = 0;
  /** Those that had answered when the present round began. */
  earlier: ReadonlySet<MemberId> = new Set();
  /** Others that asked this one to register them while it could not: they have forgotten too, and answer nobody. */
  readonly forgetful = new Set<MemberId>();
  /** Members asked since the last tick. */
  readonly asked = new Set<MemberId>();
  /** The newest list of members that an answer named; its members count if it is newer than this member's own. */
  roll: Roll | undefined;
  hasLeaderAnswered = false;
  forgotten: Forgotten | undefined;
  /** Highest term of those that registered this life. */
  highestTerm: Term = noTerm;
  /** End of the best log among theirs. */
  lastIndex: LogIndex = noIndex;
  lastTerm: Term = noTerm;
  isRegistered = false;
  /** A leader that knows this life, by its term; what it first said is committed; and how far this log is as its own. */
  leaderTerm: Term = noTerm;
  target: LogIndex = noIndex;
  agreedIndex: LogIndex = noIndex;
  /**
   * Present while entries beyond it may be of a history that this member has for itself: see divergence.ts. Up to it this
   * log and a leader's are the same.
   */
  sharedIndex: LogIndex | undefined;
}

/** A life begins: it knows nothing of what it may have forgotten, or knows that it has. */
export function beginRecall(state: RaftState, isRecovering: boolean, forgotten?: Forgotten): void {
  const isFounder = state.isSoleVoter && state.log.lastIndex === noIndex;
  if (isFounder || !state.isMember(state.id)) return;
  state.recall = new Recall();
  state.standing = isRecovering ? "recovering" : "checking";
  if (isRecovering) {
    state.recall.forgotten = forgotten ?? "found by an earlier life";
    registerItself(state);
    doubtOwnEntries(state, state.recall);
  }
  askAll(state, state.recall);
}

/** Asks again whoever has not answered, and counts the time. */
export function tickRecall(state: RaftState, recall: Recall): void {
  recall.ticks++;
  recall.asked.clear();
  const isChecking = state.standing === "checking";
  if (isChecking) maybeSound(state, recall);
  else maybeRegistered(state, recall);
  // Enough to be sound is not all there is to hear.
  if (state.recall !== undefined && (isChecking || missingVoters(state, recall) > 0)) askAll(state, recall);
}

/**
 * A member that speaks to one that is checking is there to be asked; so is whoever leads, wants to or connects: a stranger,
 * or one that is a learner as far as is known here, and may have become a voter since.
 */
export function askAtOnce(state: RaftState, recall: Recall, id: MemberId): void {
  if (recall.asked.has(id) || recall.answered.has(id)) return;
  if (state.standing === "recovering" && missingVoters(state, recall) === 0) return;
  const hasRoom = recall.asked.size < state.voterIds.length + othersAskedMax;
  if (hasRoom || votersToAsk(state, recall).includes(id)) ask(state, recall, id);
}

/** Members that are no voters by any list known here and are asked between two ticks; more are asked after the next. */
const othersAskedMax = 8;

/** The newest list of members known: this member's own, or what an answer said. */
function rollOf(state: RaftState, recall: Recall): Configuration {
  const { roll, sharedIndex } = recall;
  // How far an only voter got by its own word makes its list no newer than that of others.
  const isOwnInDoubt = state.isSoleVoter && sharedIndex !== undefined;
  const isNewer = roll !== undefined && (isOwnInDoubt || roll.index > state.log.appliedIndex);
  return isNewer ? roll.configuration : state.configuration;
}

/** Those whose answers count, in id order, this member perhaps among them. */
export function votersToAsk(state: RaftState, recall: Recall): readonly MemberId[] {
  const configuration = rollOf(state, recall);
  return configuration === state.configuration ? state.voterIds : votersOf(configuration);
}

/**
 * Who is not in a list was removed, and will be told; or the list is of another history: of five, 1 leads alone from a disk
 * of when it was alone, and has written more than the others; by its list one answer is enough, its own.
 */
const isNamed = ({ id }: RaftState, { configuration }: Roll): boolean => membersOf(configuration).includes(id);

function learnRoll(state: RaftState, recall: Recall, roll: Roll): void {
  if (!isNamed(state, roll)) return;
  if (recall.roll === undefined || roll.index > recall.roll.index) recall.roll = roll;
}

export function handleHelloReply(state: RaftState, recall: Recall, message: HelloReply): void {
  if (message.incarnation !== state.incarnation || provesDivergence(state, message)) return;
  learnRoll(state, recall, message.roll);
  // The first answer may have told that something is forgotten; who belongs may be known to a later one only.
  if (state.standing !== "checking") return;
  learnRegistrations(state, message.registrations, message.roll);
  recall.forgotten = forgottenBy(state, message);
  if (recall.forgotten !== undefined) {
    state.standing = "recovering";
    registerItself(state);
    doubtOwnEntries(state, recall);
    recall.answered.clear();
    recall.asked.clear();
    askAll(state, recall);
    return;
  }
  recall.answered.add(message.from);
  if (message.leads && isNamed(state, message.roll)) recall.hasLeaderAnswered = true;
  maybeSound(state, recall);
}

export function handleRegisterReply(state: RaftState, message: RegisterReply): void {
  const { recall } = state;
  if (recall === undefined || state.standing !== "recovering" || message.incarnation !== state.incarnation) return;
  if (provesDivergence(state, message)) return;
  learnRoll(state, recall, message.roll);
  learnRegistrations(state, message.registrations, message.roll);
  recall.forgetful.delete(message.from);
  if (message.term > recall.highestTerm) recall.highestTerm = message.term;
  // A learner may hold more than the voters ever will, and counts for nothing; should it vote by now, it is asked again.
  const isVoter = votersToAsk(state, recall).includes(message.from);
  if (isVoter && message.round === recall.round) recall.answered.add(message.from);
  if (isVoter && isAsGood(message, recall)) {
    recall.lastIndex = message.lastIndex;
    recall.lastTerm = message.lastTerm;
  }
  maybeRegistered(state, recall);
}

/** Counterexample 5: enough have registered this life, and then enough did so again, or still knew. */
function maybeRegistered(state: RaftState, recall: Recall): void {
  if (missingOf(state, recall, recall.answered) > 0) return;
  if (missingOf(state, recall, recall.earlier) > 0) {
    recall.earlier = recall.answered;
    recall.answered = new Set();
    recall.round++;
    recall.asked.clear();
    askAll(state, recall);
    return;
  }
  if (recall.isRegistered && recall.highestTerm <= state.term) return;
  recall.isRegistered = true;
  if (recall.highestTerm > state.term) state.becomeFollower(recall.highestTerm, undefined);
  // Counterexample 1: its vote in this term may be given already.
  state.votedFor ??= state.id;
}

/** False: nobody can tell whom this member may vote for. */
export const canVote = ({ recall }: RaftState): boolean => recall === undefined || recall.isRegistered;

/**
 * Whether whoever has such a log holds everything that may be committed, as far as this member's word counts for it. A
 * recovering one stands for the logs of those that registered it; its own is too old for that, and may end in entries
 * that nobody else has and that it could not bring to anybody.
 */
export function isUpToDate(state: RaftState, candidate: LogEnd): boolean {
  const { recall, log } = state;
  if (recall === undefined) return log.isUpToDate(candidate);
  return missingVoters(state, recall) === 0 && isAsGood(candidate, recall) && isAsGood(candidate, committedEnd(state));
}

/** Whoever may lead holds what is committed, so its log is as good as this member's is up to there. */
function committedEnd({ log }: RaftState): LogEnd {
  return { lastIndex: log.commitIndex, lastTerm: log.termAt(log.commitIndex) ?? noTerm };
}

/** The recovering member accepted an append: up to its end the logs agree. */
export function noteAgreement(state: RaftState, recall: Recall, message: Append): void {
  if (!recall.isRegistered || message.toIncarnation !== state.incarnation) return;
  const agreedIndex = indexOf(message.prevIndex + message.entries.length);
  if (recall.leaderTerm !== message.term) {
    recall.leaderTerm = message.term;
    recall.target = message.commitIndex;
    recall.agreedIndex = agreedIndex;
  } else if (agreedIndex > recall.agreedIndex) {
    recall.agreedIndex = agreedIndex;
  }
  maybeRecovered(state, recall);
}

/** Counterexample 2: sound again once all that leader had committed is durable here, and an entry of its own term. */
export function maybeRecovered(state: RaftState, recall: Recall): void {
  const { log } = state;
  if (!recall.isRegistered || recall.leaderTerm !== state.term) return;
  const heldIndex = log.stableIndex < recall.agreedIndex ? log.stableIndex : recall.agreedIndex;
  if (heldIndex < recall.target || log.termAt(heldIndex) !== recall.leaderTerm) return;
  if (missingVoters(state, recall) === 0) becomeSound(state);
}

/**
 * How many more voters must answer: to be found sound, as many as a quorum has besides this member; to recover, so many
 * that every quorum has one of them besides this member, and that twice. In a joint configuration, in both halves.
 */
export function missingVoters(state: RaftState, recall: Recall): number {
  const missing = missingOf(state, recall, recall.answered);
  return state.standing === "checking" ? missing : Math.max(missing, missingOf(state, recall, recall.earlier));
}

function missingOf(state: RaftState, recall: Recall, answered: ReadonlySet<MemberId>): number {
  const { voters, outgoing } = rollOf(state, recall);
  const isVoter = voters.includes(state.id) || outgoing.includes(state.id);
  return Math.max(
    missingOfHalf(state, answered, { half: voters, isVoter }),
    missingOfHalf(state, answered, { half: outgoing, isVoter }),
  );
}

/** Answers that the present question still lacks; 0: none is to be asked any more. */
export const missingAnswers = (state: RaftState, recall: Recall): number =>
  missingOf(state, recall, recall.answered) || missingVoters(state, recall);

function missingOfHalf(
  state: RaftState,
  answered: ReadonlySet<MemberId>,
  { half, isVoter }: { readonly half: readonly MemberId[]; readonly isVoter: boolean },
): number {
  if (half.length === 0 || (isVoter && !half.includes(state.id))) return 0;
  const quorum = majorityOf(half.length);
  const needed = state.standing === "checking" ? quorum - 1 : half.length - quorum + 1;
  let count = 0;
  for (const id of half) if (answered.has(id)) count++;
  return Math.max(0, needed - count);
}

/**
 * A member that waits a moment hears from more members, and so finds more; one that leads knows what it was told. An
 * election takes no less time, so nothing is lost by waiting.
 */
function maybeSound(state: RaftState, recall: Recall): void {
  if (missingVoters(state, recall) > 0) return;
  const others = votersToAsk(state, recall).filter((id) => id !== state.id);
  // Strangers are asked because they are there: a tick is enough for their answers, and one of them may know a newer list.
  const isAwaited = [...recall.asked].some((id) => !recall.answered.has(id));
  const haveAll = others.length > 0 && !isAwaited && others.every((id) => recall.answered.has(id));
  const waitTicks = others.length > 0 ? state.config.electionTicks : strangersTicks(state);
  if (haveAll || recall.hasLeaderAnswered || recall.ticks >= waitTicks) becomeSound(state);
}

/** Members that lost a connection try again four times a second; on a busy machine some of these tries come late. */
const strangersMs = 1_200;

/** Who may not hurry campaigns after less than 2 E ticks, and asks until then: sure before, it could only be made to stop. */
function strangersTicks({ config }: RaftState): number {
  const strangersTicks = Math.ceil(strangersMs / config.tickMs);
  return config.soleVoterAtOnce ? strangersTicks : Math.max(strangersTicks, 2 * config.electionTicks - 1);
}

function becomeSound(state: RaftState): void {
  state.standing = "sound";
  state.recall = undefined;
}

function askAll(state: RaftState, recall: Recall): void {
  for (const id of votersToAsk(state, recall)) {
    if (id !== state.id && !recall.answered.has(id) && !recall.asked.has(id)) ask(state, recall, id);
  }
}

function ask(state: RaftState, recall: Recall, to: MemberId): void {
  recall.asked.add(to);
  const { id: from, term, incarnation } = state;
  if (state.standing === "checking") state.messages.push({ type: "hello", from, to, term, incarnation });
  // That it forgot must be on its disk first: those who know may have forgotten it themselves when it starts again.
  else state.messagesAfterPersist.push({ type: "register", from, to, term, incarnation, round: recall.round });
}

/** What this member promised once and does not know. It has heard nothing yet in this life, so all it holds is old. */
function forgottenBy(state: RaftState, known: HelloReply): Forgotten | undefined {
  const { log } = state;
  if (state.term === noTerm && log.lastIndex === noIndex && (known.seenTerm > noTerm || known.hasServed)) {
    return "everything";
  }
  if (known.seenTerm > state.term) return "term";
  if (known.heldIndex > log.lastIndex) return "entries";
  // Whoever was alone had to hold the entry that ended that.
  if (state.isSoleVoter && known.roll.index > log.lastIndex && votersOf(known.roll.configuration).length > 1)
    return "entries";
  const term = log.termAt(known.heldIndex);
  return term !== undefined && known.heldTerm !== noTerm && term !== known.heldTerm ? "entries" : undefined;
}

/** Counterexample 5: others may forget that they registered it. */
function registerItself(state: RaftState): void {
  const { id: memberId, incarnation } = state;
  state.registrations = withRegistration(state.registrations, { memberId, incarnation });
}

/** The end of a log: what candidates and voters compare. */
interface LogEnd {
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

const isAsGood = (one: LogEnd, other: LogEnd): boolean =>
  one.lastTerm > other.lastTerm || (one.lastTerm === other.lastTerm && one.lastIndex >= other.lastIndex);
