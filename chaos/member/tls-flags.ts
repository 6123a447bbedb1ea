/*
 * What flags say of TLS, once for the client ports and once for the peer ports, which have the same flags under two
 * prefixes. Files are named here and read in tls-material.ts. Source: etcd configuration, §2.3 security, §5, §7.
 */
import { getCiphers } from "node:tls";
import { refuse } from "./flag-problem.ts";
import { type Given, switchOf } from "./flag-sources.ts";
import { type FlagName, flagTable } from "./flag-table.ts";
import { addressOf, isSecureUrl, listOf } from "./urls.ts";

export type TlsSide = "client" | "peer";

/** One side's TLS. A file name of "" is one not given. */
export interface TlsOptions {
  readonly side: TlsSide;
  readonly certFile: string;
  readonly keyFile: string;
  /** What this member shows where it dials; not given: the pair above. */
  readonly dialCertFile: string;
  readonly dialKeyFile: string;
  /** Signs what clients and peers must show; and, for peers, what this member expects where it dials. */
  readonly trustedCaFile: string;
  readonly clientCertAuth: boolean;
  readonly crlFile: string;
  /** One of them must be the common name of whoever connects; none: any will do. */
  readonly allowedCommonNames: readonly string[];
  /** The certificate of whoever connects must be valid for one of them; none: any will do. */
  readonly allowedHostnames: readonly string[];
  readonly skipAddressCheck: boolean;
  /** Make a pair of its own, signed by nobody, where none is given. */
  readonly autoTls: boolean;
  readonly selfSignedYears: number;
  /** OpenSSL's names, joined by colons; undefined: the runtime's choice. */
  readonly ciphers: string | undefined;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion | undefined;
}

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** Whoever connects must show a certificate. */
export const wantsClientCertificate = ({ clientCertAuth, trustedCaFile }: TlsOptions): boolean =>
  clientCertAuth || trustedCaFile !== "";

/** @throws FlagProblem for flags that contradict each other or name what there is not */
export function tlsOptionsOf(given: Given, side: TlsSide): TlsOptions {
  const text = (name: FlagName): string => given.get(name) ?? flagTable[name].standard;
  const isOn = (name: FlagName): boolean => switchOf(text(name)) === true;
  const names = flagNames[side];
  const options: TlsOptions = {
    side,
    certFile: text(names.cert),
    keyFile: text(names.key),
    dialCertFile: text(names.dialCert),
    dialKeyFile: text(names.dialKey),
    trustedCaFile: text(names.trustedCa),
    clientCertAuth: isOn(names.clientCertAuth),
    crlFile: text(names.crl),
    allowedCommonNames: side === "peer" ? listOf(text("peer-cert-allowed-cn")) : [],
    allowedHostnames: listOf(text(names.allowedHostname)),
    skipAddressCheck: side === "client" || isOn("peer-skip-client-san-verification"),
    autoTls: isOn(names.autoTls),
    selfSignedYears: Number(text("self-signed-cert-validity")),
    ...protocolOf(text("cipher-suites"), text("tls-min-version"), text("tls-max-version")),
  };
  checkPair(options.certFile, options.keyFile);
  checkPair(options.dialCertFile, options.dialKeyFile);
  if (options.autoTls && options.selfSignedYears < 1) {
    refuse(`--self-signed-cert-validity must be at least 1 year (set to ${options.selfSignedYears})`);
  }
  if (options.allowedCommonNames.length > 0 && options.allowedHostnames.length > 0) {
    refuse(
      `AllowedCNs and AllowedHostnames are mutually exclusive (cns=[${options.allowedCommonNames.join(" ")}], hostnames=[${options.allowedHostnames.join(" ")}])`,
    );
  }
  return options;
}

const flagNames = {
  client: {
    cert: "cert-file",
    key: "key-file",
    dialCert: "client-cert-file",
    dialKey: "client-key-file",
    trustedCa: "trusted-ca-file",
    clientCertAuth: "client-cert-auth",
    crl: "client-crl-file",
    allowedHostname: "client-cert-allowed-hostname",
    autoTls: "auto-tls",
  },
  peer: {
    cert: "peer-cert-file",
    key: "peer-key-file",
    dialCert: "peer-client-cert-file",
    dialKey: "peer-client-key-file",
    trustedCa: "peer-trusted-ca-file",
    clientCertAuth: "peer-client-cert-auth",
    crl: "peer-crl-file",
    allowedHostname: "peer-cert-allowed-hostname",
    autoTls: "peer-auto-tls",
  },
} as const satisfies { readonly [Side in TlsSide]: { readonly [part: string]: FlagName } };

function checkPair(certFile: string, keyFile: string): void {
  if ((certFile === "") !== (keyFile === "")) {
    refuse(`KeyFile and CertFile must both be present[key: ${keyFile}, cert: ${certFile}]`);
  }
}

/** What every URL to listen on demands of that side's files. @returns warnings @throws FlagProblem */
export function checkSchemes(urls: readonly string[], tls: TlsOptions): string[] {
  const warnings: string[] = [];
  const hasPair = tls.certFile !== "" || tls.autoTls;
  for (const url of urls) {
    if (isSecureUrl(url)) {
      if (hasPair) continue;
      if (tls.side === "client") {
        refuse(`TLS key/cert (--cert-file, --key-file) must be provided for client url ${url} with HTTPS scheme`);
      }
      refuse(
        `cannot listen on TLS for ${addressOf(url)}: KeyFile and CertFile are not presented (--peer-cert-file, --peer-key-file)`,
      );
    }
    if (tls.certFile !== "") {
      warnings.push(
        `scheme is HTTP while key and cert files are present; ignoring key and cert files (${tls.side}-url ${url})`,
      );
    }
    if (tls.clientCertAuth) {
      const flag = tls.side === "client" ? "--client-cert-auth" : "--peer-client-cert-auth";
      warnings.push(
        `scheme is HTTP while ${flag} is enabled; ignoring client cert auth for this URL (${tls.side}-url ${url})`,
      );
    }
  }
  return warnings;
}

/** Flags of that side that ask for what nothing else makes happen. @returns warnings */
export function idleFlags(tls: TlsOptions): string[] {
  const names = flagNames[tls.side];
  const warnings: string[] = [];
  if (!wantsClientCertificate(tls)) {
    const idle = [
      ...(tls.crlFile === "" ? [] : [names.crl]),
      ...(tls.allowedHostnames.length === 0 ? [] : [names.allowedHostname]),
      ...(tls.allowedCommonNames.length === 0 ? [] : ["peer-cert-allowed-cn"]),
    ];
    for (const name of idle) {
      warnings.push(`--${name} turns nobody away: without --${names.clientCertAuth} nobody is asked for a certificate`);
    }
  }
  if (tls.side === "client" && tls.dialCertFile !== "") {
    warnings.push(`--${names.dialCert} and --${names.dialKey} are not used: this member makes no calls to itself`);
  }
  return warnings;
}

// ---- protocol versions and ciphers ---------------------------------------------------------------------------

type Protocol = Pick<TlsOptions, "ciphers" | "minVersion" | "maxVersion">;

function protocolOf(suites: string, min: string, max: string): Protocol {
  const minVersion = versionOf("tls-min-version", min) ?? "TLSv1.2";
  const maxVersion = versionOf("tls-max-version", max);
  if (minVersion === "TLSv1.3" && maxVersion === "TLSv1.2") {
    refuse(`min version (${min}) is greater than max version (${max})`);
  }
  if (suites !== "" && minVersion === "TLSv1.3") {
    refuse("cipher suites cannot be configured when only TLS1.3 is enabled");
  }
  return { ciphers: suites === "" ? undefined : ciphersOf(listOf(suites)), minVersion, maxVersion };
}

function versionOf(flag: FlagName, text: string): TlsVersion | undefined {
  switch (text) {
    case "":
      return undefined;
    case "TLS1.2":
      return "TLSv1.2";
    case "TLS1.3":
      return "TLSv1.3";
    default:
      return refuse(`unexpected TLS version "${text}" for --${flag}: it is TLS1.2 or TLS1.3`);
  }
}

/** Suites of TLS 1.3; always on, as they cannot be chosen in etcd either. */
const newSuites = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/** IANA's names → OpenSSL's, of suites etcd may be told to use. */
const opensslNames: { readonly [suite: string]: string } = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: "ECDHE-RSA-AES256-GCM-SHA384",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: "ECDHE-ECDSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: "ECDHE-ECDSA-AES128-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: "ECDHE-ECDSA-AES128-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: "ECDHE-ECDSA-AES256-SHA",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: "ECDHE-RSA-AES128-SHA",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: "ECDHE-RSA-AES128-SHA256",
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
  TLS_RSA_WITH_AES_128_GCM_SHA256: "AES128-GCM-SHA256",
  TLS_RSA_WITH_AES_256_GCM_SHA384: "AES256-GCM-SHA384",
  TLS_RSA_WITH_AES_128_CBC_SHA: "AES128-SHA",
  TLS_RSA_WITH_AES_128_CBC_SHA256: "AES128-SHA256",
  TLS_RSA_WITH_AES_256_CBC_SHA: "AES256-SHA",
};

function ciphersOf(suites: readonly string[]): string {
  const there = new Set(getCiphers());
  const chosen = suites.map((suite) => {
    if (newSuites.includes(suite)) return suite;
    const name = opensslNames[suite];
    // Suites of etcd that this runtime was built without are as unknown as those that never were.
    if (name === undefined || !there.has(name.toLowerCase())) return refuse(`unexpected TLS cipher suite "${suite}"`);
    return name;
  });
  return [...new Set([...chosen, ...newSuites])].join(":");
}
