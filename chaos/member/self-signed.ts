/*
 * A certificate of a member's own, signed by nobody else, for --auto-tls: it keeps what is said from being read on the
 * way and proves nothing about who says it. Made once and kept in the data directory.
 * Source: etcd configuration, §7 TLS.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { StartProblem } from "./data-directory.ts";
import type { Log } from "./log.ts";

export interface OwnPair {
  readonly certFile: string;
  readonly keyFile: string;
}

/**
 * The pair in that directory; made for those hosts when there is none.
 *
 * @param hosts names and addresses the certificate is valid for
 * @throws StartProblem when it cannot be written
 */
export async function ownPair(
  directory: string,
  options: { readonly hosts: readonly string[]; readonly years: number; readonly log: Log },
): Promise<OwnPair> {
  const pair = { certFile: join(directory, "cert.pem"), keyFile: join(directory, "key.pem") };
  if (existsSync(pair.certFile) && existsSync(pair.keyFile)) return pair;
  // Read when it is needed: of no use to a start with certificates, or without TLS.
  const { generate } = await import("selfsigned");
  const notAfterDate = new Date();
  notAfterDate.setFullYear(notAfterDate.getFullYear() + options.years);
  const made = await generate([{ name: "organizationName", value: "etcd" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notAfterDate,
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, keyEncipherment: true, critical: true },
      { name: "extKeyUsage", serverAuth: true, clientAuth: true },
      { name: "subjectAltName", altNames: [...new Set(options.hosts)].map(alternativeName) },
    ],
  });
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(pair.keyFile, made.private, { mode: 0o600 });
    writeFileSync(pair.certFile, made.cert, { mode: 0o600 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartProblem("cannot start", `auto TLS: its certificate cannot be written: ${reason}`);
  }
  options.log.info("created a self-signed certificate", { file: pair.certFile, hosts: options.hosts });
  return pair;
}

const alternativeName = (host: string) =>
  isIP(host) === 0 ? ({ type: 2, value: host } as const) : ({ type: 7, ip: host } as const);
