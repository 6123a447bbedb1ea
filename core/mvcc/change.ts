/*
 * One stored change, as watchers and replays see it, and the read side of the store that history readers need.
 */
import type { Revision } from "../ids.ts";
import type { KeyValue } from "../request.ts";
import type { KeyInterval } from "./tree-index.ts";

export interface Change {
  readonly type: "put" | "delete";
  /** A delete carries only key and modRevision; its other fields are 0 or empty. */
  readonly keyValue: KeyValue;
  /** Order inside the revision, from 0. */
  readonly subRevision: number;
}

/** Changes of whole revisions, in order, and the first revision they do not cover. */
export interface History {
  readonly changes: readonly Change[];
  readonly next: Revision;
}

export interface HistorySource {
  readonly currentRevision: Revision;
  /** Reads below it are refused; 0 when nothing was compacted. */
  readonly compactRevision: Revision;
  /**
   * Changes of at most `revisionsMax` revisions ≥ `from`, whole revisions only, in order. `next` is the first revision
   * not covered: currentRevision + 1 when the end was reached. `from` must be > compactRevision − 1 and
   * ≤ currentRevision + 1. Once they are `bytesMax` together no further revision is begun.
   */
  changesFrom(from: Revision, revisionsMax: number, bytesMax?: number): History;
  /**
   * The same of these keys only, without reading what lies between; `revisionsMax` counts revisions that changed one of
   * them. Undefined when there are too many keys for that.
   */
  changesOf(keys: KeyInterval, from: Revision, revisionsMax: number, bytesMax: number): History | undefined;
  /** The key as it stood at that revision; undefined when absent or when that revision is compacted. */
  valueAt(key: Uint8Array, revision: Revision): KeyValue | undefined;
}
