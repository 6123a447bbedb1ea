/*
 * From the stored revisions back to what memory holds of them: which revisions each key has, and which lease each live
 * key names. One pass over the bucket, in the order in which the changes happened; of a value only the few numbers are
 * read that the index needs. Source: etcd v3 API, revision model.
 */
import { assert } from "../assert.ts";
import { type LeaseId, noLease } from "../ids.ts";
import type { BackendReader } from "../ports.ts";
import { inOrder } from "./key-order.ts";
import { KeyTable } from "./key-table.ts";
import { StoredFields } from "./key-value.ts";
import { encodeRevision, isTombstone, mainRevisionOf, subRevisionOf } from "./revision.ts";
import type { TreeIndex } from "./tree-index.ts";

export interface RestoredKeys {
  /** Highest main revision stored; 0 when none is. */
  readonly newest: number;
  readonly liveKeys: number;
  /** The lease each attached live key names, keys as texts (see textOfBytes); order has no meaning. */
  readonly leases: ReadonlyMap<string, LeaseId>;
}

/** @param index empty; holds every stored key afterwards */
export function restoreKeys(backend: BackendReader, index: TreeIndex): RestoredKeys {
  const table = new KeyTable();
  const fields = new StoredFields();
  const leases = new Map<string, LeaseId>();
  let newest = 0;
  let liveKeys = 0;
  backend.scanLent("key", { from: encodeRevision(0, 0, false), to: undefined }, (revision, value) => {
    fields.read(value);
    const key = table.keyOf(value, fields.keyFrom, fields.keyTo);
    const main = mainRevisionOf(revision);
    newest = main;
    if (isTombstone(revision)) {
      if (key.isLive) liveKeys -= 1;
      key.tombstone(main, subRevisionOf(revision));
      if (leases.size > 0) leases.delete(key.text);
      return true;
    }
    assert(fields.modRevision === main, "a stored key-value lies under its own revision", fields.modRevision, main);
    if (!key.isLive) liveKeys += 1;
    key.restorePut(main, subRevisionOf(revision), fields);
    if (fields.lease !== noLease) leases.set(key.text, fields.lease);
    else if (leases.size > 0) leases.delete(key.text);
    return true;
  });
  index.load(inOrder(table.keys));
  return { newest, liveKeys, leases };
}
