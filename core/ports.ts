/*
 * The instant collaborators a world hands to a member: chance and the backend. What takes time is not here;
 * it is an Input or an Output.
 */

/** A named, independent stream of seeded chance. A draw in one stream never shifts another. */
export interface Random {
  /** Uniform integer in [0, 2^32). */
  nextUint32(): number;
  /** Uniform integer in [0, bound); bound is in 1..2^32. */
  below(bound: number): number;
  /** The stream of that name below this one. The same name always gives the same stream from its start. */
  fork(name: string): Random;
}

/** The ordered maps a backend holds. */
export type Bucket =
  | "key"
  | "meta"
  | "lease"
  | "alarm"
  | "cluster"
  | "members"
  | "membersRemoved"
  | "auth"
  | "authUsers"
  | "authRoles";
/** Position in this list is a number in snapshots that members send each other: append only. */
export const buckets: readonly Bucket[] = [
  "alarm",
  "cluster",
  "key",
  "lease",
  "members",
  "membersRemoved",
  "meta",
  "auth",
  "authUsers",
  "authRoles",
];

/** Called for each entry of a scan in ascending key order; the bytes are the caller's to keep. Return false to stop. */
export type Visit = (key: Uint8Array, value: Uint8Array) => boolean;

/** Reading half of a backend. */
export interface BackendReader {
  /** Value stored under the key, undefined when there is none. The bytes are the caller's to keep. */
  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined;
  /** Entries with from ≤ key < to, ascending; `to` undefined means to the end of the bucket. */
  scan(bucket: Bucket, range: { readonly from: Uint8Array; readonly to: Uint8Array | undefined }, visit: Visit): void;
  /**
   * The same for long readings, cheaper by a copy of each entry: the bytes are only lent. They are what they are until the
   * visitor returns, or until it reads or writes the backend.
   */
  scanLent(
    bucket: Bucket,
    range: { readonly from: Uint8Array; readonly to: Uint8Array | undefined },
    visit: Visit,
  ): void;
}

/**
 * Ordered maps of bytes. Reads see every earlier write of this member, committed or not. The world commits the
 * writes gathered so far as one atomic batch, only between two steps, when it sees fit and at once when asked by a
 * `syncBackend` output. After a crash the backend holds some prefix of the commits, at least up to the last
 * one reported durable. Keys are 1..511 bytes.
 */
export interface Backend extends BackendReader {
  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): void;
  /** Absent keys are ignored. */
  delete(bucket: Bucket, key: Uint8Array): void;
  /** A stable view of this instant, pending writes included; later writes do not show in it. */
  openView(): BackendView;
  /** A second, empty backend beside this one, to receive a snapshot. At most one at a time; a new one drops the old. */
  beginInstall(): BackendInstall;
  /** Allocated and used bytes, for status and quota. */
  size(): { readonly allocatedBytes: number; readonly usedBytes: number };
}

/** A stable read view; holds resources until closed. */
export interface BackendView extends BackendReader {
  close(): void;
}

/** Contents being received. Nothing shows in the backend until `finish`. */
export interface BackendInstall {
  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): void;
  /**
   * Replaces the whole content of the backend by what was put here, as one commit: after a crash the backend holds
   * either all of the old content or all of the new.
   */
  finish(): void;
  abort(): void;
}
