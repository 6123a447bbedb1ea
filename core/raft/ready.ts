/*
 * What the Raft machine hands to the member after a call, and what it shows of itself. The machine does no I/O and
 * keeps no promise on its own: the member writes, waits and sends.
 */
import type { LogIndex, MemberId, Term } from "../ids.ts";
import type { Forgotten, Standing } from "./amnesia.ts";
import type { Divergence } from "./divergence.ts";
import type { Configuration, Entry, HardState, RaftMessage } from "./message.ts";

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/**
 * Everything gathered since the last take. The member carries it out in this order:
 * 1. `messages` may leave at once (a leader replicates before its own disk is done);
 * 2. `hardState` and `entries` are written and synced when `mustSync`; else they may wait for the next that must;
 * 3. `messagesAfterPersist` (votes, append replies) leave when that write and all earlier ones are durable; without a
 *    write in this Ready they still wait for those under way;
 * 4. `committed` is applied: consecutive entries, durable on this member, each handed out exactly once.
 */
export interface Ready {
  readonly messages: readonly RaftMessage[];
  /** Present when term, vote or commit index changed since the last take. */
  readonly hardState: HardState | undefined;
  /** New entries in index order; the first may overwrite (and so cut off) entries written earlier. */
  readonly entries: readonly Entry[];
  /** False only when nothing but the commit index changed. */
  readonly mustSync: boolean;
  readonly messagesAfterPersist: readonly RaftMessage[];
  readonly committed: readonly Entry[];
  /** Reads whose leadership proof is complete: serve each once appliedIndex ≥ readIndex. */
  readonly readStates: readonly ReadState[];
  /** Reads that will never be answered: leadership was lost or changed while they waited. */
  readonly readsAborted: readonly number[];
  /** Followers whose next entry is compacted away here: stream a snapshot to each. */
  readonly snapshotsWanted: readonly MemberId[];
  /** Commands of other members that this leader took over and will not append: say so to whoever made them. */
  readonly dropped: readonly Uint8Array[];
}

export interface ReadState {
  readonly readContext: number;
  readonly readIndex: LogIndex;
}

export interface RecallView {
  /** undefined while it is not known that anything is gone. */
  readonly forgotten: Forgotten | undefined;
  /** So many more of `silent` have to answer; 0: it only lacks entries now. */
  readonly missing: number;
  /** Other voters that have not answered, in id order. */
  readonly silent: readonly MemberId[];
  /** Those of them that are known to have forgotten too. */
  readonly forgetful: readonly MemberId[];
}

/** Read-only look at a member's Raft state, for invariants, status and reports. */
export interface RaftView {
  readonly id: MemberId;
  readonly role: Role;
  readonly term: Term;
  readonly votedFor: MemberId | undefined;
  readonly leaderId: MemberId | undefined;
  /** Whether it counts: see amnesia.ts. */
  readonly standing: Standing;
  /** What it has forgotten and whose answers it waits for; undefined when it is sound. */
  readonly recall: RecallView | undefined;
  /** A life of this member that began later than this one, as others say; 0: none. See lives.ts. */
  readonly outlivedBy: number;
  /** Present once it is known that this member's history is not its cluster's; it must be ended. See divergence.ts. */
  readonly divergence: Divergence | undefined;
  readonly commitIndex: LogIndex;
  /** First index still held in memory; entries before it are compacted. */
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Highest index durable on this member's own disk. */
  readonly stableIndex: LogIndex;
  readonly configuration: Configuration;
  /** Term of the entry at that index; firstIndex − 1 is known too; undefined outside. */
  termAt(index: LogIndex): Term | undefined;
  /** undefined outside firstIndex..lastIndex. */
  entryAt(index: LogIndex): Entry | undefined;
}
