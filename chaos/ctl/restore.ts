/*
 * A data directory of ours from a snapshot file, ours or etcd's own: the keys, leases, users and alarms of the file, in
 * a new cluster with new ids. No server runs meanwhile. Source: etcd v3 contract, snapshot files and restore.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Bucket, logPlaceKeys, restoreMember, writeIdOf } from "../../core/index.ts";
import { type LmdbBackend, openBackend } from "../member/backend.ts";
import { walDirectoryOf } from "../member/data-directory.ts";
import { LogDisk } from "../member/disk.ts";
import { etcdBuckets } from "../member/etcd-backend.ts";
import type { MemberFlags } from "../member/flags.ts";
import { beginIncarnation, bootstrapMembers, clusterIdFor, memberIdFor, writeIdentity } from "../member/identity.ts";
import { bootstrapProblem } from "../member/initial-cluster.ts";
import { syncDirectory } from "../member/sync.ts";
import { type SnapshotFile, SnapshotProblem } from "./snapshot-file.ts";

export interface RestoreOptions {
  /** As the new member will be started with. */
  readonly flags: MemberFlags;
  readonly bumpRevisions: number | undefined;
}

/**
 * Writes everything; after a failure nothing is left of it.
 *
 * @throws SnapshotProblem, and what the disk has to say
 */
export async function restore(file: SnapshotFile, { flags, bumpRevisions }: RestoreOptions): Promise<void> {
  const problem = bootstrapProblem(flags);
  const cluster = flags.initialCluster;
  if (problem !== undefined || "problem" in cluster) throw new SnapshotProblem(problem ?? "no initial cluster");
  const { dataDirectory, walHome } = flags;
  if (existsSync(dataDirectory) && readdirSync(dataDirectory).length > 0) {
    throw new SnapshotProblem(`data-dir "${dataDirectory}" not empty or could not be read`);
  }
  const hasWalHome = walHome !== undefined && existsSync(walHome);
  if (hasWalHome && readdirSync(walHome).length > 0) throw new SnapshotProblem(`wal-dir "${walHome}" exists`);
  const members = bootstrapMembers(cluster, flags.clusterToken);
  const own = cluster.find((entry) => entry.name === flags.name);
  const identity = {
    memberId: memberIdFor(own?.peerUrls ?? [], flags.clusterToken),
    clusterId: clusterIdFor(members.map((member) => member.memberId)),
  };
  const memberDirectory = join(dataDirectory, "member");
  mkdirSync(memberDirectory, { recursive: true, mode: 0o700 });
  try {
    const { backend } = openBackend(join(memberDirectory, "snap"));
    let operations: ReturnType<typeof restoreMember>["operations"];
    try {
      copyContent(file, backend);
      ({ operations } = restoreMember({ backend, config: flags.config, identity, members, bumpRevisions }));
      backend.commit();
    } finally {
      backend.close();
    }
    const walDirectory = walDirectoryOf(memberDirectory, walHome);
    mkdirSync(walDirectory, { recursive: true, mode: 0o700 });
    await writeLog(walDirectory, operations);
    const { name, clusterToken } = flags;
    // Last, so that without it there is no member.
    const incarnation = beginIncarnation(0);
    writeIdentity(memberDirectory, {
      ...identity,
      name,
      clusterToken,
      members,
      contacts: [],
      incarnation,
      isRestored: true,
    });
    syncDirectory(dataDirectory);
  } catch (error) {
    rmSync(memberDirectory, { recursive: true, force: true });
    if (walHome !== undefined) rmSync(walDirectoryOf(memberDirectory, walHome), { recursive: true, force: true });
    throw error;
  }
}

const membershipBuckets: readonly Bucket[] = ["members", "membersRemoved"];
/** Said of the old cluster's file, not of its content. */
const storageVersionKey = "storageVersion";

/** Everything but the members, and where they stood in their log. */
function copyContent(file: SnapshotFile, backend: LmdbBackend): void {
  const install = backend.beginInstall();
  for (const { bucket, name } of etcdBuckets) {
    if (membershipBuckets.includes(bucket)) continue;
    file.database.scan(name, (key, value) => {
      const text = bucket === "meta" ? Buffer.from(key).toString() : "";
      if (text === storageVersionKey || logPlaceKeys.includes(text)) return true;
      // etcd's own restore leaves an empty record when it passes over revisions.
      if (bucket === "key" && value.length === 0) return true;
      install.put(bucket, key, value);
      return true;
    });
  }
  install.finish();
}

async function writeLog(directory: string, operations: ReturnType<typeof restoreMember>["operations"]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const disk = new LogDisk({
      directory,
      fsync: true,
      onDone: () => void disk.close().then(resolve, reject),
      onFailure: reject,
    });
    disk.write(writeIdOf(1), operations, true);
  });
}
