/*
 * Chunks of two transfers never make one snapshot: between the two the sender's state has moved on. The receiver goes on
 * with the newer transfer from its first chunk, or with the older one as if the stranger had not come.
 */
import { expect } from "vitest";
import { bytesOfText, textOfBytes } from "../../../core/bytes.ts";
import { defaultMemberConfig } from "../../../core/config.ts";
import { indexOf, memberIdOf, termOf } from "../../../core/ids.ts";
import type { SnapshotChunk } from "../../../core/raft/message.ts";
import { SnapshotInbox, SnapshotOutbox } from "../../../core/storage/snapshot.ts";
import { MemoryBackend } from "../../kit/memory-backend.ts";

const [sender, receiver] = [memberIdOf(1n), memberIdOf(2n)];

/** All chunks of a snapshot in which every key has that value. */
function chunksOf(outbox: SnapshotOutbox, backend: MemoryBackend, value: string): readonly SnapshotChunk[] {
  for (const key of ["a", "b", "c"]) backend.put("key", bytesOfText(key), bytesOfText(value.repeat(60)));
  outbox.stop();
  return outbox.start(receiver, termOf(1));
}

export function witness(): void {
  const source = new MemoryBackend();
  const outbox = new SnapshotOutbox({
    config: { ...defaultMemberConfig, snapshotChunkBytes: 64 },
    id: sender,
    openView: () => ({
      view: source.openView(),
      index: indexOf(9),
      term: termOf(1),
      configuration: { voters: [sender, receiver], outgoing: [], learners: [] },
    }),
  });
  const older = chunksOf(outbox, source, "o");
  const newer = chunksOf(outbox, source, "n");
  expect(older.length).toBe(3);
  const backend = new MemoryBackend();
  const inbox = new SnapshotInbox({ backend, id: receiver });
  inbox.receive(older[0] as SnapshotChunk);
  for (const stranger of newer.slice(1)) expect(inbox.receive(stranger).complete).toBeUndefined();
  expect(inbox.receive(older[1] as SnapshotChunk).complete).toBeUndefined();
  expect(inbox.receive(older[2] as SnapshotChunk).complete).toMatchObject({ index: 9 });
  inbox.finish();
  const values = ["a", "b", "c"].map((key) => textOfBytes(backend.get("key", bytesOfText(key)) ?? new Uint8Array(0)));
  expect(new Set(values)).toEqual(new Set(["o".repeat(60)]));
}
