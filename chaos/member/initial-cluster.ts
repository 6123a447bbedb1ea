/*
 * The list of members a new cluster begins with, and what a first start demands of it.
 * Source: etcd configuration, §4 startup decisions, §5 validation.
 */
import type { ClusterEntry } from "./identity.ts";
import { listOf, urlProblem } from "./urls.ts";

export interface ClusterFlags {
  readonly name: string;
  readonly advertisePeerUrls: readonly string[];
  readonly initialCluster: readonly ClusterEntry[] | { readonly problem: string };
}

/** `n1=url1,n1=url1b,n2=url2`; names in the order they first appear. */
export function initialClusterOf(text: string): ClusterEntry[] | { readonly problem: string } {
  const urlsByName = new Map<string, string[]>();
  for (const item of listOf(text)) {
    const equals = item.indexOf("=");
    const name = equals < 0 ? item : item.slice(0, equals);
    const url = equals < 0 ? "" : item.slice(equals + 1);
    if (url === "") return { problem: `error setting up initial cluster: empty URL given for "${name}"` };
    const problem = urlProblem(url);
    if (problem !== undefined) return { problem: `error setting up initial cluster: ${problem}` };
    urlsByName.set(name, [...(urlsByName.get(name) ?? []), url]);
  }
  return [...urlsByName].map(([name, peerUrls]) => ({ name, peerUrls }));
}

/** What a first start demands of the cluster list; undefined when all is well. */
export function bootstrapProblem(flags: ClusterFlags): string | undefined {
  const cluster = flags.initialCluster;
  if ("problem" in cluster) return cluster.problem;
  if (cluster.length === 0) return "initial cluster unset and no discovery URL found";
  const own = cluster.find((entry) => entry.name === flags.name);
  if (own === undefined) return `couldn't find local name "${flags.name}" in the initial cluster configuration`;
  const all = cluster.flatMap((entry) => entry.peerUrls);
  if (new Set(all).size !== all.length) return `initial cluster ${clusterText(cluster)} has duplicate url`;
  const missingFromFlag = own.peerUrls.filter((url) => !flags.advertisePeerUrls.includes(url));
  if (missingFromFlag.length > 0) {
    return `--initial-cluster has ${missingFromFlag.join(",")} but missing from --initial-advertise-peer-urls=${flags.advertisePeerUrls.join(",")}`;
  }
  const missingFromCluster = flags.advertisePeerUrls.filter((url) => !own.peerUrls.includes(url));
  if (missingFromCluster.length > 0) {
    return `--initial-advertise-peer-urls has ${missingFromCluster.join(",")} but missing from --initial-cluster=${clusterText([own])}`;
  }
  return undefined;
}

const clusterText = (cluster: readonly ClusterEntry[]): string =>
  cluster.flatMap(({ name, peerUrls }) => peerUrls.map((url) => `${name}=${url}`)).join(",");
