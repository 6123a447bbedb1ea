/*
 * What clients saw, one JSON line an event, in the order the recorder saw it: the position in the file is the one
 * clock of the history. Calls are noted before sending, returns after receiving. Written as it happens, before any
 * check. Keys and values are texts of one character a byte; 64-bit ids are decimal texts.
 */
import type { Retention } from "../core/index.ts";

export interface HistoryMeta {
  readonly type: "meta";
  readonly format: 1;
  readonly scenario: string;
  readonly seed: number;
  readonly world: "sim" | "real";
  /** "faultline", "etcd" or a list of endpoints. */
  readonly target: string;
  readonly members: readonly string[];
  /** Revision of the store before the first operation; normally 1. */
  readonly startRevision: number;
}

export interface HistoryKeyValue {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** "0" when attached to none. */
  readonly lease: string;
}

export interface RangeOperation {
  readonly op: "range";
  readonly key: string;
  /** Absent: the one key. "\0": every key ≥ key. */
  readonly rangeEnd?: string;
  readonly limit?: number;
  /** Absent: current. */
  readonly revision?: number;
  readonly serializable?: boolean;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  readonly sortOrder?: "ascend" | "descend";
  readonly sortTarget?: "key" | "version" | "create" | "mod" | "value";
}
export interface PutOperation {
  readonly op: "put";
  readonly key: string;
  readonly value: string;
  readonly lease?: string;
  readonly prevKv?: boolean;
}
export interface DeleteRangeOperation {
  readonly op: "deleteRange";
  readonly key: string;
  readonly rangeEnd?: string;
  readonly prevKv?: boolean;
}
export interface CompareOperation {
  readonly target: "version" | "create" | "mod" | "value" | "lease";
  readonly result: "equal" | "greater" | "less" | "notEqual";
  readonly key: string;
  readonly rangeEnd?: string;
  /** A number for version, create, mod; a text for value and (decimal) lease. */
  readonly operand: number | string;
}
export interface TxnOperation {
  readonly op: "txn";
  readonly compares: readonly CompareOperation[];
  readonly success: readonly KvOperation[];
  readonly failure: readonly KvOperation[];
}
export type KvOperation = RangeOperation | PutOperation | DeleteRangeOperation | TxnOperation;
/** A change of users, roles or the switch of auth. */
export type AuthOperation = { readonly op: "auth" } & (
  | { readonly change: "enable" }
  | { readonly change: "addUser" | "changePassword"; readonly user: string; readonly password: string }
  | { readonly change: "addRole"; readonly role: string }
  | { readonly change: "grantRole" | "revokeRole"; readonly user: string; readonly role: string }
  /** Replaces what was granted for that very range. */
  | {
      readonly change: "grantRange";
      readonly role: string;
      readonly right: "read" | "write" | "readWrite";
      readonly key: string;
      readonly rangeEnd?: string;
    }
  | { readonly change: "revokeRange"; readonly role: string; readonly key: string; readonly rangeEnd?: string }
);
/** What people look at: their members answer, and nobody judges what. */
export const sights = ["status", "members", "membersNow", "leases", "alarms", "auth", "users", "roles"] as const;
export type Sight = (typeof sights)[number];
/** A user shows a password and is given a token. */
export interface LoginOperation {
  readonly op: "login";
  readonly user: string;
  readonly password: string;
}
export type Operation =
  | KvOperation
  /** Physical: answered only when what is old is gone. */
  | { readonly op: "compact"; readonly revision: number; readonly physical?: true }
  | { readonly op: "leaseGrant"; readonly lease: string; readonly ttlSeconds: number }
  | { readonly op: "leaseRevoke"; readonly lease: string }
  | { readonly op: "leaseKeepAlive"; readonly lease: string }
  | { readonly op: "leaseTimeToLive"; readonly lease: string; readonly keys?: boolean }
  | { readonly op: "hashKv"; readonly revision: number }
  | { readonly op: "look"; readonly at: Sight }
  | AuthOperation
  | LoginOperation;

/** Bodies of answers; inner answers of a transaction have `revision` of their own header. */
export type OperationAnswer =
  | { readonly op: "range"; readonly kvs: readonly HistoryKeyValue[]; readonly count: number; readonly more: boolean }
  | { readonly op: "put"; readonly prevKv?: HistoryKeyValue }
  | { readonly op: "deleteRange"; readonly deleted: number; readonly prevKvs?: readonly HistoryKeyValue[] }
  | {
      readonly op: "txn";
      readonly succeeded: boolean;
      readonly responses: readonly (OperationAnswer & { readonly revision: number })[];
    }
  | { readonly op: "compact" }
  | { readonly op: "leaseGrant"; readonly lease: string; readonly ttlSeconds: number }
  | { readonly op: "leaseRevoke" }
  /** 0: unknown or expired. */
  | { readonly op: "leaseKeepAlive"; readonly ttlSeconds: number }
  /** −1: unknown. */
  | {
      readonly op: "leaseTimeToLive";
      readonly ttlSeconds: number;
      readonly grantedTtlSeconds: number;
      readonly keys?: readonly string[];
    }
  | { readonly op: "hashKv"; readonly hash: number; readonly compactRevision: number; readonly hashRevision: number }
  | { readonly op: "look" }
  | { readonly op: "auth" }
  | { readonly op: "login"; readonly token: string };

/** `id` is unique in the history; a client number has at most one call in flight and is retired by an unknown outcome. */
export interface CallEvent {
  readonly type: "call";
  readonly id: number;
  readonly client: number;
  readonly atMs: number;
  /** Member the call was sent to. */
  readonly member: string;
  readonly operation: Operation;
  /** Whose call it is; absent: nobody's in particular. */
  readonly user?: string;
  /** Id of the login whose token was shown; absent: a certificate of the user was. */
  readonly login?: number;
}
export type ReturnEvent = {
  readonly type: "return";
  readonly id: number;
  readonly client: number;
  readonly atMs: number;
} & (
  | {
      readonly outcome: "ok";
      /** Header of the answer. */
      readonly revision: number;
      readonly raftTerm: number;
      readonly answer: OperationAnswer;
    }
  /** An error that promises there is and will be no effect. */
  | { readonly outcome: "failed"; readonly error: string }
  /** Anything else: it may take effect at any later time, once, or never. */
  | { readonly outcome: "unknown"; readonly error: string }
);

export interface HistoryWatchEvent {
  readonly type: "put" | "delete";
  readonly kv: HistoryKeyValue;
  readonly prevKv?: HistoryKeyValue;
}
/**
 * One watch as its client asked for it. `watch` is unique in the history; a client that resumes on another member
 * opens a new one whose `resumes` names the old.
 */
export interface WatchOpenEvent {
  readonly type: "watchOpen";
  readonly watch: number;
  readonly client: number;
  readonly atMs: number;
  readonly member: string;
  readonly key: string;
  readonly rangeEnd?: string;
  /** Absent: from the next change. */
  readonly startRevision?: number;
  readonly prevKv: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly progressNotify: boolean;
  readonly resumes?: number;
}
export interface WatchReplyEvent {
  readonly type: "watchReply";
  readonly watch: number;
  readonly atMs: number;
  /** Header revision of the reply. */
  readonly revision: number;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: number;
  /** An answer to a progress request, or a progress notice: no events, not created, not canceled. */
  readonly progress: boolean;
  readonly events: readonly HistoryWatchEvent[];
}
/** The client asked for progress on the stream of that watch. */
export interface WatchAskEvent {
  readonly type: "watchAsk";
  readonly watch: number;
  readonly atMs: number;
}
/** Reason of a watch that its client ended. */
export const closedByClient = "closed by its client";

/** Nothing more is seen of this watch: the client closed it, or lost its stream. */
export interface WatchEndEvent {
  readonly type: "watchEnd";
  readonly watch: number;
  readonly atMs: number;
  readonly reason: string;
}

/** A fault was made, or could not be. `members` are those it touches. */
export interface FaultEvent {
  readonly type: "fault";
  readonly atMs: number;
  readonly fault: string;
  readonly members: readonly string[];
  readonly result: "done" | "skipped";
  readonly detail: string;
}
/** A role a member took, as far as the world can see it. */
export interface RoleEvent {
  readonly type: "role";
  readonly atMs: number;
  readonly member: string;
  readonly role: "follower" | "preCandidate" | "candidate" | "leader" | "down" | "paused";
  readonly term: number;
}
/** Beginning and end of one life of a member's process. */
export interface LifeEvent {
  readonly type: "life";
  readonly atMs: number;
  readonly member: string;
  readonly event: "started" | "ended";
  readonly detail: string;
}
export interface PhaseEvent {
  readonly type: "phase";
  readonly atMs: number;
  readonly phase: "safety" | "liveness" | "final";
}
/** State of one member at the end of a run, or whenever asked: `hash` at `revision`, equal members must agree. */
export interface ReplicaEvent {
  readonly type: "replica";
  readonly atMs: number;
  readonly member: string;
  readonly revision: number;
  readonly compactRevision: number;
  readonly hash: number;
}
/** A leader asked for a compaction on its own account; `retention` is the history it must leave readable. */
export interface AutoCompactionEvent {
  readonly type: "autoCompaction";
  readonly atMs: number;
  readonly member: string;
  readonly revision: number;
  readonly retention: Retention;
}
/** Alarms that stand at a member from now on; `member` is empty where nobody knows whose the alarm is. */
export interface AlarmsEvent {
  readonly type: "alarms";
  readonly atMs: number;
  /** Where they stand. */
  readonly member: string;
  readonly alarms: readonly { readonly member: string; readonly alarm: "noSpace" | "corrupt" }[];
}

export type HistoryEvent =
  | HistoryMeta
  | CallEvent
  | ReturnEvent
  | WatchOpenEvent
  | WatchReplyEvent
  | WatchAskEvent
  | WatchEndEvent
  | FaultEvent
  | RoleEvent
  | LifeEvent
  | PhaseEvent
  | ReplicaEvent
  | AutoCompactionEvent
  | AlarmsEvent;
