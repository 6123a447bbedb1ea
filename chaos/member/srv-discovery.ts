/*
 * The members of a new cluster from DNS: SRV records of a domain name the peer URLs, and a member knows its own by the
 * address it leads to. Looked up once, at a first start. Source: etcd configuration, §10 discovery and DNS.
 */
import { lookup, resolveSrv } from "node:dns/promises";
import { isIP } from "node:net";
import { StartProblem } from "./data-directory.ts";
import type { ClusterEntry } from "./identity.ts";
import type { Log } from "./log.ts";

export interface SrvDomain {
  readonly domain: string;
  /** Goes into the service's name; "": none. */
  readonly suffix: string;
}

/** The part of DNS this needs. */
export interface Dns {
  resolveSrv(name: string): Promise<readonly { readonly name: string; readonly port: number }[]>;
  /** Every address of a host. */
  addressesOf(host: string): Promise<readonly string[]>;
}

export const systemDns: Dns = {
  resolveSrv,
  addressesOf: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
};

/**
 * The list that --initial-cluster would give. Members but this one have numbers for names, which do not matter.
 *
 * @throws StartProblem in etcd's words when there are no records, or this member is in none
 */
export async function membersFromSrv(
  { domain, suffix }: SrvDomain,
  own: { readonly name: string; readonly advertisePeerUrls: readonly string[]; readonly log: Log },
  dns: Dns = systemDns,
): Promise<ClusterEntry[]> {
  const ownPlaces = new Map<string, string>();
  for (const url of own.advertisePeerUrls) {
    const { hostname, port } = new URL(url);
    for (const place of await placesOf(hostname, Number(port), dns)) ownPlaces.set(place, url);
  }
  const found: { name: string; url: string }[] = [];
  const problems: string[] = [];
  let others = 0;
  for (const [scheme, service] of [
    ["https", `etcd-server-ssl${suffix === "" ? "" : `-${suffix}`}`],
    ["http", `etcd-server${suffix === "" ? "" : `-${suffix}`}`],
  ] as const) {
    try {
      for (const { name: target, port } of sorted(await dns.resolveSrv(`_${service}._tcp.${domain}`))) {
        const host = target.replace(/\.$/, "");
        const url = `${scheme}://${host}:${port}`;
        const places = await placesOf(host, port, dns);
        const mine = places.map((place) => ownPlaces.get(place)).find((place) => place !== undefined);
        if (mine !== undefined && !mine.startsWith(`${scheme}:`)) {
          problems.push(`bootstrap at ${url} from DNS for ${service} has scheme mismatch with expected peer ${mine}`);
        } else found.push({ name: mine === undefined ? String(others++) : own.name, url });
      }
    } catch (error) {
      problems.push(`error querying DNS SRV records for _${service} ${messageOf(error)}`);
    }
  }
  if (found.length === 0) throw new StartProblem("discovery failed", problems.join("; "));
  if (!found.some(({ name }) => name === own.name)) {
    throw new StartProblem(
      "discovery failed",
      `cannot find local etcd member "${own.name}" in SRV records${problems.length === 0 ? "" : ` (${problems.join("; ")})`}`,
    );
  }
  own.log.info("got bootstrap from DNS", { domain, members: found.map(({ name, url }) => `${name}=${url}`) });
  const urlsByName = new Map<string, string[]>();
  for (const { name, url } of found) urlsByName.set(name, [...(urlsByName.get(name) ?? []), url]);
  return [...urlsByName].map(([name, peerUrls]) => ({ name, peerUrls }));
}

/** Each address with the port; a host that leads nowhere has none. */
async function placesOf(host: string, port: number, dns: Dns): Promise<string[]> {
  const bare = host.replace(/^\[|\]$/g, "");
  if (isIP(bare) !== 0) return [`${bare} ${port}`];
  try {
    return (await dns.addressesOf(bare)).map((address) => `${address} ${port}`);
  } catch {
    // It may be another member that is not up yet; this one is then found in no record.
    return [];
  }
}

/** DNS gives records in any order; the numbers must not depend on it. */
const sorted = <Entry extends { readonly name: string; readonly port: number }>(entries: readonly Entry[]): Entry[] =>
  [...entries].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.port - b.port));

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
