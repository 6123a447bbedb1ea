/*
 * Long readings of a backend in short pieces, so that the member goes on between them: heartbeats and calls wait no
 * longer than one piece takes.
 */
import type { BackendReader, Bucket, Visit } from "../../core/index.ts";

/** How long one piece may take. */
const sliceMs = 4;
/** Entries between two looks at the clock. */
const entriesPerLook = 64;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Visits every entry of the bucket in ascending order; `visit` must not keep the reader from being read again. */
export async function scanInSlices(
  reader: Pick<BackendReader, "scan">,
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
  reader: Pick<BackendReader, "scan">,
  { bucket, from }: { readonly bucket: Bucket; readonly from: Uint8Array },
  visit: (key: Uint8Array, value: Uint8Array) => void,
): Uint8Array | undefined {
  const deadlineMs = performance.now() + sliceMs;
  let last: Uint8Array | undefined;
  let stopped = false;
  let seen = 0;
  const visitOne: Visit = (key, value) => {
    visit(key, value);
    last = key;
    seen++;
    stopped = seen % entriesPerLook === 0 && performance.now() >= deadlineMs;
    return !stopped;
  };
  reader.scan(bucket, { from, to: undefined }, visitOne);
  if (!stopped || last === undefined) return undefined;
  // The least key beyond the last one.
  const next = new Uint8Array(last.length + 1);
  next.set(last);
  return next;
}
