/*
 * A restored cluster that was told to pass over revisions does so, and has forgotten everything before: whoever remembers
 * a revision from after the snapshot is told to look anew, instead of being given another write under that number.
 * Source: etcd's snapshot restore, --bump-revision and --mark-compacted.
 */
import { expect } from "vitest";
import { Machine } from "../../../core/apply/machine.ts";
import { restoreMember } from "../../../core/apply/restore.ts";
import { defaultMemberConfig } from "../../../core/config.ts";
import { clusterIdOf, memberIdOf } from "../../../core/ids.ts";
import { memberRecord, TestMachine } from "../../kit/member-kit.ts";
import { MemoryBackend } from "../../kit/memory-backend.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const source = new TestMachine();
  for (const value of ["1", "2", "3"]) source.answer(putOf("k", value));
  const backend = new MemoryBackend();
  source.backend.scan("key", { from: new Uint8Array(1), to: undefined }, (key, value) => {
    backend.put("key", key, value);
    return true;
  });
  const members = [memberRecord(1n)];
  const identity = { clusterId: clusterIdOf(1n), memberId: memberIdOf(1n) };
  restoreMember({ backend, config: defaultMemberConfig, identity, members, bumpRevisions: 1_000 });
  const { store } = new Machine({ backend, config: defaultMemberConfig, bootstrapMembers: members });
  expect(store.currentRevision).toBeGreaterThanOrEqual(source.revision + 1_000);
  expect(store.compactRevision).toBe(store.currentRevision);
}
