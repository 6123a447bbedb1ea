/*
 * Writes of the log that come while a sync is under way share the next one, and a segment's length is set ahead, so that
 * a sync need not write it.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { LogDisk } from "../../../chaos/member/disk.ts";
import { writeIdOf } from "../../../core/ids.ts";

const writes = 50;
const segment = "a";
const expectedBytes = 4_000_000;

export async function witness(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "faultline-disk-"));
  let syncs = 0;
  const disk = new LogDisk({
    directory,
    fsync: true,
    onDone: () => undefined,
    onFailure: (error) => expect.fail(error.message),
    onBatch: () => {
      syncs += 1;
    },
  });
  try {
    disk.write(writeIdOf(1), [{ type: "create", segment, expectedBytes }], true);
    // The batch of the first write begins with the end of this turn.
    await new Promise((resolve) => setImmediate(resolve));
    for (let offset = 0; offset < writes; offset++) {
      disk.write(writeIdOf(2 + offset), [{ type: "append", segment, offset, bytes: Uint8Array.of(7) }], true);
    }
    await disk.settle();
    expect(syncs).toBe(2);
    expect(statSync(join(directory, segment)).size).toBe(1024 * 1024);
  } finally {
    await disk.close();
    rmSync(directory, { recursive: true });
  }
}
