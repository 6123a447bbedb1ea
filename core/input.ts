/*
 * Everything a world tells a member. Every input carries `nowMs`: monotonic for this member, never compared with
 * another member's.
 */
import type { Credential } from "./auth/identity.ts";
import type { RefusalName } from "./errors.ts";
import type { LeaseId, LogIndex, MemberId, RequestId, StreamId, WriteId } from "./ids.ts";
import type { CompactionHash } from "./mvcc/hash.ts";
import type { RaftMessage } from "./raft/message.ts";
import type { Request, StreamRequest } from "./request.ts";

/** A follower asks the leader to do what only the leader's lease timers can answer. */
export type LeaseForward =
  | {
      readonly type: "leaseRenew";
      readonly from: MemberId;
      readonly to: MemberId;
      readonly callId: number;
      readonly incarnation: number;
      readonly leaseId: LeaseId;
    }
  | {
      readonly type: "leaseRenewReply";
      readonly from: MemberId;
      readonly to: MemberId;
      readonly callId: number;
      readonly incarnation: number;
      /** undefined: this member is no leader. 0: unknown lease. */
      readonly ttlSeconds: number | undefined;
    }
  | {
      readonly type: "leaseQuery";
      readonly from: MemberId;
      readonly to: MemberId;
      readonly callId: number;
      readonly incarnation: number;
      readonly leaseId: LeaseId;
      readonly keys: boolean;
    }
  | {
      readonly type: "leaseQueryReply";
      readonly from: MemberId;
      readonly to: MemberId;
      readonly callId: number;
      readonly incarnation: number;
      /** undefined: this member is no leader. −1: unknown lease. */
      readonly ttlSeconds: number | undefined;
      readonly grantedTtlSeconds: number;
      readonly keys: readonly Uint8Array[];
    };

export type MembershipMessage =
  /** To one that asks for something and does not know yet that it was removed for ever. */
  | { readonly type: "memberRemoved"; readonly from: MemberId; readonly to: MemberId }
  /** The leader will not append what was forwarded to it: a change of members too early, or one more than it takes. */
  | {
      readonly type: "proposalRefused";
      readonly from: MemberId;
      readonly to: MemberId;
      readonly incarnation: number;
      /** Of the proposal, in that life of the receiver. */
      readonly proposal: number;
      readonly refusal: RefusalName;
    };

/** Members compare what they hold: see server/corruption.ts. */
export type HashMessage =
  | {
      readonly type: "hashQuery";
      readonly from: MemberId;
      readonly to: MemberId;
      readonly callId: number;
      readonly incarnation: number;
      /** Answered once the receiver has applied so far. */
      readonly index: LogIndex;
      /** Whose hash is wanted; 0: none, the hashes of compactions are enough. */
      readonly revision: number;
    }
  | {
      readonly type: "hashReply";
      readonly from: MemberId;
      readonly to: MemberId;
      readonly callId: number;
      readonly incarnation: number;
      readonly appliedIndex: LogIndex;
      readonly currentRevision: number;
      /** −1 when never compacted. */
      readonly compactRevision: number;
      /** undefined: not asked for, compacted, or a revision this member never had. */
      readonly hash: number | undefined;
      readonly compactions: readonly CompactionHash[];
    };

/** Anything one member sends another. */
export type PeerMessage = RaftMessage | LeaseForward | MembershipMessage | HashMessage;

export type StreamKind = "watch" | "leaseKeepAlive";

export type Input =
  /** One tickMs has passed. */
  | { readonly type: "tick"; readonly nowMs: number }
  | { readonly type: "peerMessage"; readonly nowMs: number; readonly message: PeerMessage }
  /**
   * The connection to that member stands, or stands no more. Only the checks before a change of members ask for it; a
   * member whose world never says a word counts as not connected.
   */
  | { readonly type: "peerLink"; readonly nowMs: number; readonly memberId: MemberId; readonly connected: boolean }
  | {
      readonly type: "clientRequest";
      readonly nowMs: number;
      readonly requestId: RequestId;
      readonly request: Request;
      /** Metadata `hasleader`: fail at once rather than wait when no leader is known. */
      readonly requireLeader: boolean;
      /** What the client showed of itself; absent: nothing. */
      readonly credential?: Credential;
    }
  /** The client gave up; its answer is no longer wanted. The request may still take effect. */
  | { readonly type: "clientGone"; readonly nowMs: number; readonly requestId: RequestId }
  | {
      readonly type: "streamOpened";
      readonly nowMs: number;
      readonly streamId: StreamId;
      readonly kind: StreamKind;
      readonly requireLeader: boolean;
      readonly credential?: Credential;
    }
  | {
      readonly type: "streamRequest";
      readonly nowMs: number;
      readonly streamId: StreamId;
      readonly request: StreamRequest;
    }
  /** So many more replies of that stream have been taken by the client's side. */
  | { readonly type: "streamDrained"; readonly nowMs: number; readonly streamId: StreamId; readonly replies: number }
  /** The client ended the stream; nothing more is wanted on it. */
  | { readonly type: "streamClosed"; readonly nowMs: number; readonly streamId: StreamId }
  /** The hash of the password of a `hashPassword` output. */
  | { readonly type: "passwordHashed"; readonly nowMs: number; readonly requestId: RequestId; readonly hash: string }
  /** Whether the password of a `checkPassword` output is the one that was hashed. */
  | {
      readonly type: "passwordChecked";
      readonly nowMs: number;
      readonly requestId: RequestId;
      readonly matches: boolean;
    }
  /**
   * The disk has no room for more than what was set aside beforehand, or has room again. Worlds that never say a word
   * have room. Told again in every life.
   */
  | { readonly type: "diskSpace"; readonly nowMs: number; readonly isFull: boolean }
  /** That write, and every earlier one, is durable. */
  | { readonly type: "writeDone"; readonly nowMs: number; readonly writeId: WriteId }
  /** The backend as it was at the `syncBackend` output of that id is durable. */
  | { readonly type: "backendSynced"; readonly nowMs: number; readonly writeId: WriteId };
