/*
 * Authorities and certificates for tests, in files of a temporary directory.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { generate } from "selfsigned";

export interface Pair {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Leaf {
  /** Common name; absent: none. */
  readonly commonName?: string;
  /** Names and addresses it is valid for. */
  readonly hosts?: readonly string[];
  /** Its last moment; absent: a year from now. */
  readonly notAfter?: Date;
}

/** One certificate authority. */
export class Authority {
  readonly caFile: string;
  /** For tools that sign by themselves. */
  readonly caKeyFile: string;
  readonly #directory: string;
  readonly #ca: { readonly cert: string; readonly key: string };

  private constructor(directory: string, ca: { readonly cert: string; readonly key: string }) {
    this.#directory = directory;
    this.#ca = ca;
    this.caFile = join(directory, "ca.pem");
    this.caKeyFile = join(directory, "ca-key.pem");
    writeFileSync(this.caFile, ca.cert);
    writeFileSync(this.caKeyFile, ca.key);
  }

  static async create(directory: string, name = "Test Authority"): Promise<Authority> {
    mkdirSync(directory, { recursive: true });
    const made = await generate([{ name: "commonName", value: name }], {
      ...elliptic,
      extensions: [
        { name: "basicConstraints", cA: true, critical: true },
        { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
      ],
    });
    return new Authority(directory, { cert: made.cert, key: made.private });
  }

  /** Writes `NAME.pem` and `NAME-key.pem`; replaces those of that name. */
  async issue(name: string, { commonName, hosts = [], notAfter }: Leaf = {}): Promise<Pair> {
    const pair = { certFile: join(this.#directory, `${name}.pem`), keyFile: join(this.#directory, `${name}-key.pem`) };
    const attributes = [
      { name: "organizationName", value: "Test" },
      ...(commonName === undefined ? [] : [{ name: "commonName", value: commonName }]),
    ];
    const made = await generate(attributes, {
      ...elliptic,
      ca: this.#ca,
      notBeforeDate: new Date(Date.now() - 86_400_000),
      ...(notAfter === undefined ? {} : { notAfterDate: notAfter }),
      extensions: [
        { name: "basicConstraints", cA: false, critical: true },
        { name: "keyUsage", digitalSignature: true, critical: true },
        { name: "extKeyUsage", serverAuth: true, clientAuth: true },
        ...(hosts.length === 0
          ? []
          : [
              {
                name: "subjectAltName" as const,
                altNames: hosts.map((host) =>
                  isIP(host) === 0 ? ({ type: 2, value: host } as const) : ({ type: 7, ip: host } as const),
                ),
              },
            ]),
      ],
    });
    writeFileSync(pair.certFile, made.cert);
    writeFileSync(pair.keyFile, made.private);
    return pair;
  }
}

const elliptic = { keyType: "ec", curve: "P-256", algorithm: "sha256" } as const;
