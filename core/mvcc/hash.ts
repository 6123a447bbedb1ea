/*
 * One number for the whole history of keys up to a revision: equal on all members for one pair of revision and compact
 * revision, however far each member's own compaction got. CRC-32C over the bucket's name, then the bytes of each stored
 * revision and value. Source: etcd v3 API, HashKV; its test vectors are in test/mvcc/hash.test.ts.
 *
 * Of the entries at or below the compact revision etcd counts those that are still the live value of their key at the
 * hashed revision, and never a tombstone exactly at the compact revision. Where no key at all is live at the hashed
 * revision, it counts what compaction keeps.
 */
import { utf8Encode } from "../bytes.ts";
import { crc32c } from "../crc32c.ts";
import type { BackendReader } from "../ports.ts";
import { decodeKeyText } from "./key-value.ts";
import { encodeRevision, isTombstone, mainRevisionOf, subRevisionOf } from "./revision.ts";
import type { TreeIndex } from "./tree-index.ts";

const bucketName = utf8Encode("key");

/** The hash of a history without entries. */
export const hashOfNothing = crc32c(bucketName);

/** The hash of what a compaction left, remembered from when it was done. */
export interface CompactionHash {
  readonly revision: number;
  /** Unsigned CRC-32C. */
  readonly hash: number;
}

export interface HashedState {
  readonly backend: BackendReader;
  readonly index: TreeIndex;
  /** −1 when never compacted. */
  readonly compactRevision: number;
  /** compactRevision ≤ revision ≤ current. */
  readonly revision: number;
}

/** Unsigned CRC-32C of the history of keys. Reads every stored revision. */
export function hashOfHistory(state: HashedState): number {
  return extendHash(state, { crc: crc32c(bucketName), from: 0, anyLive: anyLiveAt(state.index, state.revision) });
}

/** A hash up to a revision, to go on from while nothing below it changes. */
interface Checkpoint {
  readonly revision: number;
  readonly crc: number;
  readonly anyLive: boolean;
}

/**
 * The same number for the current revision, made from what came since the last time it was asked. It does not read old
 * entries again, so it shows where two members came to differ, and not what happened to bytes on a disk since.
 */
export class RunningHash {
  private checkpoint: Checkpoint | undefined = undefined;

  /** An entry at or below the compact revision counts no more, or the compact revision itself moved. */
  forget(): void {
    this.checkpoint = undefined;
  }

  /** @param anyLive whether any key is live at that revision, which is the current one */
  of(state: HashedState, anyLive: boolean): number {
    const last = this.checkpoint;
    const goesOn = last !== undefined && last.anyLive === anyLive;
    const crc = extendHash(state, {
      crc: goesOn ? last.crc : crc32c(bucketName),
      from: goesOn ? last.revision + 1 : 0,
      anyLive,
    });
    this.checkpoint = { revision: state.revision, crc, anyLive };
    return crc;
  }
}

function extendHash(
  state: HashedState,
  start: { readonly crc: number; readonly from: number; readonly anyLive: boolean },
): number {
  const { index, compactRevision, revision } = state;
  const keptRevision = start.anyLive ? revision : compactRevision;
  let crc = start.crc;
  const range = { from: encodeRevision(start.from, 0, false), to: encodeRevision(revision + 1, 0, false) };
  state.backend.scanLent("key", range, (key, value) => {
    if (mainRevisionOf(key) > compactRevision || isCounted(index, key, value, keptRevision)) {
      crc = crc32c(value, crc32c(key, crc));
    }
    return true;
  });
  return crc;
}

/** Whether an entry at or below the compact revision is the live value of its key at that later revision. */
function isCounted(index: TreeIndex, storedRevision: Uint8Array, value: Uint8Array, keptRevision: number): boolean {
  if (isTombstone(storedRevision)) return false;
  const key = index.get(decodeKeyText(value));
  return key?.keeps(keptRevision, mainRevisionOf(storedRevision), subRevisionOf(storedRevision)) ?? false;
}

function anyLiveAt(index: TreeIndex, revision: number): boolean {
  const scan = index.scan({ from: "", to: undefined });
  for (let key = scan.next(); key !== undefined; key = scan.next()) {
    if (key.isLiveAt(revision)) return true;
  }
  return false;
}
