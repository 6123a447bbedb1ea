/*
 * Branded ids: numbers and bigints that would lose data if one were passed for another.
 * Arithmetic drops a brand, so a computed value is branded again here and nowhere else.
 * Counters of our own work are numbers; opaque 64-bit ids that others choose are bigints.
 */

declare const brandName: unique symbol;
export type Brand<Base, Name extends string> = Base & { readonly [brandName]: Name };

/** Raft term; 0 before the first election. */
export type Term = Brand<number, "Term">;
/** Position in the replicated log, from 1; 0 means "before the first entry". Never an array position. */
export type LogIndex = Brand<number, "LogIndex">;
/** Main revision of the key space; 1 for an empty store. */
export type Revision = Brand<number, "Revision">;
/** etcd's member id: unsigned 64 bits. */
export type MemberId = Brand<bigint, "MemberId">;
/** etcd's cluster id: unsigned 64 bits. */
export type ClusterId = Brand<bigint, "ClusterId">;
/** Lease id: signed 64 bits; 0 means "no lease". */
export type LeaseId = Brand<bigint, "LeaseId">;
/** Watch id inside one stream: signed 64 bits, may be chosen by the client. */
export type WatchId = Brand<bigint, "WatchId">;
/** One client request inside one life of one member; chosen by the world, never used twice. */
export type RequestId = Brand<number, "RequestId">;
/** One open client stream inside one life of one member; chosen by the world, never used twice. */
export type StreamId = Brand<number, "StreamId">;
/** One write to the log disk; given out in rising order by the member, completed in that order. */
export type WriteId = Brand<number, "WriteId">;

export const termOf = (value: number): Term => value as Term;
export const indexOf = (value: number): LogIndex => value as LogIndex;
export const revisionOf = (value: number): Revision => value as Revision;
export const memberIdOf = (value: bigint): MemberId => value as MemberId;
export const clusterIdOf = (value: bigint): ClusterId => value as ClusterId;
export const leaseIdOf = (value: bigint): LeaseId => value as LeaseId;
export const watchIdOf = (value: bigint): WatchId => value as WatchId;
export const requestIdOf = (value: number): RequestId => value as RequestId;
export const streamIdOf = (value: number): StreamId => value as StreamId;
export const writeIdOf = (value: number): WriteId => value as WriteId;

export const noTerm: Term = termOf(0);
export const noIndex: LogIndex = indexOf(0);
export const noLease: LeaseId = leaseIdOf(0n);

/** Lower-case hex without leading zeros, the way etcd's tools print member, cluster and lease ids. */
export const hexOf = (id: bigint): string => BigInt.asUintN(64, id).toString(16);

/** Ascending order of ids: the only order in which members are visited. */
export const compareIds = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
