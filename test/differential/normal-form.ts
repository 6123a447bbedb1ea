/*
 * Parts of answers in which two right servers may differ, put into one form: sizes and positions in a log, how much of a
 * lease is left, orders that etcd leaves open, how many members there are and where they live.
 */
import type { Plain } from "./messages.ts";

type Fields = { readonly [field: string]: Plain };

/** Time a step may have taken before its lease was looked at. */
const ttlSlackSeconds = 60n;

/** @param comparableHashes both stores have the same revisions, so their hashes must be equal */
export function normalForm(method: string, plain: Plain, comparableHashes: boolean): Plain {
  if (!isFields(plain)) return plain;
  switch (method) {
    case "LeaseTimeToLive":
      return { ...plain, ...ttlLeft(plain), ...sorted(plain, "keys") };
    case "LeaseLeases":
      return { ...plain, ...sorted(plain, "leases") };
    case "MemberAdd":
    case "MemberRemove":
    case "MemberUpdate":
    case "MemberPromote":
      return plain["members"] === undefined ? plain : { ...plain, members: distinct(plain["members"]) };
    case "MemberList":
      return { ...plain, members: ["members"].flatMap((name) => distinct(plain[name])) };
    case "Status":
      return Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, local.get(name) ?? value]));
    case "HashKV":
      return comparableHashes || plain["hash"] === undefined ? plain : { ...plain, hash: "hash" };
    case "Hash":
      return plain["hash"] === undefined ? plain : { ...plain, hash: "hash" };
    default:
      return plain;
  }
}

export const isFields = (plain: Plain | undefined): plain is Fields =>
  typeof plain === "object" && !Array.isArray(plain);

/** Fields of a status that are each server's own; that they are there is compared. */
const local = new Map<string, Plain>(
  ["dbSize", "dbSizeInUse", "raftIndex", "raftAppliedIndex", "raftTerm"].map((name) => [name, "own"]),
);

function ttlLeft(plain: Fields): Fields {
  const { TTL: left, grantedTTL: granted } = plain;
  if (typeof left !== "bigint" || typeof granted !== "bigint") return {};
  return left <= granted && left >= granted - ttlSlackSeconds ? { TTL: "almost all" } : {};
}

function sorted(plain: Fields, name: string): Fields {
  const list = plain[name];
  if (!Array.isArray(list)) return {};
  const items = (list as readonly Plain[]).map((item): readonly [string, Plain] => [textOf(item), item]);
  return { [name]: items.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item) };
}

/** Members without their names and addresses, each kind once. */
function distinct(members: Plain | undefined): readonly Plain[] {
  if (!Array.isArray(members)) return [];
  const kinds = new Map<string, Plain>();
  for (const member of members as readonly Plain[]) {
    if (!isFields(member)) continue;
    const kind = { ...member, name: "name", peerURLs: ["url"], clientURLs: ["url"] };
    kinds.set(textOf(kind), kind);
  }
  // Their order is that of their ids, which every server chooses for itself.
  return [...kinds].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kind]) => kind);
}

const textOf = (plain: Plain): string =>
  JSON.stringify(plain, (_name, part: unknown) => (typeof part === "bigint" ? `${part}n` : part));
