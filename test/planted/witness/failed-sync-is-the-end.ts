/*
 * A sync that failed may have lost what it was to write, and the next one would succeed without it: so the log disk
 * reports the failure once, and neither writes nor reports anything afterwards.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { LogDisk } from "../../../chaos/member/disk.ts";
import { FaultPoints, setFaultPoints } from "../../../chaos/member/fault-points.ts";
import { writeIdOf } from "../../../core/ids.ts";

export async function witness(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "faultline-disk-"));
  const path = join(directory, "points");
  const done: number[] = [];
  const failures: string[] = [];
  const disk = new LogDisk({
    directory: join(directory, "log"),
    fsync: true,
    onDone: (writeId) => done.push(writeId),
    onFailure: (error) => failures.push(error.message),
    points: new FaultPoints(path),
  });
  const append = async (writeId: number): Promise<void> => {
    const bytes = Uint8Array.of(writeId);
    disk.write(writeIdOf(writeId), [{ type: "append", segment: "a", offset: writeId - 2, bytes }], true);
    await disk.settle();
  };
  try {
    disk.write(writeIdOf(1), [{ type: "create", segment: "a", expectedBytes: 100 }], true);
    await append(2);
    setFaultPoints(path, new Map([["fail-sync-once", undefined]]));
    await append(3);
    await append(4);
    expect(done).toEqual([2]);
    expect(failures).toHaveLength(1);
  } finally {
    await disk.close();
    rmSync(directory, { recursive: true });
  }
}
