/*
 * How a client reaches an end point: plain, or over TLS with the files it was given. The scheme of the end point decides;
 * without one, TLS is used when anything about TLS was said. Source: etcdctl, §1 global rules.
 */
import { readFileSync } from "node:fs";
import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { isIP } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";

export interface TransportFlags {
  /** Files in PEM form; absent: not given. */
  readonly cacert?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** False: TLS for end points without a scheme, even without files. */
  readonly insecureTransport: boolean;
  /** Take any certificate of the server. */
  readonly insecureSkipTlsVerify: boolean;
}

export interface Reached {
  /** host:port, or unix:path. */
  readonly target: string;
  readonly credentials: ChannelCredentials;
}

/** Something about an end point or a file is wrong; the message names it and says what to do. */
export class TransportProblem extends Error {
  override readonly name = "TransportProblem";
}

export class Transport {
  readonly #prefix: string;
  readonly #secure: ChannelCredentials;
  readonly #context: SecureContext;
  readonly #rejectUnauthorized: boolean;
  readonly #isSecureUnsaid: boolean;

  /**
   * @param prefix of the flags' names, for texts
   * @throws TransportProblem when a file cannot be used
   */
  constructor(flags: TransportFlags, prefix = "--") {
    this.#prefix = prefix;
    const { cacert, cert, key, insecureTransport, insecureSkipTlsVerify } = flags;
    if ((cert === undefined) !== (key === undefined)) {
      throw new TransportProblem(
        `${prefix}cert and ${prefix}key go together: ${prefix}${cert === undefined ? "cert" : "key"} is missing`,
      );
    }
    const material = {
      ...read("ca", `${prefix}cacert`, cacert),
      ...read("cert", `${prefix}cert`, cert),
      ...read("key", `${prefix}key`, key),
    };
    let context: SecureContext;
    try {
      context = createSecureContext(material);
    } catch (error) {
      const files = [cacert, cert, key].filter((path) => path !== undefined).join(", ");
      throw new TransportProblem(`${files} cannot be used: ${error instanceof Error ? error.message : String(error)}`);
    }
    this.#context = context;
    this.#rejectUnauthorized = !insecureSkipTlsVerify;
    this.#secure = namingNoAddress(
      credentials.createFromSecureContext(context, { rejectUnauthorized: !insecureSkipTlsVerify }),
    );
    this.#isSecureUnsaid = cacert !== undefined || cert !== undefined || !insecureTransport;
  }

  /** @throws TransportProblem when it is no end point */
  reach(endpoint: string): Reached {
    const unix = /^unixs?:(?:\/\/)?(.+)$/s.exec(endpoint)?.[1];
    if (unix !== undefined) {
      return {
        target: `unix:${unix}`,
        credentials: this.#isSecure(endpoint) ? this.#secure : credentials.createInsecure(),
      };
    }
    const target = endpoint.replace(/^https?:\/\//, "");
    if (!/^(\[[0-9a-fA-F:.%]+\]|[^\s:/]+):\d{1,5}$/.test(target)) {
      throw new TransportProblem(
        `${this.#prefix}endpoints: "${endpoint}" is no host:port, http://host:port, https://host:port, unix://path or unixs://path`,
      );
    }
    return { target, credentials: this.#isSecure(endpoint) ? this.#secure : credentials.createInsecure() };
  }

  /** One GET over HTTP/1.1. @returns the text of the page @throws Error that says why there is none */
  get(endpoint: string, path: string, timeoutMs: number): Promise<string> {
    const secure = this.#isSecure(endpoint);
    const { target } = this.reach(endpoint);
    const socketPath = target.startsWith("unix:") ? target.slice("unix:".length) : undefined;
    const url = `${secure ? "https" : "http"}://${socketPath === undefined ? target : "localhost"}${path}`;
    const where = socketPath === undefined ? {} : { socketPath };
    const tls = { secureContext: this.#context, rejectUnauthorized: this.#rejectUnauthorized };
    return new Promise((resolve, reject) => {
      const request = (secure ? requestSecure : requestPlain)(
        url,
        { agent: false, timeout: timeoutMs, ...where, ...(secure ? tls : {}) },
        (response) => {
          const pieces: Buffer[] = [];
          response.on("data", (piece: Buffer) => pieces.push(piece));
          response.on("error", reject);
          response.on("end", () => {
            if (response.statusCode === 200) resolve(Buffer.concat(pieces).toString("utf8"));
            else reject(new Error(`${url} answers with status ${response.statusCode}`));
          });
        },
      );
      request.on("timeout", () => request.destroy(new Error(`${url} does not answer`)));
      request.on("error", reject);
      request.end();
    });
  }

  #isSecure(endpoint: string): boolean {
    return /^(https|unixs):/.test(endpoint) || (!/^(http|unix):/.test(endpoint) && this.#isSecureUnsaid);
  }
}

/**
 * TLS lets a client say which host it wants, and no address may stand there; grpc-js puts one there, and the runtime warns
 * of it. The certificate is still checked against the address.
 */
function namingNoAddress(secure: ChannelCredentials): ChannelCredentials {
  const connectorOf = secure._createSecureConnector.bind(secure);
  secure._createSecureConnector = (target, options, callCredentials) => {
    const connector = connectorOf(target, options, callCredentials);
    const { connectionOptions } = connector as { readonly connectionOptions?: { servername?: string } };
    if (connectionOptions !== undefined && isIP(connectionOptions.servername ?? "") !== 0) {
      delete connectionOptions.servername;
    }
    return connector;
  };
  return secure;
}

function read<Name extends string>(
  name: Name,
  flag: string,
  path: string | undefined,
): { readonly [Key in Name]?: Buffer } {
  if (path === undefined) return {};
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new TransportProblem(`${flag}: open ${path}: ${missing ? "no such file or directory" : String(error)}`);
  }
  if (!/-----BEGIN [A-Z ]+-----/.test(bytes.toString("latin1"))) {
    throw new TransportProblem(`${flag}: ${path} holds nothing in PEM form`);
  }
  return { [name]: bytes } as { readonly [Key in Name]?: Buffer };
}
