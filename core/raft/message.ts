/*
 * Log entries and the messages members send each other about them. `term` is the sender's term (in a pre-vote the term
 * it would campaign in). Messages may be lost, late, repeated and reordered. Source: Raft thesis §3, §6.4, §9.6, §10.
 *
 * `incarnation` is the sender's life, `toIncarnation` the receiver's as far as the sender knows: a member whose disk was
 * put back to an older state may hold less than it said in an earlier life, so what one life said binds no other.
 */
import type { LogIndex, MemberId, Term } from "../ids.ts";

/**
 * What an entry means: `command` is a replicated request (bytes of core/apply/command.ts), `configuration` a membership
 * change, `empty` the entry a new leader appends.
 */
export type EntryKind = "empty" | "command" | "configuration";

export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** Consecutive entries, read only. An array is one; so is what a disk holds, where an entry is made when it is asked for. */
export interface EntryList extends Iterable<Entry> {
  readonly length: number;
  /** −1: the last one. Undefined outside of the list. */
  at(position: number): Entry | undefined;
  /** Entries from ≤ position < to, 0 ≤ from ≤ to ≤ length; without `to`: to the end. */
  slice(from: number, to?: number): EntryList;
}

/** Who votes and who only listens. Ids ascend. `outgoing` is not empty only in a joint configuration. */
export interface Configuration {
  readonly voters: readonly MemberId[];
  readonly outgoing: readonly MemberId[];
  readonly learners: readonly MemberId[];
}

/** What must be durable before the promises made of it leave. */
export interface HardState {
  readonly term: Term;
  readonly votedFor: MemberId | undefined;
  /** A hint: need not be synced. */
  readonly commitIndex: LogIndex;
  /** In id order, at most one a member; empty in a cluster where nobody ever forgot anything. */
  readonly registrations: readonly Registration[];
  /** This member forgot what it promised, and has not yet learned enough to be counted again. */
  readonly isRecovering: boolean;
}

/** Votes and acknowledgements of earlier lives of that member are not counted: it may have forgotten them. */
export interface Registration {
  readonly memberId: MemberId;
  readonly incarnation: number;
}

/** That member holds every entry up to `index`, and all of them are committed. */
export interface Held {
  readonly memberId: MemberId;
  readonly index: LogIndex;
  /** Term of that entry; 0 when it is not known. */
  readonly term: Term;
}

/** The entry at `index` has that term and is committed: so it is for whoever holds it, whoever says so, for ever. */
export interface Committed {
  readonly index: LogIndex;
  readonly term: Term;
}

/** Who belongs after entry `index` was applied; of two the one with the higher index is newer. */
export interface Roll {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

interface Addressed {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
}

export interface PreVote extends Addressed {
  readonly type: "preVote";
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}
export interface PreVoteReply extends Addressed {
  readonly type: "preVoteReply";
  readonly granted: boolean;
  readonly committed: Committed;
}
export interface Vote extends Addressed {
  readonly type: "vote";
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The leader asked for this campaign: stickiness to that leader does not apply. */
  readonly transfer: boolean;
}
export interface VoteReply extends Addressed {
  readonly type: "voteReply";
  readonly granted: boolean;
  /** A change of members among it may be what the candidate has to know to win at all: see state.ts. */
  readonly committed: Committed;
  readonly incarnation: number;
  /** What the voter knows: a vote counted beside this one may be out of date. */
  readonly registrations: readonly Registration[];
}
export interface Append extends Addressed {
  readonly type: "append";
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly entries: readonly Entry[];
  /** Holds for whoever agrees with prevIndex and takes the entries, in whatever life. */
  readonly commitIndex: LogIndex;
  /** The latest life of the receiver that this leader has heard of; what an earlier one said is no part of commitIndex. */
  readonly toIncarnation: number;
}
export interface AppendAccepted extends Addressed {
  readonly type: "appendAccepted";
  /** prevIndex + number of entries of the accepted append, or the follower's commitIndex if that is higher. */
  readonly matchIndex: LogIndex;
  readonly incarnation: number;
  /** The sender must be sent entries but not be counted: see amnesia.ts. */
  readonly isRecovering: boolean;
  /** What the sender knows: an acknowledgement counted beside this one may be out of date. */
  readonly registrations: readonly Registration[];
}
export interface AppendRejected extends Addressed {
  readonly type: "appendRejected";
  /** prevIndex of the refused append. */
  readonly rejectedIndex: LogIndex;
  /** Highest index at which the logs may still agree, and the follower's term there. */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
  readonly incarnation: number;
}
export interface Heartbeat extends Addressed {
  readonly type: "heartbeat";
  /** min(matchIndex of the receiver, commitIndex). */
  readonly commitIndex: LogIndex;
  /** The life that acknowledged that matchIndex; 0 while the leader has heard of none. Another life learns nothing. */
  readonly toIncarnation: number;
  /** Highest read round the leader waits to confirm; 0 when none. */
  readonly readRound: number;
  /** What some member of the cluster is known to hold, another one each tick: should it forget, others remember. */
  readonly held: Held | undefined;
}
export interface HeartbeatReply extends Addressed {
  readonly type: "heartbeatReply";
  readonly readRound: number;
  readonly incarnation: number;
  /** The answer confirms no read: see amnesia.ts. */
  readonly isRecovering: boolean;
  /** So long, by its own clock, the sender gives no vote from now on; 0: it promises nothing. See read-lease.ts. */
  readonly promisedMs: number;
}
export interface ReadIndexRequest extends Addressed {
  readonly type: "readIndex";
  /** Chosen by the asking member, unique in its life together with `incarnation`. */
  readonly readContext: number;
  readonly incarnation: number;
}
export interface ReadIndexReply extends Addressed {
  readonly type: "readIndexReply";
  readonly readContext: number;
  readonly incarnation: number;
  readonly readIndex: LogIndex;
}
export interface ForwardedProposal extends Addressed {
  readonly type: "propose";
  /** Life of the sender; with `sequence` it names this message, so that a leader takes it once. */
  readonly incarnation: number;
  /** Counts the forwarded proposals of that life from 1. */
  readonly sequence: number;
  readonly commands: readonly Uint8Array[];
}
/** A forwarded change of the configuration; numbered together with the forwarded proposals of that life. */
export interface ForwardedConfiguration extends Addressed {
  readonly type: "proposeConfiguration";
  readonly incarnation: number;
  readonly sequence: number;
  readonly command: Uint8Array;
}
export interface TimeoutNow extends Addressed {
  readonly type: "timeoutNow";
  readonly committed: Committed;
}
/** One piece of a backend snapshot; pieces of one (snapshotIndex, snapshotTerm, from, transferId) make one snapshot. */
export interface SnapshotChunk extends Addressed {
  readonly type: "snapshotChunk";
  readonly transferId: number;
  readonly snapshotIndex: LogIndex;
  readonly snapshotTerm: Term;
  readonly configuration: Configuration;
  /** Position of this chunk, from 0. */
  readonly chunk: number;
  readonly last: boolean;
  readonly bytes: Uint8Array;
}
export interface SnapshotChunkReply extends Addressed {
  readonly type: "snapshotChunkReply";
  readonly transferId: number;
  /** Chunk the receiver wants next; it may be one it was sent already. */
  readonly nextChunk: number;
}

/** A member that starts asks everyone: what do you know of me? The four messages here obey no term rule. */
export interface Hello extends Addressed {
  readonly type: "hello";
  readonly incarnation: number;
}
export interface HelloReply extends Addressed {
  readonly type: "helloReply";
  /** The latest life of the member that asked, as far as the sender knows: the one that asked, or a later one. */
  readonly incarnation: number;
  /** Highest term in which the asking member ever spoke to this one; 0: never, as far as is remembered. */
  readonly seenTerm: Term;
  /** It once held every entry up to there; 0 when nothing is known. */
  readonly heldIndex: LogIndex;
  readonly heldTerm: Term;
  /** It has served as a member before. */
  readonly hasServed: boolean;
  /** The sender leads its term. */
  readonly leads: boolean;
  /** Whom else to ask: the members that the asking one knows of may all be gone. */
  readonly roll: Roll;
  /** What the sender knows: the asking one may have forgotten that it knew. */
  readonly registrations: readonly Registration[];
}
/** A member that forgot asks the others to count nothing that its earlier lives said. */
export interface Register extends Addressed {
  readonly type: "register";
  readonly incarnation: number;
  /** It asks everybody more than once, and tells answers apart by this. */
  readonly round: number;
}
/** That is on the sender's disk; `term` is the highest in which the sender may have voted before. */
export interface RegisterReply extends Addressed {
  readonly type: "registerReply";
  readonly incarnation: number;
  readonly round: number;
  /** End of the sender's log then: it holds whatever the sender may have acknowledged before. */
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly roll: Roll;
  /** As in a helloReply. */
  readonly registrations: readonly Registration[];
}

/** Messages raft/ handles. */
export type RaftMessage =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendAccepted
  | AppendRejected
  | Heartbeat
  | HeartbeatReply
  | ReadIndexRequest
  | ReadIndexReply
  | ForwardedProposal
  | ForwardedConfiguration
  | TimeoutNow
  | SnapshotChunk
  | SnapshotChunkReply
  | Hello
  | HelloReply
  | Register
  | RegisterReply;
