/*
 * The leader: appends to its own log, sends it to the others, commits what a quorum holds durably, proves that it still
 * leads. What handlers find worth sending is only marked; `flushLeader` cuts the messages when a Ready is taken, so that
 * everything proposed, acknowledged and committed in between shares them.
 * Source: Raft thesis §3.5, §3.6.2, §3.10, §6.2 (check-quorum), §6.4.
 */
import { assert } from "../assert.ts";
import { emptyBytes } from "../bytes.ts";
import { indexOf, type LogIndex, type MemberId, noTerm } from "../ids.ts";
import { askIfAlone } from "./divergence.ts";
import { Leadership } from "./leadership.ts";
import { entryBytes } from "./log.ts";
import type {
  AppendAccepted,
  AppendRejected,
  Entry,
  EntryKind,
  ForwardedProposal,
  HeartbeatReply,
  Held,
  RaftMessage,
} from "./message.ts";
import type { Progress } from "./progress.ts";
import { promiseMsOf } from "./read-lease.ts";
import type { ProvenRead, WaitingRead } from "./readindex.ts";
import type { Farewell, RaftState } from "./state.ts";
import { learnRegistrations } from "./witness.ts";

export function becomeLeader(state: RaftState): void {
  assert(state.role === "candidate", "a member leads without having campaigned", state.role);
  state.role = "leader";
  state.clearVotes();
  state.resetElectionTimer();
  state.changeLeader(state.id);
  const leadership = new Leadership({
    id: state.id,
    configuration: state.configuration,
    lastIndex: state.log.lastIndex,
    lastRound: state.lastRound,
    config: state.config,
  });
  leadership.self.matchIndex = state.log.stableIndex;
  leadership.uncommittedBytes = bytesBetween(state, state.log.commitIndex, state.log.lastIndex);
  state.leadership = leadership;
  // Entries of earlier terms commit only along with one of this term, so there has to be one.
  appendOwn(state, leadership, "empty", emptyBytes);
  proposeHeldBack(state, leadership);
}

/** A message of this leader's own term. */
export function stepLeader(state: RaftState, leadership: Leadership, message: RaftMessage): void {
  switch (message.type) {
    case "appendAccepted":
    case "appendRejected":
    case "heartbeatReply": {
      const progress = leadership.progressOf(message.from);
      if (progress === undefined || !progress.meetLife(message.incarnation)) return;
      progress.recentActive = true;
      progress.isMet = true;
      if (message.type === "appendAccepted") learnRegistrations(state, message.registrations);
      if (message.type !== "appendRejected" && !message.isRecovering) noteCounted(state, leadership, progress);
      if (message.type === "appendAccepted") handleAccepted(state, leadership, progress, message);
      else if (message.type === "appendRejected") handleRejected(state, leadership, progress, message);
      else handleHeartbeatReply(state, leadership, progress, message);
      return;
    }
    case "readIndex":
      if (leadership.reads.count < state.config.proposalsMax) addRead(state, leadership, message);
      return;
    case "propose":
      if (!leadership.forwarded.take(message)) return;
      if (leadership.transferee !== undefined && state.heldBack.length < state.config.proposalsMax) {
        // Whoever sent it waits for no answer, and would learn too late that it has to ask another.
        state.heldBack.push(message.commands);
      } else proposeForOthers(state, leadership, message.commands);
      return;
    case "proposeConfiguration":
      if (!leadership.forwarded.take(message)) return;
      if (proposeConfigurationAsLeader(state, leadership, message.command) === "dropped") {
        state.dropped.push(message.command);
      }
      return;
    case "append":
    case "heartbeat":
      assert(false, "one term has two leaders", state.id, message.from);
      return;
    default:
      return;
  }
}

/** Appends the commands as one, or drops them all: while leadership is being handed over, or when too much is open. */
export function proposeAsLeader(
  state: RaftState,
  leadership: Leadership,
  commands: readonly Uint8Array[],
): "appended" | "dropped" {
  if (leadership.transferee !== undefined) return "dropped";
  if (leadership.uncommittedBytes > 0) {
    let bytes = leadership.uncommittedBytes;
    for (const command of commands) bytes += command.length;
    if (bytes > state.config.uncommittedBytesMax) return "dropped";
  }
  for (const command of commands) appendOwn(state, leadership, "command", command);
  return "appended";
}

/** The handover failed, or came back: what others asked meanwhile is this leader's to append after all. */
function proposeHeldBack(state: RaftState, leadership: Leadership): void {
  const { heldBack } = state;
  if (heldBack.length === 0) return;
  state.heldBack = [];
  for (const commands of heldBack) proposeForOthers(state, leadership, commands);
}

/**
 * A proposal that was forwarded to an earlier leadership of this member and comes after its end. It was not taken and no
 * other member was asked, so it may go on to whoever leads now, once. Its sender waits for no answer: dropped here, its
 * client would wait for a whole request timeout in vain, and every planned restart of a leader would cost some of them.
 */
export function handleLateProposal(state: RaftState, message: ForwardedProposal): void {
  const { former, leadership, leaderId } = state;
  if (former === undefined || former.term !== message.term || !former.forwarded.take(message)) return;
  if (leadership !== undefined && leadership.transferee === undefined)
    proposeForOthers(state, leadership, message.commands);
  else if (leadership === undefined && leaderId !== undefined) state.forward(leaderId, message.commands);
  else if (state.heldBack.length < state.config.proposalsMax) state.heldBack.push(message.commands);
  else state.dropped.push(...message.commands);
}

function proposeForOthers(state: RaftState, leadership: Leadership, commands: readonly Uint8Array[]): void {
  if (proposeAsLeader(state, leadership, commands) === "dropped") state.dropped.push(...commands);
}

/**
 * One change of the configuration at a time: the next is appended when the one before it was applied here, so that the
 * majorities of any two configurations in use at once overlap. Until then it waits, and is lost with the leadership.
 * Source: Raft thesis §4.1.
 */
export function proposeConfigurationAsLeader(
  state: RaftState,
  leadership: Leadership,
  command: Uint8Array,
): "appended" | "waiting" | "dropped" {
  if (leadership.configurationsWaiting.length >= configurationsWaitingMax) return "dropped";
  leadership.configurationsWaiting.push(command);
  maybeAppendConfiguration(state, leadership);
  return leadership.configurationsWaiting.length === 0 ? "appended" : "waiting";
}

/** A change waits, or a joint configuration to be left. */
export const hasConfigurationDue = (state: RaftState, leadership: Leadership): boolean =>
  leadership.configurationsWaiting.length > 0 || state.configuration.outgoing.length > 0;

/** Leaves the joint configuration, or appends the change that waits longest, if it is its turn. */
export function maybeAppendConfiguration(state: RaftState, leadership: Leadership): void {
  if (leadership.transferee !== undefined || state.log.appliedIndex < leadership.configurationIndex) return;
  const { configuration, leaveJoint } = state;
  // Not before the joint configuration is applied: until then its majorities do not decide.
  const command =
    configuration.outgoing.length > 0 && leaveJoint !== undefined
      ? leaveJoint(configuration)
      : leadership.configurationsWaiting.shift();
  if (command === undefined) return;
  appendOwn(state, leadership, "configuration", command);
  leadership.configurationIndex = state.log.lastIndex;
}

/** Operators change memberships by hand; more than this many at once is a mistake, and what is over is dropped. */
const configurationsWaitingMax = 64;

/**
 * The last word of a leader that was removed: what is committed, and to the voter that holds most of it, that it shall
 * campaign at once. Without it the others would wait an election timeout for a leader that is gone.
 */
export function sayFarewell(state: RaftState, leadership: Leadership): void {
  leadership.appendsDue = true;
  flushLeader(state, leadership);
  const voters = leadership.peers.filter(({ id }) => state.voterIds.includes(id));
  voters.sort((a, b) => b.matchIndex - a.matchIndex);
  state.farewell = { term: state.term, successors: voters.map(({ id }) => id), ticks: 0 };
  nameSuccessor(state, state.farewell, 0);
}

/**
 * That word may be lost, and with it the only news that the removal is committed. 1. Of members 1 to 4, 4 is down; 1 leads
 * and is removed. 2. Members 2 and 3 hold that entry and have not heard that it is committed, so they count a majority of
 * four: the two of them can elect nobody, though they are a majority of those that belong. So the word is said again, to
 * one voter after the other, until one of them campaigns or an election timeout has passed.
 */
export function tickFarewell(state: RaftState, farewell: Farewell): void {
  farewell.ticks++;
  if (state.term > farewell.term || farewell.ticks >= state.config.electionTicks) state.farewell = undefined;
  // The first tick may come right after the word: before its successor is heard of, a second one would divide the votes.
  else if (farewell.ticks > 1) nameSuccessor(state, farewell, farewell.ticks - 1);
}

function nameSuccessor(state: RaftState, { successors }: Farewell, turn: number): void {
  const to = successors[turn % successors.length];
  if (to === undefined) return;
  state.messages.push({ type: "timeoutNow", from: state.id, to, term: state.term, committed: state.committed });
}

/** The read waits for its proof, or has it at once when there is no other voter. */
export function addRead(state: RaftState, leadership: Leadership, read: WaitingRead): void {
  const waiting: WaitingRead = {
    from: read.from,
    readContext: read.readContext,
    incarnation: read.incarnation,
  };
  if (state.log.commitIndex < leadership.startIndex) {
    leadership.reads.addEarly(waiting);
    return;
  }
  const { readLease } = leadership;
  if (readLease?.holds(state.nowMs) === true) {
    answerRead(state, { ...waiting, readIndex: state.log.commitIndex });
    return;
  }
  leadership.reads.add(waiting, state.log.commitIndex);
  beginReadRound(state, leadership);
}

/** The leader's own disk has come further. */
export function leaderPersisted(state: RaftState, leadership: Leadership): void {
  leadership.self.matchIndex = state.log.stableIndex;
  maybeCommit(state, leadership);
}

/** Others decide now: what was said already may be enough for them. */
export function leaderReconfigured(state: RaftState, leadership: Leadership): void {
  leaderPersisted(state, leadership);
  releaseReads(state, leadership);
}

/** Returns false when that member cannot lead: a stranger or a learner. */
export function startTransfer(state: RaftState, leadership: Leadership, to: MemberId): boolean {
  if (to === state.id) return true;
  const progress = leadership.progressOf(to);
  if (progress === undefined || !state.voterIds.includes(to)) return false;
  if (leadership.transferee === to) return true;
  leadership.readLease?.end();
  leadership.transferee = to;
  leadership.transferTicks = 0;
  leadership.appendsDue = true;
  maybeSendTimeoutNow(state, progress);
  return true;
}

export function tickLeader(state: RaftState, leadership: Leadership): void {
  leadership.readLease?.tick(state.nowMs);
  if (leadership.transferee !== undefined) tickTransfer(state, leadership, leadership.transferee);
  else if (hasConfigurationDue(state, leadership)) maybeAppendConfiguration(state, leadership);
  leadership.quorumTicks++;
  if (leadership.quorumTicks >= state.config.electionTicks) {
    leadership.quorumTicks = 0;
    const isHeard = leadership.checkQuorum();
    if (state.config.checkQuorum && !isHeard) {
      state.becomeFollower(state.term, undefined);
      return;
    }
  }
  leadership.heartbeatsDue = true;
  const { lastHeldTurn } = leadership;
  leadership.lastHeldTurn = lastHeldTurn >= leadership.peers.length ? 0 : lastHeldTurn + 1;
  leadership.heldTurn = leadership.lastHeldTurn;
}

/** Sends what is due. Nothing leaves before the leader's own term is durable: see candidate.ts on sole voters. */
export function flushLeader(state: RaftState, leadership: Leadership): void {
  if (state.durableTerm < state.term) return;
  if (leadership.heartbeatsDue) {
    leadership.heartbeatsDue = false;
    sendHeartbeats(state, leadership);
  }
  if (leadership.appendsDue) {
    leadership.appendsDue = false;
    const peers = leadership.peers;
    for (let position = 0; position < peers.length; position++) {
      sendAppends(state, leadership, peers[position] as Progress);
    }
  }
}

// ---- the log ---------------------------------------------------------------------------------------------------

function appendOwn(state: RaftState, leadership: Leadership, kind: EntryKind, data: Uint8Array): void {
  const entry = { index: indexOf(state.log.lastIndex + 1), term: state.term, kind, data };
  state.log.append(entry);
  leadership.uncommittedBytes += entryBytes(entry);
  leadership.appendsDue = true;
}

/** Commits by counting only what has this leader's own term; earlier entries commit along with it. Thesis §3.6.2. */
function maybeCommit(state: RaftState, leadership: Leadership): void {
  const log = state.log;
  const reached = leadership.matchedByQuorum();
  if (reached <= log.commitIndex || reached < leadership.startIndex) return;
  const committed = indexOf(reached);
  const isFirst = log.commitIndex < leadership.startIndex;
  leadership.uncommittedBytes -= bytesBetween(state, log.commitIndex, committed);
  log.commitTo(committed);
  leadership.appendsDue = true;
  if (isFirst && leadership.reads.admitEarly(committed)) beginReadRound(state, leadership);
}

/** Bytes of the entries after `from` up to `to`. */
function bytesBetween(state: RaftState, from: LogIndex, to: LogIndex): number {
  let bytes = 0;
  for (let index = from + 1; index <= to; index++) {
    const entry = state.log.entryAt(indexOf(index));
    if (entry !== undefined) bytes += entryBytes(entry);
  }
  return bytes;
}

// ---- answers ---------------------------------------------------------------------------------------------------

/** This life of that member counts: what it acknowledged before it did may be what a commit waits for. */
function noteCounted(state: RaftState, leadership: Leadership, progress: Progress): void {
  if (progress.isCounted) return;
  progress.isCounted = true;
  maybeCommit(state, leadership);
}

function handleAccepted(state: RaftState, leadership: Leadership, progress: Progress, message: AppendAccepted): void {
  assert(message.matchIndex <= state.log.lastIndex, "a follower acknowledged an entry never sent", message.matchIndex);
  const isNews = progress.advanceMatch(message.matchIndex);
  if (progress.state === "replicate") {
    progress.inflight.freeTo(message.matchIndex);
    if (progress.nextIndex <= state.log.lastIndex) leadership.appendsDue = true;
  } else if (message.matchIndex === progress.matchIndex && state.log.termAt(progress.matchIndex) !== undefined) {
    // A probe was answered, or a snapshot arrived and the log goes on from there. An acknowledgement older than the
    // snapshot under way ends before the log begins, and changes nothing.
    progress.becomeReplicate();
    leadership.appendsDue = true;
  }
  if (!isNews) return;
  if (progress.state === "snapshot") {
    // The log moved on while the snapshot was under way: what it brought is not enough to go on from.
    leadership.snapshotsWanted.push(progress.id);
  }
  if (message.matchIndex > state.log.commitIndex) maybeCommit(state, leadership);
  if (leadership.transferee === progress.id) maybeSendTimeoutNow(state, progress);
}

function handleRejected(state: RaftState, leadership: Leadership, progress: Progress, message: AppendRejected): void {
  // Late answers: that position is known to match by now, or is not the one being probed.
  if (progress.state === "snapshot" || message.rejectedIndex <= progress.matchIndex) return;
  if (progress.state === "probe" && message.rejectedIndex !== progress.nextIndex - 1) return;
  if (message.rejectedIndex >= progress.nextIndex) return;
  // Both sides skip what cannot agree: the follower named its last entry of a term no later than the refused one's,
  // the leader goes back to its own last entry of a term no later than that.
  const agreement = state.log.conflictHint(message.hintIndex, message.hintTerm);
  const nextIndex = Math.max(progress.matchIndex + 1, Math.min(message.rejectedIndex, agreement + 1));
  progress.becomeProbe(indexOf(nextIndex));
  leadership.appendsDue = true;
}

function handleHeartbeatReply(
  state: RaftState,
  leadership: Leadership,
  progress: Progress,
  message: HeartbeatReply,
): void {
  progress.probeSent = false;
  if (progress.matchIndex < state.log.lastIndex || message.isRecovering) {
    // A recovering member waits for the commit index. Otherwise, an append or its answer may be lost; an append without news finds out.
    progress.appendDue = true;
    leadership.appendsDue = true;
  }
  if (!message.isRecovering && message.readRound > progress.confirmedRound) {
    assert(message.readRound <= leadership.reads.lastRound, "a read round was confirmed that never began");
    progress.confirmedRound = message.readRound;
    const { readLease } = leadership;
    if (readLease !== undefined && message.promisedMs >= promiseMsOf(state.config)) {
      progress.promisedRound = message.readRound;
      readLease.promised(leadership.promisedByQuorum());
    }
    releaseReads(state, leadership);
  }
}

// ---- reads -----------------------------------------------------------------------------------------------------

function beginReadRound(state: RaftState, leadership: Leadership): void {
  if (state.isSoleVoter) {
    leadership.reads.closeRound();
    releaseReads(state, leadership);
  } else {
    leadership.heartbeatsDue = true;
  }
}

function releaseReads(state: RaftState, leadership: Leadership): void {
  if (leadership.reads.roundAwaited === 0) return;
  for (const read of leadership.reads.confirm(leadership.confirmedByQuorum())) answerRead(state, read);
}

function answerRead(state: RaftState, read: ProvenRead): void {
  const { from, readContext, incarnation, readIndex } = read;
  if (from === undefined) state.readStates.push({ readContext, readIndex });
  else {
    state.messages.push({
      type: "readIndexReply",
      from: state.id,
      to: from,
      term: state.term,
      readContext,
      incarnation,
      readIndex,
    });
  }
}

// ---- transfer --------------------------------------------------------------------------------------------------

function tickTransfer(state: RaftState, leadership: Leadership, to: MemberId): void {
  leadership.transferTicks++;
  const progress = leadership.progressOf(to);
  if (progress === undefined || leadership.transferTicks >= state.config.electionTicks) {
    leadership.transferee = undefined;
    proposeHeldBack(state, leadership);
    return;
  }
  maybeSendTimeoutNow(state, progress);
}

/** Once the transferee holds the whole log it is told to campaign; again each tick, as the word may be lost. */
function maybeSendTimeoutNow(state: RaftState, progress: Progress): void {
  if (progress.matchIndex < state.log.lastIndex) return;
  const { id: from, term, committed } = state;
  state.messages.push({ type: "timeoutNow", from, to: progress.id, term, committed });
}

// ---- sending ---------------------------------------------------------------------------------------------------

function sendHeartbeats(state: RaftState, leadership: Leadership): void {
  const { readLease } = leadership;
  const readRound = readLease === undefined ? leadership.reads.roundAwaited : leadership.reads.openRound();
  readLease?.sent(readRound, state.nowMs);
  leadership.reads.closeRound();
  const held = takeHeld(state, leadership);
  for (const progress of leadership.peers) {
    if (state.isSoleVoter && !progress.isMet) {
      askIfAlone(state, progress.id);
      continue;
    }
    const commitIndex = indexOf(Math.min(progress.matchIndex, state.log.commitIndex));
    state.messages.push({
      type: "heartbeat",
      from: state.id,
      to: progress.id,
      term: state.term,
      // Never more than the follower is known to hold: its log beyond that may differ.
      commitIndex,
      toIncarnation: progress.incarnation,
      readRound,
      held,
    });
    state.witnessOf(progress.id)?.noteHeld(commitIndex, state.log.termAt(commitIndex) ?? noTerm);
  }
}

/** What one member holds that is committed, another one each tick. */
function takeHeld(state: RaftState, leadership: Leadership): Held | undefined {
  if (leadership.heldTurn === undefined) return undefined;
  const { id, countedIndex } = leadership.peers[leadership.heldTurn] ?? leadership.self;
  leadership.heldTurn = undefined;
  const index = indexOf(Math.min(countedIndex, state.log.commitIndex));
  return { memberId: id, index, term: state.log.termAt(index) ?? noTerm };
}

function sendAppends(state: RaftState, leadership: Leadership, progress: Progress): void {
  if (state.isSoleVoter && !progress.isMet) {
    if (!progress.probeSent) askIfAlone(state, progress.id);
    progress.probeSent = true;
    return;
  }
  switch (progress.state) {
    case "snapshot":
      return;
    case "probe":
      if (!progress.probeSent) progress.probeSent = sendAppend(state, leadership, progress, true);
      return;
    case "replicate":
      replicate(state, leadership, progress);
      return;
  }
}

function replicate(state: RaftState, leadership: Leadership, progress: Progress): void {
  const lastIndex = state.log.lastIndex;
  let isSent = false;
  while (progress.nextIndex <= lastIndex && !progress.inflight.isFull) {
    if (!sendAppend(state, leadership, progress, true)) return;
    isSent = true;
  }
  const learnable = Math.min(state.log.commitIndex, progress.nextIndex - 1);
  const isCommitNews = learnable > progress.sentCommitIndex && !progress.inflight.isFull;
  if (!isSent && (progress.appendDue || isCommitNews)) sendAppend(state, leadership, progress, false);
  progress.appendDue = false;
}

/** One append from nextIndex on; false when the entry before it is compacted, so that only a snapshot can help. */
function sendAppend(state: RaftState, leadership: Leadership, progress: Progress, withEntries: boolean): boolean {
  const log = state.log;
  const prevIndex = indexOf(progress.nextIndex - 1);
  const prevTerm = log.termAt(prevIndex);
  if (prevTerm === undefined) {
    // A member that is not there would only hold the snapshot open.
    if (progress.recentActive) {
      progress.becomeSnapshot();
      leadership.snapshotsWanted.push(progress.id);
    }
    return false;
  }
  const lastIndex = withEntries ? log.lastIndex : prevIndex;
  const entries = log.slice(progress.nextIndex, lastIndex, state.config.appendBytesMax);
  const commitIndex = log.commitIndex;
  const lastSent = indexOf(prevIndex + entries.length);
  state.messages.push({
    type: "append",
    from: state.id,
    to: progress.id,
    term: state.term,
    prevIndex,
    prevTerm,
    entries,
    commitIndex,
    toIncarnation: progress.incarnation,
  });
  progress.sentCommitIndex = indexOf(Math.max(progress.sentCommitIndex, Math.min(commitIndex, lastSent)));
  if (progress.state === "replicate" && entries.length > 0) {
    progress.nextIndex = indexOf(lastSent + 1);
    let sizeBytes = 0;
    for (let position = 0; position < entries.length; position++) sizeBytes += entryBytes(entries[position] as Entry);
    progress.inflight.add(lastSent, sizeBytes);
  }
  return true;
}
