/*
 * What a first start asks other members before it begins: is there a cluster already that knows this member, and, for a
 * member that was added to a running cluster, which id it was given there. Source: etcd configuration, startup decisions.
 *
 * A member that joins replays the log from its beginning, or is sent a snapshot. The log begins after the state the
 * cluster was founded with, so a member that joins asks for that too: with any other beginning its member list would
 * end differently from everybody else's.
 */
import { type ClusterId, clusterIdOf, hexOf, type MemberId, type MemberRecord, memberIdOf } from "../../core/index.ts";
import type { JoinedCluster } from "./data-directory.ts";
import { foundersPath } from "./gateway.ts";
import type { ClusterEntry } from "./identity.ts";
import type { PeerDialler } from "./peer-dial.ts";

export interface Asking {
  readonly timeoutMs: number;
  readonly dialler: PeerDialler;
}

/**
 * Asks the other listed members for a running cluster. It knows this member already → its directory was lost, and to
 * start empty under the old id could undo what it once promised.
 *
 * @returns why this member must not start, undefined when nothing speaks against it
 */
export async function askRunningCluster(
  members: readonly MemberRecord[],
  own: MemberRecord,
  asking: Asking,
): Promise<string | undefined> {
  const others = members.filter((member) => member.memberId !== own.memberId);
  const answers = await Promise.all(others.map((member) => fetchMembers(member.peerUrls[0] ?? "", "/members", asking)));
  const isKnown = answers.some((answer) =>
    answer?.members.some((member) => member.memberId === own.memberId && member.clientUrls.length > 0),
  );
  return isKnown ? bootstrapped(own.memberId) : undefined;
}

/** The place of this member in the cluster that runs at the other listed members, or why it has none. */
export async function joinRunningCluster(
  cluster: readonly ClusterEntry[],
  own: ClusterEntry,
  asking: Asking,
): Promise<JoinedCluster | { readonly problem: string }> {
  const strangers: string[] = [];
  for (const peerUrl of cluster.flatMap((entry) => (entry === own ? [] : entry.peerUrls))) {
    const running = await fetchMembers(peerUrl, "/members", asking);
    if (running === undefined || running.members.length === 0) continue;
    const { members, clusterId } = running;
    const mismatch = mismatchOf(cluster, members);
    if (mismatch !== undefined) {
      return { problem: `error validating peerURLs ${describe(members, clusterId)}: ${mismatch}` };
    }
    const place = members.find((member) => isSame(member.peerUrls, own.peerUrls));
    if (place === undefined) continue;
    if (place.name !== "" || place.clientUrls.length > 0) return { problem: bootstrapped(place.memberId) };
    const founding = await fetchMembers(peerUrl, foundersPath, asking);
    if (founding === undefined) {
      strangers.push(peerUrl);
      continue;
    }
    return { memberId: place.memberId, clusterId, members, founders: founding.members };
  }
  if (strangers.length > 0) {
    return {
      problem: `incompatible with current running cluster: ${strangers.join(", ")} does not say which members its cluster was founded with, as a member of this kind would (a stock etcd?); restore a snapshot of that cluster into a new one instead`,
    };
  }
  return {
    problem: "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs",
  };
}

/** Both lists name the same members by their URLs; what does not fit, in etcd's words. */
function mismatchOf(cluster: readonly ClusterEntry[], members: readonly MemberRecord[]): string | undefined {
  if (cluster.length !== members.length) return "member count is unequal";
  for (const { memberId, peerUrls } of members) {
    if (cluster.some((entry) => isSame(entry.peerUrls, peerUrls))) continue;
    return `PeerURLs: no match found for existing member (${hexOf(memberId)}, [${peerUrls.join(" ")}]), last resolver error (<nil>)`;
  }
  return undefined;
}

const isSame = (urls: readonly string[], others: readonly string[]): boolean =>
  urls.length === others.length && urls.every((url) => others.includes(url));

const bootstrapped = (memberId: MemberId): string => `member ${hexOf(memberId)} has already been bootstrapped`;

function describe(members: readonly MemberRecord[], clusterId: ClusterId): string {
  const texts = members.map(
    ({ memberId, peerUrls, isLearner, name, clientUrls }) =>
      `&{ID:${hexOf(memberId)} RaftAttributes:{PeerURLs:[${peerUrls.join(" ")}] IsLearner:${isLearner}} Attributes:{Name:${name} ClientURLs:[${clientUrls.join(" ")}]}}`,
  );
  return `{ClusterID:${hexOf(clusterId)} Members:[${texts.join(" ")}] RemovedMemberIDs:[]}`;
}

async function fetchMembers(
  peerUrl: string,
  path: string,
  { dialler, timeoutMs }: Asking,
): Promise<{ readonly clusterId: ClusterId; readonly members: readonly MemberRecord[] } | undefined> {
  const answer = await dialler.get(peerUrl, path, timeoutMs);
  if (answer === undefined || !/^[0-9a-f]{1,16}$/.test(answer.clusterIdHex)) return undefined;
  // Ids are bare numbers beyond what a JavaScript number holds.
  const quoted = answer.text.replace(/"id":(\d+)/g, '"id":"$1"');
  try {
    const found = JSON.parse(quoted) as WireMember[];
    return { clusterId: clusterIdOf(BigInt(`0x${answer.clusterIdHex}`)), members: found.map(recordOf) };
  } catch {
    // Something else than a member listens there.
    return undefined;
  }
}

interface WireMember {
  readonly id: string;
  readonly peerURLs?: readonly string[];
  readonly name?: string;
  readonly clientURLs?: readonly string[];
  readonly isLearner?: boolean;
}

const recordOf = ({ id, peerURLs, name, clientURLs, isLearner }: WireMember): MemberRecord => ({
  memberId: memberIdOf(BigInt(id)),
  name: name ?? "",
  peerUrls: peerURLs ?? [],
  clientUrls: clientURLs ?? [],
  isLearner: isLearner === true,
});
