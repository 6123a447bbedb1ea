/*
 * Connections this member opens to other members: plain or TLS, as the scheme of the peer URL says. The certificate of
 * the other side must be valid for the host of its URL, wherever a drill's proxy makes the connection go.
 * Source: etcd configuration, §7 TLS.
 */
import { X509Certificate } from "node:crypto";
import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { isIP, type Socket, connect as tcpConnect } from "node:net";
import { type ConnectionOptions, checkServerIdentity, type PeerCertificate, connect as tlsConnect } from "node:tls";
import { certificateReason, commonNameOf, nameProblem } from "./certificate-rules.ts";
import type { TlsOptions } from "./tls-flags.ts";
import type { TlsMaterial } from "./tls-material.ts";
import { tlsWords } from "./tls-words.ts";
import { addressOf, isSecureUrl, isUnixUrl } from "./urls.ts";

export interface Dialled {
  readonly socket: Socket;
  /** The event after which it can be written to. */
  readonly ready: "connect" | "secureConnect";
  /** An error in words, when it will not go away by trying again; undefined: nobody is there, or not yet. */
  readonly explain: (error: NodeJS.ErrnoException) => string | undefined;
}

/** Opens one connection to a peer URL, or to `host:port`. */
export type Connect = (peerUrl: string) => Dialled;

/** Without TLS. */
export const connectPlain: Connect = (peerUrl) => plainTo(placeOf(peerUrl));

const plainTo = (place: Place): Dialled => ({
  socket: tcpConnect({ ...place, noDelay: true }),
  ready: "connect",
  explain: () => undefined,
});

/** Where a connection goes; a unix socket is a file. */
type Place = { readonly host: string; readonly port: number } | { readonly path: string };

export interface PeerDialOptions {
  /** Peer URL → "host:port" to dial in its place. */
  readonly redirects: ReadonlyMap<string, string>;
  /** What this member shows, and whom it trusts. */
  readonly material: TlsMaterial;
  /** Take any certificate of the other side, as --peer-auto-tls does. */
  readonly trustAny: boolean;
  readonly names: Pick<TlsOptions, "allowedCommonNames" | "allowedHostnames">;
  /** File of the authorities it trusts; "": the system's. For texts. */
  readonly trusted: string;
}

/** Most bytes of an answer over HTTP. */
const answerBytesMax = 16 * 1024 * 1024;

export class PeerDialler {
  readonly #options: PeerDialOptions;

  constructor(options: PeerDialOptions) {
    this.#options = options;
  }

  readonly connect: Connect = (peerUrl) => {
    const place = this.#placeOf(peerUrl);
    if (!isSecureUrl(peerUrl)) return plainTo(place);
    return {
      socket: tlsConnect({ ...place, ...this.#tlsFor(peerUrl) }).setNoDelay(true),
      ready: "secureConnect",
      explain: (error) => (isPassing(error) ? undefined : `${peerUrl}: ${this.#inWords(error)}`),
    };
  };

  /** One GET. @returns undefined: nobody answers, or not with 200 */
  get(
    peerUrl: string,
    path: string,
    timeoutMs: number,
  ): Promise<{ readonly clusterIdHex: string; readonly text: string } | undefined> {
    const place = this.#placeOf(peerUrl);
    const where = "path" in place ? { socketPath: place.path, headers: { host: "localhost" } } : place;
    const secure = isSecureUrl(peerUrl);
    return new Promise((resolve) => {
      const options = { ...where, path, agent: false, ...(secure ? this.#tlsFor(peerUrl) : {}) };
      const request = (secure ? requestSecure : requestPlain)(options, (response) => {
        const pieces: Buffer[] = [];
        let held = 0;
        response.on("data", (piece: Buffer) => {
          held += piece.length;
          if (held > answerBytesMax) request.destroy();
          else pieces.push(piece);
        });
        response.on("end", () => {
          const clusterIdHex = String(response.headers["x-etcd-cluster-id"] ?? "0");
          const text = Buffer.concat(pieces).toString("utf8");
          resolve(response.statusCode === 200 ? { clusterIdHex, text } : undefined);
        });
      });
      const timer = setTimeout(() => request.destroy(), timeoutMs);
      // Not there, or not yet: the usual case when a cluster starts for the first time.
      request.on("error", () => resolve(undefined));
      request.on("close", () => {
        clearTimeout(timer);
        resolve(undefined);
      });
      request.end();
    });
  }

  /** The names a peer must have are asked of those that are dialled, too. */
  #nameError(shown: PeerCertificate): Error | undefined {
    const certificate = new X509Certificate(shown.raw);
    const problem = nameProblem({ certificate, commonName: commonNameOf(shown) }, this.#options.names);
    return problem === undefined ? undefined : new Error(problem);
  }

  #inWords(error: NodeJS.ErrnoException): string {
    const reason = certificateReason(error.code);
    if (reason === undefined) return tlsWords(error) ?? error.message;
    const { trusted } = this.#options;
    return `tls: failed to verify certificate: ${reason} (trusted: ${trusted === "" ? "the system's authorities" : trusted})`;
  }

  #placeOf(peerUrl: string): Place {
    return placeOf(this.#options.redirects.get(peerUrl) ?? peerUrl);
  }

  #tlsFor(peerUrl: string): ConnectionOptions {
    const host = hostOf(peerUrl);
    return {
      ...this.#options.material.now(),
      rejectUnauthorized: !this.#options.trustAny,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      checkServerIdentity: (_dialled, shown) => checkServerIdentity(host, shown) ?? this.#nameError(shown),
    };
  }
}

/** Of a URL or of `host:port`; etcd's localhost is 127.0.0.1. */
function placeOf(url: string): Place {
  const address = addressOf(url);
  if (isUnixUrl(url)) return { path: address };
  const host = hostOf(url);
  return { host: host === "localhost" ? "127.0.0.1" : host, port: Number(address.slice(address.lastIndexOf(":") + 1)) };
}

/** The name a certificate must be valid for; a socket file without one is this machine's. */
function hostOf(url: string): string {
  const address = addressOf(url);
  if (isUnixUrl(url)) return address.replace(/[:/].*$/s, "") || "localhost";
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

/** What a member that is down, starting or cut off looks like. */
const isPassing = ({ code }: NodeJS.ErrnoException): boolean =>
  [
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "EPIPE",
    "ENOTFOUND",
    "EAI_AGAIN",
    // A socket file that is not there yet.
    "ENOENT",
  ].includes(code ?? "");
