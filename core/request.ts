/*
 * What clients ask and what they are answered, as plain data: etcd's v3 API without its wire shapes (core/wire maps
 * the two). Absence is `undefined`; an empty range end on the wire means absent. Source: etcd v3 API, KV, Lease,
 * Watch, Cluster and Maintenance services.
 */
import type { RefusalName } from "./errors.ts";
import type { ClusterId, LeaseId, MemberId, Revision, Term, WatchId } from "./ids.ts";

/** One key, or [key, rangeEnd); a rangeEnd of one zero byte means every key ≥ key. */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array | undefined;
}

export interface KeyValue {
  readonly key: Uint8Array;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  /** Puts since creation, from 1. */
  readonly version: number;
  readonly value: Uint8Array;
  /** 0n when attached to none. */
  readonly lease: LeaseId;
}

export type SortOrder = "none" | "ascend" | "descend" | "unknown";
export type SortTarget = "key" | "version" | "create" | "mod" | "value" | "unknown";

export interface RangeRequest extends KeyRange {
  readonly type: "range";
  /** ≤ 0: no limit. */
  readonly limit: number;
  /** ≤ 0: current. */
  readonly revision: number;
  readonly sortOrder: SortOrder;
  readonly sortTarget: SortTarget;
  readonly serializable: boolean;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  /** The four filters are inactive at 0. */
  readonly minModRevision: number;
  readonly maxModRevision: number;
  readonly minCreateRevision: number;
  readonly maxCreateRevision: number;
}

export interface PutRequest {
  readonly type: "put";
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: LeaseId;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}

export interface DeleteRangeRequest extends KeyRange {
  readonly type: "deleteRange";
  readonly prevKv: boolean;
}

export type CompareResult = "equal" | "greater" | "less" | "notEqual" | "unknown";
/** The operand; `unknown` targets behave as "stored equals given". */
export type CompareOperand =
  | { readonly target: "version" | "create" | "mod"; readonly number: number }
  | { readonly target: "value"; readonly value: Uint8Array }
  | { readonly target: "lease"; readonly lease: LeaseId }
  | { readonly target: "unknown" };

export interface Compare extends KeyRange {
  readonly result: CompareResult;
  readonly operand: CompareOperand;
}

export interface TxnRequest {
  readonly type: "txn";
  readonly compares: readonly Compare[];
  readonly success: readonly TxnOperation[];
  readonly failure: readonly TxnOperation[];
}

/** `empty` is an operation on the wire with no member of its oneof set; it is refused. */
export type TxnOperation = RangeRequest | PutRequest | DeleteRangeRequest | TxnRequest | { readonly type: "empty" };

export interface CompactRequest {
  readonly type: "compact";
  readonly revision: number;
  /** Answer only when the old entries are gone. */
  readonly physical: boolean;
}

export interface LeaseGrantRequest {
  readonly type: "leaseGrant";
  /** 0n: the member picks one. */
  readonly leaseId: LeaseId;
  readonly ttlSeconds: number;
}
export interface LeaseRevokeRequest {
  readonly type: "leaseRevoke";
  readonly leaseId: LeaseId;
}
export interface LeaseTimeToLiveRequest {
  readonly type: "leaseTimeToLive";
  readonly leaseId: LeaseId;
  readonly keys: boolean;
}
export interface LeaseLeasesRequest {
  readonly type: "leaseLeases";
}
export interface MemberListRequest {
  readonly type: "memberList";
  readonly linearizable: boolean;
}
export interface MemberAddRequest {
  readonly type: "memberAdd";
  /** Chosen where the request comes in: the core has no clock and no hash to make one of. */
  readonly memberId: MemberId;
  readonly peerUrls: readonly string[];
  readonly isLearner: boolean;
}
export interface MemberRemoveRequest {
  readonly type: "memberRemove";
  readonly memberId: MemberId;
}
/** Replaces the peer URLs and nothing else. */
export interface MemberUpdateRequest {
  readonly type: "memberUpdate";
  readonly memberId: MemberId;
  readonly peerUrls: readonly string[];
}
/** A learner becomes a voter. */
export interface MemberPromoteRequest {
  readonly type: "memberPromote";
  readonly memberId: MemberId;
}
/** Several changes of members in one step, or none of them; no member is named twice. Not etcd's. */
export interface MemberReconfigureRequest {
  readonly type: "memberReconfigure";
  readonly add: readonly Pick<MemberRecord, "memberId" | "peerUrls" | "isLearner">[];
  readonly remove: readonly MemberId[];
  /** Learners that become voters, voters that become learners. */
  readonly promote: readonly MemberId[];
  readonly demote: readonly MemberId[];
}
/** Answered by the leader alone, once the other one leads. */
export interface MoveLeaderRequest {
  readonly type: "moveLeader";
  readonly targetId: MemberId;
}
/** Whether the cluster could go back to that release, that it shall, or that it shall not after all. */
export interface DowngradeRequest {
  readonly type: "downgrade";
  readonly action: "validate" | "enable" | "cancel" | "unknown";
  readonly version: string;
}
export interface DowngradeInfo {
  readonly enabled: boolean;
  readonly targetVersion: string;
}
export interface StatusRequest {
  readonly type: "status";
}
/** revision 0: current. */
export interface HashKvRequest {
  readonly type: "hashKv";
  readonly revision: number;
}
export type AlarmType = "none" | "noSpace" | "corrupt";
export interface AlarmRequest {
  readonly type: "alarm";
  readonly action: "get" | "activate" | "deactivate";
  readonly memberId: MemberId;
  readonly alarm: AlarmType;
}

// ---- auth ----------------------------------------------------------------------------------------------------

export type PermissionType = "read" | "write" | "readWrite";
export interface Permission extends KeyRange {
  readonly type: PermissionType;
}

/** Calls of the Auth service. Passwords never go further than the member they came to. */
export type AuthRequest =
  | { readonly type: "authEnable" }
  | { readonly type: "authDisable" }
  | { readonly type: "authStatus" }
  | { readonly type: "authenticate"; readonly name: string; readonly password: string }
  | { readonly type: "userAdd"; readonly name: string; readonly password: string; readonly noPassword: boolean }
  | { readonly type: "userGet"; readonly name: string }
  | { readonly type: "userList" }
  | { readonly type: "userDelete"; readonly name: string }
  | { readonly type: "userChangePassword"; readonly name: string; readonly password: string }
  | { readonly type: "userGrantRole"; readonly name: string; readonly role: string }
  | { readonly type: "userRevokeRole"; readonly name: string; readonly role: string }
  | { readonly type: "roleAdd"; readonly role: string }
  | { readonly type: "roleGet"; readonly role: string }
  | { readonly type: "roleList" }
  | { readonly type: "roleDelete"; readonly role: string }
  | {
      readonly type: "roleGrantPermission";
      readonly role: string;
      /** undefined when the client left it out, which is refused. */
      readonly permission: Permission | undefined;
    }
  | ({ readonly type: "roleRevokePermission"; readonly role: string } & KeyRange);

/** Names of roles and users are in byte order. */
export type AuthAnswer =
  | { readonly type: "authEnable" }
  | { readonly type: "authDisable" }
  | { readonly type: "authStatus"; readonly enabled: boolean; readonly authRevision: number }
  | {
      readonly type: "authenticate";
      /** Empty when the member gives out no simple tokens: its world then signs one for that user and revision. */
      readonly token: string;
      readonly user: string;
      readonly authRevision: number;
    }
  | { readonly type: "userAdd" }
  | { readonly type: "userGet"; readonly roles: readonly string[] }
  | { readonly type: "userList"; readonly names: readonly string[] }
  | { readonly type: "userDelete" }
  | { readonly type: "userChangePassword" }
  | { readonly type: "userGrantRole" }
  | { readonly type: "userRevokeRole" }
  | { readonly type: "roleAdd" }
  | { readonly type: "roleGet"; readonly permissions: readonly Permission[] }
  | { readonly type: "roleList"; readonly names: readonly string[] }
  | { readonly type: "roleDelete" }
  | { readonly type: "roleGrantPermission" }
  | { readonly type: "roleRevokePermission" };

/** One unary call. */
export type Request =
  | AuthRequest
  | RangeRequest
  | PutRequest
  | DeleteRangeRequest
  | TxnRequest
  | CompactRequest
  | LeaseGrantRequest
  | LeaseRevokeRequest
  | LeaseTimeToLiveRequest
  | LeaseLeasesRequest
  | MemberListRequest
  | MemberAddRequest
  | MemberRemoveRequest
  | MemberUpdateRequest
  | MemberPromoteRequest
  | MemberReconfigureRequest
  | MoveLeaderRequest
  | DowngradeRequest
  | StatusRequest
  | HashKvRequest
  | AlarmRequest;

/** What every answer carries. `memberId` is the member that answered. */
export interface Header {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  /** 0 in the answers that carry none (Cluster service, nested transactions). */
  readonly revision: Revision;
  readonly raftTerm: Term;
}

export interface RangeAnswer {
  readonly type: "range";
  readonly keyValues: readonly KeyValue[];
  readonly more: boolean;
  readonly count: number;
}
export interface PutAnswer {
  readonly type: "put";
  readonly prevKv: KeyValue | undefined;
}
export interface DeleteRangeAnswer {
  readonly type: "deleteRange";
  readonly deleted: number;
  readonly prevKvs: readonly KeyValue[];
}
export interface TxnAnswer {
  readonly type: "txn";
  readonly succeeded: boolean;
  readonly responses: readonly TxnResponse[];
}
/** One inner answer; its header carries only this revision (0 for a nested transaction). */
export interface TxnResponse {
  readonly revision: Revision;
  readonly answer: RangeAnswer | PutAnswer | DeleteRangeAnswer | TxnAnswer;
}
export interface MemberRecord {
  readonly memberId: MemberId;
  /** Empty until the member has started and published itself. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
  /** It voted before it became a learner; it may not know yet that it is one. */
  readonly wasVoter?: boolean;
}
export interface AlarmRecord {
  readonly memberId: MemberId;
  readonly alarm: AlarmType;
}

/** The body of an accepted answer. */
export type Answer =
  | AuthAnswer
  | RangeAnswer
  | PutAnswer
  | DeleteRangeAnswer
  | TxnAnswer
  | { readonly type: "compact" }
  | { readonly type: "leaseGrant"; readonly leaseId: LeaseId; readonly ttlSeconds: number }
  | { readonly type: "leaseRevoke" }
  | {
      readonly type: "leaseTimeToLive";
      readonly leaseId: LeaseId;
      /** Whole seconds left; −1 when the lease is unknown. */
      readonly ttlSeconds: number;
      readonly grantedTtlSeconds: number;
      readonly keys: readonly Uint8Array[];
    }
  | { readonly type: "leaseLeases"; readonly leaseIds: readonly LeaseId[] }
  | { readonly type: "memberList"; readonly members: readonly MemberRecord[] }
  | { readonly type: "memberAdd"; readonly member: MemberRecord; readonly members: readonly MemberRecord[] }
  /** These three carry the members after the change. */
  | { readonly type: "memberRemove"; readonly members: readonly MemberRecord[] }
  | { readonly type: "memberUpdate"; readonly members: readonly MemberRecord[] }
  | { readonly type: "memberPromote"; readonly members: readonly MemberRecord[] }
  /** Decided; those who go are among the members until the joint configuration is left. */
  | { readonly type: "memberReconfigure"; readonly members: readonly MemberRecord[] }
  | { readonly type: "moveLeader" }
  /** Major and minor of the cluster's version. */
  | { readonly type: "downgrade"; readonly version: string }
  | {
      readonly type: "status";
      readonly dbSizeBytes: number;
      readonly dbSizeInUseBytes: number;
      readonly leaderId: MemberId | undefined;
      readonly committedIndex: number;
      readonly appliedIndex: number;
      readonly raftTerm: number;
      readonly isLearner: boolean;
      readonly errors: readonly string[];
      /** Absent: none is under way. */
      readonly downgrade?: DowngradeInfo;
    }
  | {
      readonly type: "hashKv";
      /** CRC-32C, unsigned. */
      readonly hash: number;
      /** −1 when never compacted. */
      readonly compactRevision: number;
      readonly hashRevision: number;
    }
  | { readonly type: "alarm"; readonly alarms: readonly AlarmRecord[] };

export type Reply =
  | { readonly ok: true; readonly header: Header; readonly answer: Answer }
  | { readonly ok: false; readonly refusal: RefusalName };

// ---- streams -------------------------------------------------------------------------------------------------

export interface WatchCreateRequest extends KeyRange {
  readonly type: "watchCreate";
  /** 0: from the next change. */
  readonly startRevision: number;
  readonly progressNotify: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly prevKv: boolean;
  /** 0n: the member picks one. */
  readonly watchId: WatchId;
  readonly fragment: boolean;
}
export type StreamRequest =
  | WatchCreateRequest
  | { readonly type: "watchCancel"; readonly watchId: WatchId }
  | { readonly type: "watchProgress" }
  | { readonly type: "leaseKeepAlive"; readonly leaseId: LeaseId };

export interface WatchEvent {
  readonly type: "put" | "delete";
  /** A delete carries only key and modRevision. */
  readonly keyValue: KeyValue;
  readonly prevKv: KeyValue | undefined;
}

export interface WatchReply {
  readonly type: "watch";
  readonly header: Header;
  readonly watchId: WatchId;
  readonly created: boolean;
  readonly canceled: boolean;
  /** 0 when not canceled by a compaction. */
  readonly compactRevision: number;
  readonly cancelReason: string;
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}
export interface KeepAliveReply {
  readonly type: "leaseKeepAlive";
  readonly header: Header;
  readonly leaseId: LeaseId;
  /** 0 when the lease is unknown or gone. */
  readonly ttlSeconds: number;
}
export type StreamReply = WatchReply | KeepAliveReply;
