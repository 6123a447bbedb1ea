/*
 * Long readings of a backend in short pieces, so that the member goes on between them: heartbeats and calls wait no
 * longer than one piece takes.
 */
import type { BackendReader, Bucket, Visit } from "../../core/index.ts";

/** How long one piece may take. */
const sliceMs = 4;
/** Entries, and bytes of values, between two looks at the clock. */
const entriesPerLook = 64;
const bytesPerLook = 1024 * 1024;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Visits every entry of the bucket in ascending order; the bytes are only lent. `visit` must not keep the reader from being
 * read again.
 */
export async function scanInSlices(
  reader: Pick<BackendReader, "scanLent">,
  bucket: Bucket,
  visit: (key: Uint8Array, value: Uint8Array) => void,
): Promise<void> {
  let from: Uint8Array | undefined = new Uint8Array(1);
  while (from !== undefined) {
    from = slice(reader, { bucket, from }, visit);
    await nextTurn();
  }
}

/** @returns where to go on; undefined at the end */
function slice(
  reader: Pick<BackendReader, "scanLent">,
  { bucket, from }: { readonly bucket: Bucket; readonly from: Uint8Array },
  visit: (key: Uint8Array, value: Uint8Array) => void,
): Uint8Array | undefined {
  const deadlineMs = performance.now() + sliceMs;
  let next: Uint8Array | undefined;
  let seen = 0;
  let seenBytes = 0;
  const visitOne: Visit = (key, value) => {
    seen++;
    seenBytes += value.length;
    if (seen >= entriesPerLook || seenBytes >= bytesPerLook) {
      seen = 0;
      seenBytes = 0;
      if (performance.now() >= deadlineMs) {
        // The least key beyond this one; taken before `visit` may touch what lends it.
        next = new Uint8Array(key.length + 1);
        next.set(key);
      }
    }
    visit(key, value);
    return next === undefined;
  };
  reader.scanLent(bucket, { from, to: undefined }, visitOne);
  return next;
}
