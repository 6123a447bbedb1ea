/*
 * The beginning of a member whose data comes from a snapshot file: the state is there, the cluster is a new one. Its log
 * begins behind the entries that would have made its members known, so that every member that was restored from the
 * same file and list stands at the same place. Source: etcd's disaster recovery, snapshot restore.
 */

import { assert } from "../assert.ts";
import { bytesOfCount } from "../byte-io.ts";
import { utf8Encode } from "../bytes.ts";
import type { MemberConfig } from "../config.ts";
import { indexOf, termOf } from "../ids.ts";
import { encodeRevision } from "../mvcc/revision.ts";
import type { LogOperation } from "../output.ts";
import type { Backend } from "../ports.ts";
import { blankHardState } from "../raft/hard-state.ts";
import type { MemberRecord } from "../request.ts";
import { createLog, type LogIdentity } from "../storage/log-store.ts";
import { installedAtName } from "../storage/snapshot.ts";
import { Machine } from "./machine.ts";

export interface Restoration {
  /** Holds everything of the snapshot but members, and entries of meta about a place in a log. */
  readonly backend: Backend;
  readonly config: MemberConfig;
  readonly identity: LogIdentity;
  /** Members of the new cluster. */
  readonly members: readonly MemberRecord[];
  /**
   * So many revisions are passed over, and everything before them is compacted: whoever remembers a revision given out
   * after the snapshot was taken is told to look anew. undefined: goes on where the snapshot ends.
   */
  readonly bumpRevisions: number | undefined;
}

/** Names of entries of bucket meta that say where a member stood in its log; a snapshot's are left behind. */
export const logPlaceKeys: readonly string[] = ["consistent_index", "term", "confState", installedAtName];

/**
 * Writes the rest of the state; the caller commits the backend, makes it durable, and then carries out the operations.
 *
 * @returns what makes the log
 * @throws InvariantViolation when the content is not a sound state
 */
export function restoreMember({ backend, config, identity, members, bumpRevisions }: Restoration): {
  readonly operations: readonly LogOperation[];
} {
  assert(members.length > 0, "a restored cluster has members");
  const machine = new Machine({ backend, config, bootstrapMembers: members });
  assert(machine.appliedIndex === 0, "a restored state has no place in a log yet");
  if (bumpRevisions !== undefined) {
    const revision = machine.store.currentRevision + bumpRevisions;
    backend.put("meta", utf8Encode("scheduledCompactRev"), encodeRevision(revision, 0, false));
  }
  const base = { index: indexOf(members.length), term: termOf(1) };
  backend.put("meta", utf8Encode("consistent_index"), bytesOfCount(base.index));
  backend.put("meta", utf8Encode("term"), bytesOfCount(base.term));
  const { store, operations } = createLog(identity, config);
  const hardState = { ...blankHardState, term: base.term, commitIndex: base.index };
  return { operations: [...operations, ...store.reset(base, hardState)] };
}
