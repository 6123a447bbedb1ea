/*
 * Defragment: the backend's content copied to a new place where it takes no more room than it needs, compared, and put
 * in place of the old one. The member goes on meanwhile. LMDB's file never shrinks by itself.
 */
import { type BackendReader, buckets, crc32c } from "../../core/index.ts";
import type { LmdbBackend } from "./backend.ts";
import { scanInSlices } from "./backend-slices.ts";
import { BackendProblem } from "./lmdb-environment.ts";

/** @throws BackendProblem when the copy is not what it was copied from, or a snapshot replaced the backend meanwhile */
export async function defragment(backend: Pick<LmdbBackend, "beginRewrite">): Promise<void> {
  const rewrite = backend.beginRewrite();
  try {
    for (const bucket of buckets) {
      const copied = newSum();
      await scanInSlices(rewrite.view, bucket, (key, value) => {
        copied.add(key, value);
        rewrite.append(bucket, key.slice(), value.slice());
      });
      const found = newSum();
      const copy: Pick<BackendReader, "scanLent"> = {
        scanLent: (name, range, visit) => rewrite.scanCopy(name, range, visit),
      };
      await scanInSlices(copy, bucket, (key, value) => found.add(key, value));
      if (found.entries !== copied.entries || found.crc !== copied.crc) {
        throw new BackendProblem(
          `the copy of bucket ${bucket} differs: ${found.entries} entries of ${copied.entries}; the backend is as it was`,
        );
      }
    }
    rewrite.finish();
  } catch (error) {
    rewrite.abort();
    throw error;
  }
}

function newSum() {
  return {
    entries: 0,
    crc: 0,
    add(key: Uint8Array, value: Uint8Array): void {
      this.entries++;
      this.crc = crc32c(value, crc32c(key, this.crc));
    },
  };
}
