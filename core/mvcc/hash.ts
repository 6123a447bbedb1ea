/*
 * One number for the whole history of keys up to a revision: equal on all members for one pair of revision and compact
 * revision, however far each member's own compaction got. CRC-32C over the bucket's name, then the bytes of each stored
 * revision and value. Source: etcd v3 API, HashKV; its test vectors are in test/mvcc/hash.test.ts.
 *
 * Of the entries at or below the compact revision etcd counts those that are still the live value of their key at the
 * hashed revision, and never a tombstone exactly at the compact revision. Where no key at all is live at the hashed
 * revision, it counts what compaction keeps.
 */
import { textOfBytes, utf8Encode } from "../bytes.ts";
import { crc32c } from "../crc32c.ts";
import type { BackendReader } from "../ports.ts";
import { decodeKey } from "./key-value.ts";
import { encodeRevision, isTombstone, mainRevisionOf, subRevisionOf } from "./revision.ts";
import type { TreeIndex } from "./tree-index.ts";

const bucketName = utf8Encode("key");

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
  const { compactRevision, revision } = state;
  let crc = crc32c(bucketName);
  const keptRevision = anyLiveAt(state.index, revision) ? revision : compactRevision;
  state.backend.scan(
    "key",
    { from: encodeRevision(0, 0, false), to: encodeRevision(revision + 1, 0, false) },
    (key, value) => {
      if (mainRevisionOf(key) > compactRevision || isCounted(state.index, key, value, keptRevision)) {
        crc = crc32c(value, crc32c(key, crc));
      }
      return true;
    },
  );
  return crc;
}

/** Whether an entry at or below the compact revision is the live value of its key at that later revision. */
function isCounted(index: TreeIndex, storedRevision: Uint8Array, value: Uint8Array, keptRevision: number): boolean {
  if (isTombstone(storedRevision)) return false;
  const key = index.get(textOfBytes(decodeKey(value)));
  return key?.keeps(keptRevision, mainRevisionOf(storedRevision), subRevisionOf(storedRevision)) ?? false;
}

function anyLiveAt(index: TreeIndex, revision: number): boolean {
  const scan = index.scan({ from: "", to: undefined });
  for (let key = scan.next(); key !== undefined; key = scan.next()) {
    if (key.isLiveAt(revision)) return true;
  }
  return false;
}
