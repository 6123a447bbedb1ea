/*
 * One LMDB environment on the disk, with a database for each bucket: how it is opened, measured and thrown away. Not here:
 * which of several environments is the backend, and when (backend.ts).
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Database, open as openEnvironment, type RootDatabase } from "lmdb";
import { type Bucket, buckets } from "../../core/index.ts";
import { problemOfBackend } from "./backend-check.ts";
import { type LendingDatabase, openLending } from "./lending.ts";
import { syncDirectory } from "./sync.ts";

type Bytes = Uint8Array;
type Range = { readonly from: Bytes; readonly to: Bytes | undefined };

/** For a backend that was changed under its member. */
export const backendRemedy =
  "restore the data directory from an exact copy, or remove this member from the cluster and add it again with an empty data directory";

/** A problem with what was found on disk; the text names the file and is for the operator. */
export class BackendProblem extends Error {
  override readonly name = "BackendProblem";
}

/** One LMDB environment with a database for each bucket. */
export interface Environment {
  readonly directory: string;
  readonly root: RootDatabase<Bytes, Bytes>;
  readonly databases: { readonly [Name in Bucket]: Database<Bytes, Bytes> };
  /** Second handles on the same, for long readings; opened when first needed. */
  readonly lending: Map<Bucket, LendingDatabase>;
  /** Views that still read it; a replaced environment is closed when the last one is. */
  views: number;
  replaced: boolean;
  closed: boolean;
}

/** @throws BackendProblem when it is not there, is not sound, or LMDB refuses it */
export function openAt(directory: string, create: boolean): Environment {
  if (create) mkdirSync(directory, { mode: 0o700 });
  else if (!existsSync(join(directory, "data.mdb"))) {
    throw new BackendProblem(
      `database file (${join(directory, "data.mdb")}) of the backend is missing; ${backendRemedy}`,
    );
  } else {
    const problem = problemOfBackend(directory);
    if (problem !== undefined) throw new BackendProblem(`${problem}; ${backendRemedy}`);
  }
  const encodings = { encoding: "binary", keyEncoding: "binary" } as const;
  try {
    const root = openEnvironment<Bytes, Bytes>({
      path: directory,
      noSubdir: false,
      maxDbs: buckets.length + 1,
      overlappingSync: false,
      ...encodings,
    });
    const database = (name: Bucket): Database<Bytes, Bytes> => root.openDB<Bytes, Bytes>({ name, ...encodings });
    const databases = {
      alarm: database("alarm"),
      cluster: database("cluster"),
      key: database("key"),
      lease: database("lease"),
      members: database("members"),
      membersRemoved: database("membersRemoved"),
      meta: database("meta"),
      auth: database("auth"),
      authUsers: database("authUsers"),
      authRoles: database("authRoles"),
    };
    if (create) syncDirectory(directory);
    return { directory, root, databases, lending: new Map(), views: 0, replaced: false, closed: false };
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new BackendProblem(`cannot open the backend in ${directory}: ${cause}`);
  }
}

/** The second handle on a bucket. */
export function lendingOf({ root, lending }: Environment, bucket: Bucket): LendingDatabase {
  let database = lending.get(bucket);
  if (database === undefined) {
    database = openLending(root, bucket);
    lending.set(bucket, database);
  }
  return database;
}

/** Closes an environment nobody reads any more and removes its files. */
export function discard(environment: Environment): void {
  void environment.root.close();
  rmSync(environment.directory, { recursive: true, force: true });
}

interface TreeStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
  readonly lastPageNumber: number;
}

export function sizeOf(environment: Environment): { readonly allocatedBytes: number; readonly usedBytes: number } {
  const root = environment.root.getStats() as TreeStats;
  // Two meta pages, then the pages of every tree.
  let pages = 2 + pagesOf(root);
  for (const bucket of buckets) pages += pagesOf(environment.databases[bucket].getStats() as TreeStats);
  const allocatedBytes = (root.lastPageNumber + 1) * root.pageSize;
  return { allocatedBytes, usedBytes: Math.min(pages * root.pageSize, allocatedBytes) };
}

const pagesOf = (stats: TreeStats): number => stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;

export const lmdbRange = ({ from, to }: Range): { start: Bytes; end?: Bytes } =>
  to === undefined ? { start: from } : { start: from, end: to };
