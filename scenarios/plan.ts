/*
 * A run as data: everything drawn from (scenario, seed), complete, in JSON. Replaying a plan draws nothing again. Each
 * part can be removed alone: what remains keeps its meaning, which is what makes shrinking possible.
 */
import type { LinkLaw, PlannedFault } from "./faults.ts";
import type { CompareOperation, DeleteRangeOperation, Operation, PutOperation, RangeOperation } from "./history.ts";

export const planFormat = "faultline-plan";
export const planVersion = 1;

/** `config` overrides fields of core's MemberConfig by name. */
export interface PlannedMember {
  readonly name: string;
  readonly config: { readonly [field: string]: number | boolean };
  /** Clock at the start, and its speed. */
  readonly clockOffsetMs: number;
  readonly clockDriftPpm: number;
  /** No founding member: its process starts when a fault has added it. */
  readonly joins?: true;
}

/** An operand the client fills in when it calls: the modRevision or value it last saw of that key (0 / absent when never). */
export interface LastSeen {
  readonly lastSeen: "mod" | "value" | "version";
}
export type PlannedCompare = Omit<CompareOperation, "operand"> & { readonly operand: number | string | LastSeen };
export interface PlannedTxn {
  readonly op: "txn";
  readonly compares: readonly PlannedCompare[];
  readonly success: readonly PlannedKvOperation[];
  readonly failure: readonly PlannedKvOperation[];
}
/** revisionBack: read so many revisions before the newest this client saw. */
export interface PlannedPastRange extends Omit<RangeOperation, "revision"> {
  readonly revisionBack: number;
}
/** revisionBack: compact so many revisions before the newest this client saw. */
export interface PlannedCompact {
  readonly op: "compact";
  readonly revisionBack: number;
  readonly physical?: true;
}
export type PlannedKvOperation = RangeOperation | PlannedPastRange | PutOperation | DeleteRangeOperation | PlannedTxn;
export type PlannedOperation =
  | PlannedKvOperation
  | PlannedCompact
  | Exclude<Operation, { op: "txn" | "compact" | "range" | "put" | "deleteRange" }>;

export interface PlannedCall {
  readonly id: number;
  /** Not before this time; a client that is still busy calls as soon as it is free. */
  readonly atMs: number;
  readonly operation: PlannedOperation;
}
/** A client with one call in flight. It starts at `home` and moves to the next member when a call fails. */
export interface PlannedClient {
  readonly client: number;
  /** Position in the plan's members. */
  readonly home: number;
  readonly timeoutMs: number;
  /** False: stays at home, whatever happens (a client behind the same partition). */
  readonly failover: boolean;
  /** Its calls ask to be refused at once while the member they reach knows no leader; drills send them as any others. */
  readonly requireLeader?: true;
  /** Who it is, shown by a certificate, or by a token after a login; absent: nobody in particular. */
  readonly user?: string;
  readonly calls: readonly PlannedCall[];
}
/** A client that watches; when its stream ends it resumes from the revision after the last it saw, at the next member. */
export interface PlannedWatch {
  readonly client: number;
  readonly home: number;
  readonly atMs: number;
  readonly key: string;
  readonly rangeEnd?: string;
  /** Absent: from now. */
  readonly startRevision?: number;
  readonly prevKv: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly progressNotify: boolean;
  /** Asks for progress this often; 0: never. */
  readonly progressRequestMs: number;
  /** The client takes a reply only so long after it came; 0: at once. */
  readonly slowByMs: number;
  /** Asks for progress once, right behind its request: its watch is still catching up then. */
  readonly asksAtOnce?: true;
  /** Cancels its watch so long after it began, keeps the stream until the member has said so, and begins again; absent: never. */
  readonly cancelAfterMs?: number;
  /** As of a client. */
  readonly user?: string;
}

export interface Plan {
  readonly format: typeof planFormat;
  readonly version: typeof planVersion;
  readonly scenario: string;
  readonly seed: number;
  readonly members: readonly PlannedMember[];
  readonly link: LinkLaw;
  /** Latency of one log sync, drawn between the two. */
  readonly syncMs: { readonly min: number; readonly max: number };
  readonly faults: readonly PlannedFault[];
  readonly clients: readonly PlannedClient[];
  readonly watches: readonly PlannedWatch[];
  readonly phases: {
    /** Faults happen in here. */
    readonly safetyMs: number;
    /** Members healed first, the rest stays as it is until progress was seen; absent: all. */
    readonly core?: readonly string[];
    /** After healing, some write must succeed within this. */
    readonly progressBoundMs: number;
    /** Quiet time after progress, before the final reads. */
    readonly settleMs: number;
  };
  /** Names of checks. */
  readonly checks: readonly string[];
  /** Absent: every check must hold. */
  readonly meant?: Meant;
}

/** A promise that a run is there to break. */
export interface Meant {
  /** Name of the check that must fail. */
  readonly violated: string;
  /** In that many seeds it must fail once at least. */
  readonly withinSeeds: number;
}
