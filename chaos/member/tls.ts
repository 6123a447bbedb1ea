/*
 * Everything a member needs for TLS before it starts: its files read once, so that a missing one is known at once; a
 * pair of its own where that was asked for; the way in for each side, and the way out to other members.
 * Source: etcd configuration, §7 TLS.
 */
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { MemberFlags } from "./flags.ts";
import type { Entrances } from "./front.ts";
import type { Log } from "./log.ts";
import { PeerDialler } from "./peer-dial.ts";
import type { PortTls } from "./port.ts";
import { ownPair } from "./self-signed.ts";
import type { TlsOptions } from "./tls-flags.ts";
import { TlsMaterial } from "./tls-material.ts";
import type { ListenAddress } from "./urls.ts";

export interface OpenedTls {
  readonly dialler: PeerDialler;
  readonly entrances: Entrances;
}

/** @throws StartProblem naming the file that cannot be used */
export async function openTls(flags: MemberFlags, log: Log): Promise<OpenedTls> {
  const client = await withOwnPair(flags.clientTls, clientAddresses(flags), flags, log);
  const peer = await withOwnPair(flags.peerTls, flags.listenPeer, flags, log);
  const entrance = (tls: TlsOptions): PortTls | undefined => {
    if (tls.certFile === "") return undefined;
    const { certFile, keyFile, trustedCaFile: caFile, crlFile } = tls;
    return { tls, material: new TlsMaterial({ certFile, keyFile, caFile, crlFile }, tls, log), log };
  };
  const own = peer.dialCertFile === "" ? peer : { certFile: peer.dialCertFile, keyFile: peer.dialKeyFile };
  const shown = { certFile: own.certFile, keyFile: own.keyFile, caFile: peer.trustedCaFile, crlFile: "" };
  return {
    dialler: new PeerDialler({
      redirects: flags.peerDial,
      material: new TlsMaterial(shown, peer, log),
      trustAny: isOwnPair(flags.peerTls),
      names: peer,
      trusted: peer.trustedCaFile,
    }),
    entrances: { client: entrance(client), peer: entrance(peer) },
  };
}

const isOwnPair = ({ autoTls, certFile }: TlsOptions): boolean => autoTls && certFile === "";

async function withOwnPair(
  tls: TlsOptions,
  addresses: readonly ListenAddress[],
  { dataDirectory }: Pick<MemberFlags, "dataDirectory">,
  log: Log,
): Promise<TlsOptions> {
  if (!isOwnPair(tls)) {
    if (tls.autoTls) log.warn("auto TLS is not used: certificate files are given", { side: tls.side });
    return tls;
  }
  const hosts = addresses.flatMap(({ host }) => (isEverywhere(host) ? ownAddresses() : [host]));
  const directory = join(dataDirectory, "fixtures", tls.side);
  return { ...tls, ...(await ownPair(directory, { hosts, years: tls.selfSignedYears, log })) };
}

const clientAddresses = ({ listenClient, listenClientHttp, listenMetrics }: MemberFlags): ListenAddress[] => [
  ...listenClient,
  ...listenClientHttp,
  ...listenMetrics,
];

const isEverywhere = (host: string): boolean => host === "" || host === "0.0.0.0" || host === "::";

const ownAddresses = (): string[] => [
  "localhost",
  ...Object.values(networkInterfaces()).flatMap((found) => (found ?? []).map(({ address }) => address)),
];
