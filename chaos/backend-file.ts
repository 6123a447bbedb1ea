/*
 * The backend of a member of ours, seen from outside: LMDB lets several processes open one file. For faults only.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { open } from "lmdb";
import type { Random } from "../core/index.ts";

/** Directories of the member's backends: one, but while a new one takes its place. */
export function backendsOf(directory: string): string[] {
  const names = existsSync(directory) ? readdirSync(directory).filter((name) => /^db-\d+$/.test(name)) : [];
  return names.map((name) => join(directory, name)).filter((path) => existsSync(join(path, "data.mdb")));
}

/** Bytes of the file that the newest commit knows of; what lies beyond was added by one that was never finished. */
export function committedBytes(backend: string): number {
  const environment = open({ path: backend, noSubdir: false, readOnly: true, encoding: "binary" });
  const { lastPageNumber, pageSize } = environment.getStats() as {
    readonly lastPageNumber: number;
    readonly pageSize: number;
  };
  void environment.close();
  return (lastPageNumber + 1) * pageSize;
}

/**
 * Flips the last bit of a drawn value among the older half of the key space, whether the member runs or not: it reads the
 * changed value as if it had always been so.
 *
 * @returns which entry; undefined: there is none
 */
export function flipStoredValue(backend: string, random: Random): string | undefined {
  const encodings = { encoding: "binary", keyEncoding: "binary" } as const;
  const environment = open<Uint8Array, Uint8Array>({ path: backend, noSubdir: false, maxDbs: 16, ...encodings });
  try {
    const entries = environment.openDB<Uint8Array, Uint8Array>({ name: "key", ...encodings });
    const keys = [...entries.getKeys({})].map((key) => Uint8Array.from(key));
    const number = random.below(Math.max(1, keys.length >> 1));
    const key = keys[number];
    const value = key === undefined ? undefined : entries.get(key);
    if (key === undefined || value === undefined || value.length === 0) return undefined;
    const flipped = Uint8Array.from(value);
    flipped[flipped.length - 1] = (flipped[flipped.length - 1] ?? 0) ^ 1;
    environment.transactionSync(() => entries.putSync(key, flipped));
    return `stored entry ${number + 1} of ${keys.length}`;
  } finally {
    void environment.close();
  }
}
