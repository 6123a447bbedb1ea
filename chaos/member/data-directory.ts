/*
 * The data directory of a member: who may use it, whose it is, and where its parts lie.
 *
 *     <data-dir>/            0700
 *       member/
 *         reserve            room set aside for the log, for when the disk is full
 *         lock               held by the one process that uses the directory
 *         identity.json      who this member is; written last, so that a failed first start leaves no member
 *         wal/               segments of the log
 *         wal-damaged/       segments the disk damaged, set aside for people; nothing reads them
 *         snap/db-N/         the backend
 *
 *     <wal-dir>/             0700; reserve, lock, wal/ and wal-damaged/ lie here instead, when there is one
 *
 * Nothing in an existing directory changes before it is known to be this member's.
 */
import { accessSync, constants, existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ClusterId, MemberId, MemberRecord } from "../../core/index.ts";
import { type LmdbBackend, openBackend } from "./backend.ts";
import { readSegments, type SegmentFile } from "./disk.ts";
import { FaultPoints, faultPointsVariable } from "./fault-points.ts";
import type { MemberFlags } from "./flags.ts";
import {
  beginIncarnation,
  bootstrapMembers,
  type ClusterEntry,
  clusterIdFor,
  foreignDirectory,
  readIdentity,
  type StoredIdentity,
  writeIdentity,
} from "./identity.ts";
import { bootstrapProblem } from "./initial-cluster.ts";
import { backendRemedy } from "./lmdb-environment.ts";
import { type DirectoryLock, tryLock } from "./lock.ts";
import type { Log } from "./log.ts";
import { makeDirectory } from "./make-directory.ts";
import { Room } from "./room.ts";
import { syncDirectory } from "./sync.ts";

/** The start cannot go on; `message` is the log line, `error` its cause in etcd's words. */
export class StartProblem extends Error {
  override readonly name = "StartProblem";
  readonly error: string;
  constructor(message: string, error: string) {
    super(message);
    this.error = error;
  }
}

export interface OpenedDirectory {
  readonly identity: StoredIdentity;
  readonly backend: LmdbBackend;
  /** The log as it was found. */
  readonly segments: SegmentFile[];
  readonly walDirectory: string;
  readonly lock: DirectoryLock;
  readonly room: Room;
  readonly points: FaultPoints;
}

/** What a first start learns from other members. */
export interface Acquaintance {
  /** Looks whether a running cluster knows this member already: why it must not start. */
  askPeers(members: readonly MemberRecord[], own: MemberRecord): Promise<string | undefined>;
  /** Finds this member's place in the running cluster. */
  join(cluster: readonly ClusterEntry[], own: ClusterEntry): Promise<JoinedCluster | { readonly problem: string }>;
}

/** The place of a member that was added to a running cluster. */
export interface JoinedCluster {
  readonly memberId: MemberId;
  readonly clusterId: ClusterId;
  readonly founders: readonly MemberRecord[];
  readonly members: readonly MemberRecord[];
}

export async function openDataDirectory(
  flags: MemberFlags,
  log: Log,
  acquaintance: Acquaintance,
): Promise<OpenedDirectory> {
  const memberDirectory = join(flags.dataDirectory, "member");
  prepare(flags.dataDirectory, memberDirectory, log);
  const { walHome } = flags;
  if (walHome !== undefined) prepareWalHome(walHome);
  const lock = await lockAll(walHome === undefined ? [memberDirectory] : [memberDirectory, walHome], log);
  try {
    const points = new FaultPoints(process.env[faultPointsVariable]);
    const room = new Room({ directory: walHome ?? memberDirectory, beside: memberDirectory, points });
    const walDirectory = walDirectoryOf(memberDirectory, walHome);
    const backendDirectory = join(memberDirectory, "snap");
    const found = readIdentity(memberDirectory);
    if (found !== undefined && "problem" in found) throw new StartProblem("cannot read data directory", found.problem);
    if (found === undefined) {
      if (flags.forceNewCluster) {
        throw new StartProblem(
          "cannot read data directory",
          `--force-new-cluster goes on with the data of a member, and ${memberDirectory} holds none; give the --data-dir of the member that is left`,
        );
      }
      const identity = await newIdentity(flags, walDirectory, acquaintance);
      const { backend } = openBackend(backendDirectory);
      const segments = readSegments(walDirectory);
      writeIdentity(memberDirectory, identity);
      syncDirectory(flags.dataDirectory);
      return { identity, backend, segments, walDirectory, lock, room, points };
    }
    const { explicit, clusterToken, initialCluster } = flags;
    const foreign = foreignDirectory(found, {
      name: flags.name,
      clusterToken: explicit.has("initial-cluster-token") ? clusterToken : undefined,
      cluster: explicit.has("initial-cluster") && !("problem" in initialCluster) ? initialCluster : undefined,
    });
    if (foreign !== undefined) throw new StartProblem("refused data directory", foreign);
    // etcd's own words. What founds or joins a cluster is not looked at any more.
    log.info("the server is already initialized as member before, starting as etcd member...", {
      "data-dir": flags.dataDirectory,
      "ignored-flags": [...explicit].filter((name) => name.startsWith("initial-cluster")).sort(),
    });
    const standard = walDirectoryOf(memberDirectory, undefined);
    if (walHome !== undefined && !holdsFiles(walDirectory) && holdsFiles(standard)) {
      throw new StartProblem(
        "cannot read data directory",
        `the log of this member lies in ${standard}; move that directory to ${walDirectory}, or leave --wal-dir out`,
      );
    }
    const segments = readSegments(walDirectory);
    const backendIsThere =
      existsSync(backendDirectory) && readdirSync(backendDirectory).some((name) => /^db-\d+$/.test(name));
    if (segments.length > 0 && !backendIsThere) {
      throw new StartProblem(
        "failed to open the backend",
        `database file (${join(backendDirectory, "db-1", "data.mdb")}) of the backend is missing; ${backendRemedy}`,
      );
    }
    const { backend } = openBackend(backendDirectory);
    const identity = { ...found, incarnation: beginIncarnation(found.incarnation) };
    writeIdentity(memberDirectory, identity);
    return { identity, backend, segments, walDirectory, lock, room, points };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Ids of a first start, once nothing speaks against it. */
async function newIdentity(
  flags: MemberFlags,
  walDirectory: string,
  acquaintance: Acquaintance,
): Promise<StoredIdentity> {
  if (holdsFiles(walDirectory)) {
    throw new StartProblem(
      "cannot read data directory",
      `${walDirectory} holds a log but identity.json beside it is missing; restore the data directory from a copy, or remove it and add this member anew`,
    );
  }
  const problem = bootstrapProblem(flags);
  if (problem !== undefined) throw new StartProblem("discovery failed", problem);
  const cluster = flags.initialCluster;
  if ("problem" in cluster) throw new StartProblem("discovery failed", cluster.problem);
  const ownEntry = cluster.find((entry) => entry.name === flags.name);
  if (!flags.clusterIsNew && ownEntry !== undefined) {
    const joined = await acquaintance.join(cluster, ownEntry);
    if ("problem" in joined) throw new StartProblem("discovery failed", joined.problem);
    return {
      memberId: joined.memberId,
      clusterId: joined.clusterId,
      name: flags.name,
      clusterToken: flags.clusterToken,
      members: joined.founders,
      contacts: joined.members,
      incarnation: beginIncarnation(0),
    };
  }
  const members = bootstrapMembers(cluster, flags.clusterToken);
  const ownUrls = ownEntry?.peerUrls ?? [];
  const own = members.find((member) => ownUrls.every((url) => member.peerUrls.includes(url)));
  if (own === undefined) throw new StartProblem("discovery failed", "this member is not among the members");
  const refusal = await acquaintance.askPeers(members, own);
  if (refusal !== undefined) throw new StartProblem("discovery failed", refusal);
  return {
    memberId: own.memberId,
    clusterId: clusterIdFor(members.map((member) => member.memberId)),
    name: flags.name,
    clusterToken: flags.clusterToken,
    members,
    contacts: [],
    incarnation: beginIncarnation(0),
  };
}

function prepare(dataDirectory: string, memberDirectory: string, log: Log): void {
  try {
    makeDirectory(dataDirectory, 0o700);
    const mode = statSync(dataDirectory).mode & 0o777;
    if ((mode & 0o077) !== 0) {
      log.warn("check file permission", {
        error: `directory "${dataDirectory}" exist, but the permission is "${mode.toString(8)}". The recommended permission is "-rwx------" to prevent possible unprivileged access to the data`,
      });
    }
    for (const name of readdirSync(dataDirectory)) {
      if (name !== "member" && name !== "fixtures")
        log.warn("found invalid file under data directory", { filename: name, dir: dataDirectory });
    }
  } catch (error) {
    throw new StartProblem("cannot start", `cannot access data directory: ${messageOf(error)}`);
  }
  try {
    makeDirectory(memberDirectory, 0o700);
    accessSync(memberDirectory, constants.W_OK);
  } catch (error) {
    throw new StartProblem("cannot start", `cannot write to member directory: ${messageOf(error)}`);
  }
}

function prepareWalHome(walHome: string): void {
  try {
    makeDirectory(walHome, 0o700);
    accessSync(walHome, constants.W_OK);
  } catch (error) {
    throw new StartProblem("cannot start", `cannot write to WAL directory: ${messageOf(error)}`);
  }
}

/** @param walHome the directory of --wal-dir; undefined: the log lies with the rest */
export const walDirectoryOf = (memberDirectory: string, walHome: string | undefined): string =>
  join(walHome ?? memberDirectory, "wal");

const holdsFiles = (directory: string): boolean => existsSync(directory) && readdirSync(directory).length > 0;

/** One after the other, always in that order. */
async function lockAll(directories: readonly string[], log: Log): Promise<DirectoryLock> {
  const locks: DirectoryLock[] = [];
  for (const directory of directories) locks.push(await waitForLock(directory, log));
  return {
    release: () => {
      for (const lock of locks) lock.release();
    },
  };
}

const lockRetryMs = 100;
const lockNoticeMs = 10_000;

async function waitForLock(memberDirectory: string, log: Log): Promise<DirectoryLock> {
  for (let waitedMs = 0; ; waitedMs += lockRetryMs) {
    const lock = tryLock(memberDirectory);
    if (lock !== undefined) return lock;
    if (waitedMs % lockNoticeMs === 0) {
      log.warn("db file is flocked by another process, or taking too long", {
        path: memberDirectory,
        took: `${waitedMs}ms`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, lockRetryMs));
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
