/*
 * End points from DNS: SRV records of a domain, for TLS first, then in plain text.
 * Source: etcd v3 contract, etcdctl, global rules; etcd configuration, §10.
 */
import { systemDns } from "../../member/srv-discovery.ts";
import { badArguments, CtlError } from "./failure.ts";
import { switchOf } from "./typed.ts";

interface DiscoveryFlags {
  readonly endpoints: readonly string[];
  readonly discoverySrv: string;
  readonly discoverySrvName: string;
  readonly insecureDiscovery: string;
}

/** Those flagged, when no domain is. @throws CtlError when DNS names none */
export async function endpointsFrom(flags: DiscoveryFlags, dns = systemDns): Promise<readonly string[]> {
  const { discoverySrv: domain, discoverySrvName: suffix } = flags;
  if (domain === "") return flags.endpoints;
  if (!/^[A-Za-z0-9._-]+$/.test(domain)) throw badArguments(`--discovery-srv: "${domain}" is no domain`);
  const takesPlain = switchOf("--insecure-discovery", flags.insecureDiscovery);
  const found: string[] = [];
  const problems: string[] = [];
  for (const [scheme, service] of [
    ["https", "etcd-client-ssl"],
    ["http", "etcd-client"],
  ] as const) {
    const name = `_${service}${suffix === "" ? "" : `-${suffix}`}._tcp.${domain}`;
    try {
      const records = await dns.resolveSrv(name);
      if (scheme === "http" && !takesPlain) {
        problems.push(`${name} names end points without TLS, and --insecure-discovery is false`);
      } else found.push(...records.map((record) => `${scheme}://${record.name.replace(/\.$/, "")}:${record.port}`));
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (found.length === 0) throw new CtlError(`no end points from --discovery-srv ${domain}: ${problems.join("; ")}`);
  return found;
}
