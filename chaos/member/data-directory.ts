/*
 * The data directory of a member: who may use it, whose it is, and where its parts lie.
 *
 *     <data-dir>/            0700
 *       member/
 *         lock               held by the one process that uses the directory
 *         identity.json      who this member is; written last, so that a failed first start leaves no member
 *         wal/               segments of the log
 *         snap/db-N/         the backend
 *
 * Nothing in an existing directory changes before it is known to be this member's.
 */
import { accessSync, constants, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { hexOf, type MemberRecord } from "../../core/index.ts";
import { type LmdbBackend, openBackend, syncDirectory } from "./backend.ts";
import { readSegments, type SegmentFile } from "./disk.ts";
import { bootstrapProblem, type MemberFlags } from "./flags.ts";
import {
  bootstrapMembers,
  clusterIdFor,
  foreignDirectory,
  nextIncarnation,
  readIdentity,
  type StoredIdentity,
  writeIdentity,
} from "./identity.ts";
import { type DirectoryLock, tryLock } from "./lock.ts";
import type { Log } from "./log.ts";

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
}

/** @param askPeers looks whether a running cluster knows a member already; only called before a first start */
export async function openDataDirectory(
  flags: MemberFlags,
  log: Log,
  askPeers: (members: readonly MemberRecord[], own: MemberRecord) => Promise<string | undefined>,
): Promise<OpenedDirectory> {
  const memberDirectory = join(flags.dataDirectory, "member");
  prepare(flags.dataDirectory, memberDirectory, log);
  const lock = await waitForLock(memberDirectory, log);
  try {
    const walDirectory = join(memberDirectory, "wal");
    const backendDirectory = join(memberDirectory, "snap");
    const found = readIdentity(memberDirectory);
    if (found !== undefined && "problem" in found) throw new StartProblem("cannot read data directory", found.problem);
    if (found === undefined) {
      const identity = await newIdentity(flags, walDirectory, askPeers);
      const { backend } = openBackend(backendDirectory);
      const segments = readSegments(walDirectory);
      writeIdentity(memberDirectory, identity);
      syncDirectory(flags.dataDirectory);
      return { identity, backend, segments, walDirectory, lock };
    }
    const { explicit, clusterToken, initialCluster } = flags;
    const foreign = foreignDirectory(found, {
      name: flags.name,
      clusterToken: explicit.has("initial-cluster-token") ? clusterToken : undefined,
      cluster: explicit.has("initial-cluster") && !("problem" in initialCluster) ? initialCluster : undefined,
    });
    if (foreign !== undefined) throw new StartProblem("refused data directory", foreign);
    const segments = readSegments(walDirectory);
    const backendIsThere =
      existsSync(backendDirectory) && readdirSync(backendDirectory).some((name) => /^db-\d+$/.test(name));
    if (segments.length > 0 && !backendIsThere) {
      throw new StartProblem(
        "failed to open the backend",
        `database file (${join(backendDirectory, "db-1", "data.mdb")}) of the backend is missing`,
      );
    }
    const { backend } = openBackend(backendDirectory);
    const identity = { ...found, incarnation: nextIncarnation(found.incarnation, Date.now()) };
    writeIdentity(memberDirectory, identity);
    return { identity, backend, segments, walDirectory, lock };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Ids of a first start, once nothing speaks against it. */
async function newIdentity(
  flags: MemberFlags,
  walDirectory: string,
  askPeers: (members: readonly MemberRecord[], own: MemberRecord) => Promise<string | undefined>,
): Promise<StoredIdentity> {
  if (existsSync(walDirectory) && readdirSync(walDirectory).length > 0) {
    throw new StartProblem(
      "cannot read data directory",
      `${walDirectory} holds a log but identity.json beside it is missing; restore the data directory from a copy, or remove it and add this member anew`,
    );
  }
  const problem = bootstrapProblem(flags);
  if (problem !== undefined) throw new StartProblem("discovery failed", problem);
  const cluster = flags.initialCluster;
  if ("problem" in cluster) throw new StartProblem("discovery failed", cluster.problem);
  const members = bootstrapMembers(cluster, flags.clusterToken);
  const ownUrls = cluster.find((entry) => entry.name === flags.name)?.peerUrls ?? [];
  const own = members.find((member) => ownUrls.every((url) => member.peerUrls.includes(url)));
  if (own === undefined) throw new StartProblem("discovery failed", "this member is not among the members");
  const refusal = await askPeers(members, own);
  if (refusal !== undefined) throw new StartProblem("discovery failed", refusal);
  return {
    memberId: own.memberId,
    clusterId: clusterIdFor(members.map((member) => member.memberId)),
    name: flags.name,
    clusterToken: flags.clusterToken,
    members,
    incarnation: nextIncarnation(0, Date.now()),
  };
}

function prepare(dataDirectory: string, memberDirectory: string, log: Log): void {
  try {
    mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
    const mode = statSync(dataDirectory).mode & 0o777;
    if ((mode & 0o077) !== 0) {
      log.warn("check file permission", {
        error: `directory "${dataDirectory}" exist, but the permission is "${mode.toString(8)}". The recommended permission is "-rwx------" to prevent possible unprivileged access to the data`,
      });
    }
    for (const name of readdirSync(dataDirectory)) {
      if (name !== "member")
        log.warn("found invalid file under data directory", { filename: name, dir: dataDirectory });
    }
  } catch (error) {
    throw new StartProblem("cannot start", `cannot access data directory: ${messageOf(error)}`);
  }
  try {
    mkdirSync(memberDirectory, { recursive: true, mode: 0o700 });
    accessSync(memberDirectory, constants.W_OK);
  } catch (error) {
    throw new StartProblem("cannot start", `cannot write to member directory: ${messageOf(error)}`);
  }
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

/**
 * Asks the other listed members for a running cluster. It knows this member already → its directory was lost, and to
 * start empty under the old id could undo what it once promised.
 *
 * @param dial peer URL → "host:port"
 * @returns why this member must not start, undefined when nothing speaks against it
 */
export async function askRunningCluster(
  members: readonly MemberRecord[],
  own: MemberRecord,
  options: { readonly clusterIsNew: boolean; readonly timeoutMs: number; readonly dial: (peerUrl: string) => string },
): Promise<string | undefined> {
  const others = members.filter((member) => member.memberId !== own.memberId);
  const answers = await Promise.all(
    others.map((member) => fetchMembers(options.dial(member.peerUrls[0] ?? ""), options.timeoutMs)),
  );
  const known = answers.find((answer) => answer !== undefined);
  if (!options.clusterIsNew && known === undefined) {
    return "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs";
  }
  for (const answer of answers) {
    for (const member of answer ?? []) {
      if (BigInt(member.id) === own.memberId && member.clientUrls.length > 0) {
        return `member ${hexOf(own.memberId)} has already been bootstrapped`;
      }
    }
  }
  if (!options.clusterIsNew && known !== undefined && known.length !== members.length) {
    return `error validating peerURLs {Members:[${known.map((member) => `{ID:${hexOf(BigInt(member.id))} PeerURLs:[${member.peerUrls.join(" ")}]}`).join(" ")}]}: member count is unequal`;
  }
  return undefined;
}

interface RunningMember {
  readonly id: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
}

async function fetchMembers(address: string, timeoutMs: number): Promise<RunningMember[] | undefined> {
  // A timer of AbortSignal.timeout does not keep the process alive, and while the start waits nothing else may.
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeoutMs);
  try {
    const response = await fetch(`http://${address}/members`, { signal: abort.signal });
    if (!response.ok) return undefined;
    // Ids are bare numbers beyond what a JavaScript number holds.
    const quoted = (await response.text()).replace(/"id":(\d+)/g, '"id":"$1"');
    const found = JSON.parse(quoted) as { id: string; peerURLs?: string[]; clientURLs?: string[] }[];
    return found.map(({ id, peerURLs, clientURLs }) => ({
      id,
      peerUrls: peerURLs ?? [],
      clientUrls: clientURLs ?? [],
    }));
  } catch {
    // Not there, or not yet: the usual case when a cluster starts for the first time.
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
