/*
 * The hash of a key space that lies somewhere and belongs to no running member: a snapshot file, a copy of a backend.
 * The same number a member gives for the same revision.
 */
import { InvariantViolation } from "../assert.ts";
import { defaultMemberConfig } from "../config.ts";
import type { RefusalName } from "../errors.ts";
import type { Backend, BackendReader } from "../ports.ts";
import { Store, type StoredHash } from "./store.ts";

/** @param revision up to which history counts; 0: all of it */
export function hashOfStoredKeys(
  reader: BackendReader,
  revision: number,
): ({ readonly ok: true } & StoredHash) | { readonly ok: false; readonly refusal: RefusalName } {
  const store = new Store(readOnly(reader), defaultMemberConfig);
  store.reload();
  return store.hashKv(revision);
}

/** Loading and hashing write nothing. */
function readOnly(reader: BackendReader): Backend {
  const no = (): never => {
    throw new InvariantViolation("a key space that is only hashed is not written");
  };
  return {
    get: (bucket, key) => reader.get(bucket, key),
    scan: (bucket, range, visit) => reader.scan(bucket, range, visit),
    scanLent: (bucket, range, visit) => reader.scanLent(bucket, range, visit),
    put: no,
    delete: no,
    openView: no,
    beginInstall: no,
    size: no,
  };
}
