/*
 * Who may come in with a certificate that is genuine: rules over its names, beyond the signature that TLS itself checks.
 * Source: etcd configuration, §7 TLS.
 */
import { X509Certificate } from "node:crypto";
import { lookup, reverse } from "node:dns/promises";
import { isIP } from "node:net";
import type { PeerCertificate, TLSSocket } from "node:tls";
import { type TlsOptions, wantsClientCertificate } from "./tls-flags.ts";

/**
 * Judges the certificate of a connection whose handshake is done.
 *
 * @returns why it must end; undefined: it is welcome
 */
export async function certificateProblem(socket: TLSSocket, options: TlsOptions): Promise<string | undefined> {
  if (!wantsClientCertificate(options)) return undefined;
  const shown = socket.getPeerCertificate();
  if (Object.keys(shown).length === 0) return "tls: client didn't provide a certificate";
  const certificate = new X509Certificate(shown.raw);
  if (!socket.authorized) {
    return `tls: failed to verify certificate of ${subjectText(certificate)}: ${reasonOf(socket)}`;
  }
  return (
    nameProblem({ certificate, commonName: commonNameOf(shown) }, options) ??
    (await addressProblem(certificate, socket.remoteAddress ?? "", options))
  );
}

/** The common name a certificate gives its owner; the last one where there are several, "" where there is none. */
export function commonNameOf({ subject }: Pick<PeerCertificate, "subject">): string {
  // Typed as one text; several are a list.
  const names = [(subject as Partial<typeof subject> | undefined)?.CN ?? []].flat();
  return names.at(-1) ?? "";
}

/** Rules about names in the certificate alone. */
export function nameProblem(
  shown: { readonly certificate: HostCheck; readonly commonName: string },
  { allowedCommonNames, allowedHostnames }: Pick<TlsOptions, "allowedCommonNames" | "allowedHostnames">,
): string | undefined {
  if (allowedCommonNames.length > 0) {
    if (!allowedCommonNames.includes(shown.commonName)) {
      return `certificate authentication failed: common name "${shown.commonName}" is none of [${allowedCommonNames.join(" ")}]`;
    }
  }
  if (allowedHostnames.length > 0 && !allowedHostnames.some((host) => isValidFor(shown.certificate, host))) {
    return `certificate authentication failed: the certificate is valid for none of [${allowedHostnames.join(" ")}]`;
  }
  return undefined;
}

type HostCheck = Pick<X509Certificate, "checkHost" | "checkIP">;

function isValidFor(certificate: HostCheck, host: string): boolean {
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  return certificate.checkHost(host, { subject: "never" }) !== undefined;
}

/** A certificate that names addresses or hosts is good only from there; one that names none, from anywhere. */
async function addressProblem(
  certificate: X509Certificate,
  remoteAddress: string,
  { skipAddressCheck }: TlsOptions,
): Promise<string | undefined> {
  // Whoever comes through a unix socket comes from this machine, and has no address.
  if (skipAddressCheck || remoteAddress === "") return undefined;
  const address = remoteAddress.replace(/^::ffff:/, "");
  const { hosts, hasAddresses } = alternativeNames(certificate.subjectAltName);
  if (hasAddresses && isIP(address) !== 0 && certificate.checkIP(address) !== undefined) return undefined;
  if (hosts.length === 0) {
    return hasAddresses ? `x509: certificate is not valid for the address it comes from, ${address}` : undefined;
  }
  for (const host of hosts) {
    if (await leadsTo(host, address)) return undefined;
  }
  return `tls: "${address}" does not match any of DNSNames [${hosts.map((host) => `"${host}"`).join(" ")}]`;
}

/** `DNS:a, IP Address:127.0.0.1`, as the runtime prints it; values with commas come quoted and match nothing. */
function alternativeNames(text: string | undefined): {
  readonly hosts: readonly string[];
  readonly hasAddresses: boolean;
} {
  const entries = (text ?? "").split(", ");
  return {
    hosts: entries.filter((entry) => entry.startsWith("DNS:")).map((entry) => entry.slice("DNS:".length)),
    hasAddresses: entries.some((entry) => entry.startsWith("IP Address:")),
  };
}

async function leadsTo(host: string, address: string): Promise<boolean> {
  try {
    if (host.startsWith("*.")) {
      const names = await reverse(address);
      return names.some((name) => name.replace(/\.$/, "").split(".").slice(1).join(".") === host.slice(2));
    }
    const found = await lookup(host, { all: true });
    return found.some((entry) => entry.address === address);
  } catch {
    // A name that cannot be resolved leads nowhere.
    return false;
  }
}

function reasonOf({ authorizationError }: TLSSocket): string {
  const code = String(authorizationError ?? "unknown");
  return certificateReason(code) ?? code.toLowerCase().replaceAll("_", " ");
}

/** The runtime's code for what is wrong with a certificate, in words; undefined: it is not about that. */
export const certificateReason = (code: string | undefined): string | undefined => reasons[code ?? ""];

const reasons: { readonly [code: string]: string } = {
  CERT_HAS_EXPIRED: "certificate has expired or is not yet valid",
  CERT_NOT_YET_VALID: "certificate has expired or is not yet valid",
  CERT_REVOKED: "certificate was revoked",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate signed by unknown authority",
  UNABLE_TO_GET_ISSUER_CERT: "certificate signed by unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate signed by unknown authority",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate signed by unknown authority",
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificate signed by unknown authority",
  CERT_SIGNATURE_FAILURE: "certificate signed by unknown authority",
  INVALID_PURPOSE: "certificate specifies an incompatible key usage",
};

const subjectText = ({ subject }: X509Certificate): string => `"${subject.replaceAll("\n", ", ")}"`;
