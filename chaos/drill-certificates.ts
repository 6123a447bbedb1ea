/*
 * Certificates for one drill over TLS: an authority that lives in memory while they are made, and one pair that every
 * member and every client shows. They lie in the drill's own directory and go with it.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface DrillCertificates {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

const elliptic = { keyType: "ec", curve: "P-256", algorithm: "sha256" } as const;

/** @param hosts IPv4 addresses at which members serve */
export async function makeCertificates(directory: string, hosts: readonly string[]): Promise<DrillCertificates> {
  // Read when it is needed: few drills do.
  const { generate } = await import("selfsigned");
  const authority = await generate([{ name: "commonName", value: "faultline drill" }], {
    ...elliptic,
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, critical: true },
    ],
  });
  const pair = await generate([{ name: "commonName", value: "member" }], {
    ...elliptic,
    ca: { cert: authority.cert, key: authority.private },
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true, clientAuth: true },
      { name: "subjectAltName", altNames: hosts.map((ip) => ({ type: 7, ip })) },
    ],
  });
  const files = {
    caFile: join(directory, "ca.pem"),
    certFile: join(directory, "cert.pem"),
    keyFile: join(directory, "key.pem"),
  };
  writeFileSync(files.caFile, authority.cert);
  writeFileSync(files.certFile, pair.cert);
  writeFileSync(files.keyFile, pair.private, { mode: 0o600 });
  return files;
}

/** etcd's flags for a member that takes nobody without a certificate of that authority, client or peer. */
export const tlsFlags = ({ caFile, certFile, keyFile }: DrillCertificates): string[] =>
  ["", "peer-"].flatMap((side) => [
    `--${side}cert-file=${certFile}`,
    `--${side}key-file=${keyFile}`,
    `--${side}trusted-ca-file=${caFile}`,
    `--${side}client-cert-auth`,
  ]);
