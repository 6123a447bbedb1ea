/*
 * Certificates, keys and lists of revoked certificates as they lie in files, read again when a file changes: a renewed
 * certificate serves new connections without a restart. A change that cannot be used is logged once, and the material
 * from before it stays: a pair that is replaced file by file fits only when both are there.
 * Source: etcd configuration, §7 TLS.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { StartProblem } from "./data-directory.ts";
import type { Log } from "./log.ts";
import type { TlsOptions } from "./tls-flags.ts";

/** Files by what they are for; "" is none. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  readonly crlFile: string;
}

export class TlsMaterial {
  readonly #files: TlsFiles;
  readonly #settings: SecureContextOptions;
  readonly #log: Log;
  #stamp: string;
  #current: SecureContextOptions;
  #version = 0;

  /** @throws StartProblem naming the file that cannot be used */
  constructor(files: TlsFiles, options: Pick<TlsOptions, "ciphers" | "minVersion" | "maxVersion">, log: Log) {
    this.#files = files;
    this.#log = log;
    const { ciphers, minVersion, maxVersion } = options;
    this.#settings = {
      minVersion,
      ...(maxVersion === undefined ? {} : { maxVersion }),
      ...(ciphers === undefined ? {} : { ciphers }),
    };
    this.#stamp = this.#stampNow();
    const read = this.#read();
    if ("problem" in read) throw new StartProblem("cannot use TLS files", read.problem);
    this.#current = read;
  }

  /** Rises with every change that was taken over. */
  get version(): number {
    return this.#version;
  }

  /** What the files hold now; what they held before while they cannot be used. */
  now(): SecureContextOptions {
    const stamp = this.#stampNow();
    if (stamp === this.#stamp) return this.#current;
    this.#stamp = stamp;
    const read = this.#read();
    if ("problem" in read) {
      this.#log.error("TLS files changed and cannot be used; those from before stay in use", { error: read.problem });
      return this.#current;
    }
    this.#current = read;
    this.#version += 1;
    this.#log.info("TLS files were read again", { files: Object.values(this.#files).filter((path) => path !== "") });
    return read;
  }

  /** Changes when any of the files does. */
  #stampNow(): string {
    return Object.values(this.#files)
      .map((path) => {
        const found = path === "" ? undefined : statSync(path, { throwIfNoEntry: false });
        return found === undefined ? "-" : `${found.ino}.${found.size}.${found.mtimeMs}`;
      })
      .join();
  }

  #read(): SecureContextOptions | { readonly problem: string } {
    const { certFile, keyFile, caFile, crlFile } = this.#files;
    try {
      const cert = readPem(certFile, "certificate");
      const material: SecureContextOptions = {
        ...this.#settings,
        ...(cert === undefined ? {} : { cert }),
        ...part("key", readPem(keyFile, "key")),
        ...part("ca", readPem(caFile, "certificate")),
        ...part("crl", readCrl(crlFile)),
      };
      tryContext(material, this.#files);
      if (cert !== undefined) this.#warnOfDates(cert);
      return material;
    } catch (error) {
      if (error instanceof FileProblem) return { problem: error.message };
      throw error;
    }
  }

  /** A certificate out of its time is shown all the same, as etcd does; those who connect will refuse it. */
  #warnOfDates(cert: string): void {
    const { validFrom, validTo, subject } = new X509Certificate(cert);
    const now = Date.now();
    if (Date.parse(validFrom) <= now && now <= Date.parse(validTo)) return;
    const what = now > Date.parse(validTo) ? "has expired" : "is not valid yet";
    this.#log.warn(`the certificate ${what}; those who connect will refuse it`, {
      file: this.#files.certFile,
      subject,
      "not-before": validFrom,
      "not-after": validTo,
    });
  }
}

/** A file that cannot be used; the message names it. */
class FileProblem extends Error {
  override readonly name = "FileProblem";
}

const part = <Name extends string>(name: Name, value: string | undefined): { readonly [Key in Name]?: string } =>
  value === undefined ? {} : ({ [name]: value } as { readonly [Key in Name]?: string });

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const causes: { readonly [code: string]: string } = {
      ENOENT: "no such file or directory",
      EACCES: "permission denied",
      EISDIR: "is a directory",
    };
    throw new FileProblem(`open ${path}: ${causes[code ?? ""] ?? String(error)}`);
  }
}

function readPem(path: string, kind: "certificate" | "key"): string | undefined {
  if (path === "") return undefined;
  const text = readFile(path).toString("latin1");
  if (!/-----BEGIN [A-Z ]+-----/.test(text)) throw new FileProblem(`${path} holds no ${kind} in PEM form`);
  if (kind === "certificate") {
    try {
      new X509Certificate(text);
    } catch (error) {
      throw new FileProblem(`${path} holds a certificate that cannot be read: ${messageOf(error)}`);
    }
  }
  return text;
}

/** A list of revoked certificates, as PEM or as DER. */
function readCrl(path: string): string | undefined {
  if (path === "") return undefined;
  const bytes = readFile(path);
  const text = bytes.toString("latin1");
  if (text.includes("-----BEGIN X509 CRL-----")) return text;
  const lines = bytes.toString("base64").replace(/.{1,64}/g, "$&\n");
  return `-----BEGIN X509 CRL-----\n${lines}-----END X509 CRL-----\n`;
}

/** Whether the parts are what they should be, and fit together. @throws FileProblem naming the file */
function tryContext(material: SecureContextOptions, { certFile, keyFile, crlFile }: TlsFiles): void {
  const { crl, ...rest } = material;
  try {
    createSecureContext(rest);
  } catch (error) {
    const mismatch = (error as NodeJS.ErrnoException).code === "ERR_OSSL_X509_KEY_VALUES_MISMATCH";
    throw new FileProblem(
      mismatch
        ? `the key in ${keyFile} does not belong to the certificate in ${certFile}`
        : `certificate ${certFile} with key ${keyFile} cannot be used: ${messageOf(error)}`,
    );
  }
  if (crl === undefined) return;
  try {
    createSecureContext(material);
  } catch (error) {
    throw new FileProblem(`${crlFile} holds no list of revoked certificates: ${messageOf(error)}`);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
