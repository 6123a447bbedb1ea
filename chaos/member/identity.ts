/*
 * Who this member is. Ids of a new cluster follow from its member list and token, so that members which were given the
 * same list agree without talking; from then on the data directory knows them and flags do not matter any more.
 * Source: etcd v3 API, "Member ids"; etcd configuration, startup decisions.
 */
import { createHash } from "node:crypto";
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MemberRecord } from "../../core/index.ts";
import {
  type ClusterId,
  clusterIdOf,
  compareIds,
  hexOf,
  type MemberId,
  memberIdOf,
  nextIncarnation,
} from "../../core/index.ts";
import { realRandom } from "./random.ts";
import { syncDirectory } from "./sync.ts";

/** One entry of `--initial-cluster`: a name and every URL it was given. */
export interface ClusterEntry {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/** First 8 bytes of SHA-1 over the sorted peer URLs, unseparated, followed by the cluster token. */
export function memberIdFor(peerUrls: readonly string[], token: string): MemberId {
  const hash = createHash("sha1");
  for (const url of sorted(peerUrls)) hash.update(url);
  hash.update(token);
  return memberIdOf(hash.digest().readBigUInt64BE(0));
}

/** The id of a member that is added to a running cluster: in place of the token, the Unix time in seconds. */
export const addedMemberId = (peerUrls: readonly string[], wallClockMs: number): MemberId =>
  memberIdFor(peerUrls, String(Math.floor(wallClockMs / 1000)));

/** First 8 bytes of SHA-1 over the member ids as 8 big-endian bytes each, ascending. */
export function clusterIdFor(memberIds: readonly MemberId[]): ClusterId {
  const hash = createHash("sha1");
  for (const memberId of [...memberIds].sort(compareIds)) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(memberId);
    hash.update(bytes);
  }
  return clusterIdOf(hash.digest().readBigUInt64BE(0));
}

/** The members of a new cluster, in id order; names and client URLs come when each publishes itself. */
export function bootstrapMembers(cluster: readonly ClusterEntry[], token: string): MemberRecord[] {
  return cluster
    .map(({ peerUrls }) => ({
      memberId: memberIdFor(peerUrls, token),
      name: "",
      peerUrls: sorted(peerUrls),
      clientUrls: [],
      isLearner: false,
    }))
    .sort((a, b) => compareIds(a.memberId, b.memberId));
}

// ---- what the data directory knows ---------------------------------------------------------------------------

/** The file `member/identity.json`. */
export interface StoredIdentity {
  readonly memberId: MemberId;
  readonly clusterId: ClusterId;
  /** Name and token of the first start: they tell a foreign directory from an own one. */
  readonly name: string;
  readonly clusterToken: string;
  /** The members the cluster began with. */
  readonly members: readonly MemberRecord[];
  /** Of a member that joined: where the others were then, until it has caught up so far that it knows itself. */
  readonly contacts: readonly MemberRecord[];
  /** Number of the life that began last on this directory: see core/incarnation.ts. */
  readonly incarnation: number;
  /** Made of a snapshot's file, under a token of its own: that of the flags is the old cluster's, and says nothing. */
  readonly isRestored?: boolean;
}

const fileName = "identity.json";

/** Whether a member started here before. */
export const hasIdentity = (memberDirectory: string): boolean => existsSync(join(memberDirectory, fileName));

/** @returns undefined when the directory holds no member yet; a text when what it holds cannot be understood */
export function readIdentity(memberDirectory: string): StoredIdentity | { readonly problem: string } | undefined {
  const path = join(memberDirectory, fileName);
  if (!existsSync(path)) return undefined;
  const problem = (what: string) => ({
    problem: `${path} ${what}; restore the data directory from a copy, or remove it and add this member anew`,
  });
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return problem(`cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
  if (!isStoredForm(found)) return problem("is not a member's identity of format 1");
  return {
    memberId: memberIdOf(BigInt(`0x${found.memberId}`)),
    clusterId: clusterIdOf(BigInt(`0x${found.clusterId}`)),
    name: found.name,
    clusterToken: found.clusterToken,
    members: found.members.map(recordOf),
    contacts: (found.contacts ?? []).map(recordOf),
    incarnation: found.incarnation,
    ...(found.isRestored === true ? { isRestored: true } : {}),
  };
}

const recordOf = (member: StoredMember): MemberRecord => ({
  memberId: memberIdOf(BigInt(`0x${member.memberId}`)),
  name: "",
  peerUrls: member.peerUrls,
  clientUrls: [],
  isLearner: false,
});

/** Replaces the file as a whole: after a crash it is the old one or the new one. */
export function writeIdentity(memberDirectory: string, identity: StoredIdentity): void {
  const path = join(memberDirectory, fileName);
  const form: StoredForm = {
    format: 1,
    memberId: hexOf(identity.memberId),
    clusterId: hexOf(identity.clusterId),
    name: identity.name,
    clusterToken: identity.clusterToken,
    members: identity.members.map(storedMember),
    ...(identity.contacts.length > 0 ? { contacts: identity.contacts.map(storedMember) } : {}),
    incarnation: identity.incarnation,
    ...(identity.isRestored === true ? { isRestored: true } : {}),
  };
  const temporary = `${path}.tmp`;
  try {
    writeFileSync(temporary, `${JSON.stringify(form, undefined, 2)}\n`, { mode: 0o600 });
  } catch (error) {
    // What the system says of a failed write does not name the file.
    if (error instanceof Error && !error.message.includes(temporary)) error.message += ` '${temporary}'`;
    throw error;
  }
  const handle = openSync(temporary, "r+");
  fsyncSync(handle);
  closeSync(handle);
  renameSync(temporary, path);
  syncDirectory(memberDirectory);
}

/** Of the life that begins now; `previous` is the last one that the directory knows of, 0 for none. */
export const beginIncarnation = (previous: number): number =>
  nextIncarnation({ previous, wallClockMs: Date.now(), random: realRandom() });

/**
 * Flags that were given by hand and contradict the directory: it belongs to another member or another cluster.
 * Flags that merely are outdated (a list from before the cluster grew, a new name, the token from before a restore) are
 * no contradiction.
 *
 * @param given name, token and cluster as far as they were set explicitly
 */
export function foreignDirectory(
  stored: StoredIdentity,
  given: {
    readonly name: string;
    readonly clusterToken: string | undefined;
    readonly cluster: readonly ClusterEntry[] | undefined;
  },
): string | undefined {
  const belongs = `the data directory belongs to member "${stored.name}" (${hexOf(stored.memberId)}) of cluster ${hexOf(stored.clusterId)}`;
  const isOtherToken = given.clusterToken !== undefined && given.clusterToken !== stored.clusterToken;
  if (isOtherToken && stored.isRestored !== true) {
    return `${belongs} with token "${stored.clusterToken}", not to a cluster with token "${given.clusterToken}"; give this member its own --data-dir, or the token it began with`;
  }
  const others = given.cluster?.filter((entry) => entry.name !== given.name) ?? [];
  const owner = others.find(
    ({ name, peerUrls }) => name === stored.name || memberIdFor(peerUrls, stored.clusterToken) === stored.memberId,
  );
  if (owner !== undefined && stored.name !== given.name) {
    return `${belongs}, not to member "${given.name}"; give this member its own --data-dir`;
  }
  return undefined;
}

interface StoredMember {
  readonly memberId: string;
  readonly peerUrls: readonly string[];
}

const storedMember = ({ memberId, peerUrls }: MemberRecord): StoredMember => ({
  memberId: hexOf(memberId),
  peerUrls: [...peerUrls],
});

interface StoredForm {
  readonly format: 1;
  readonly memberId: string;
  readonly clusterId: string;
  readonly name: string;
  readonly clusterToken: string;
  readonly members: readonly StoredMember[];
  readonly contacts?: readonly StoredMember[];
  readonly incarnation: number;
  readonly isRestored?: boolean;
}

function isStoredForm(value: unknown): value is StoredForm {
  if (typeof value !== "object" || value === null) return false;
  const form = value as Partial<StoredForm>;
  const isId = (id: unknown): boolean => typeof id === "string" && /^[0-9a-f]{1,16}$/.test(id);
  const areMembers = (members: readonly StoredMember[] | undefined): boolean =>
    Array.isArray(members) && members.every((member) => isId(member?.memberId) && Array.isArray(member?.peerUrls));
  return (
    form.format === 1 &&
    isId(form.memberId) &&
    isId(form.clusterId) &&
    typeof form.name === "string" &&
    typeof form.clusterToken === "string" &&
    Number.isSafeInteger(form.incarnation) &&
    areMembers(form.members) &&
    (form.contacts === undefined || areMembers(form.contacts))
  );
}

const sorted = (texts: readonly string[]): string[] => [...texts].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
