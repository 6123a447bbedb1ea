/*
 * One port or unix socket, several protocols: a connection is handed on by its first bytes. gRPC begins with HTTP/2's preface,
 * members greet each other with a line of their own, and whatever begins otherwise is HTTP/1.1. On an https address the
 * same happens inside TLS, where gRPC is known by what was agreed upon in the handshake.
 */
import { lstatSync, rmSync } from "node:fs";
import type { Server as HttpServer } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Log } from "./log.ts";
import type { Places } from "./places.ts";
import { TlsEntrance } from "./tls-entrance.ts";
import type { TlsOptions } from "./tls-flags.ts";
import type { TlsMaterial } from "./tls-material.ts";
import type { ListenAddress } from "./urls.ts";

export interface Protocol {
  /** A connection that begins with these bytes is this protocol's; the bytes are still unread when it gets it. */
  readonly preface: Buffer;
  accept(socket: Socket): void;
}

/** HTTP/2 with prior knowledge, the way gRPC comes in plain text. */
export const http2Preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** A connection that says nothing for so long is closed. */
const silenceMs = 10_000;

/** What https addresses need. */
export interface PortTls {
  readonly tls: TlsOptions;
  readonly material: TlsMaterial;
  readonly log: Log;
}

export class Port {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #protocols: readonly Protocol[];
  readonly #http: HttpServer | undefined;
  readonly #entrance: TlsEntrance | undefined;
  readonly #places: Places | undefined;

  /**
   * @param options.http undefined: a connection of no known protocol is closed
   * @param options.secure undefined: no https address is ever listened on
   * @param options.places undefined: any number of connections is taken
   */
  constructor(options: {
    readonly protocols: readonly Protocol[];
    readonly http: HttpServer | undefined;
    readonly secure?: PortTls | undefined;
    readonly places?: Places;
  }) {
    this.#places = options.places;
    this.#protocols = options.protocols;
    this.#http = options.http;
    this.#entrance =
      options.secure === undefined
        ? undefined
        : new TlsEntrance({ ...options.secure, onSecure: (socket) => this.#sortSecure(socket) });
  }

  /**
   * @returns the port listened on (of use when 0 was asked for)
   * @throws an error with etcd's text when the address cannot be bound
   */
  async listen(address: ListenAddress): Promise<number> {
    const entrance = address.secure ? this.#entrance : undefined;
    if (address.secure && entrance === undefined) throw new Error(`cannot listen on TLS for ${address.url}`);
    const server = createServer({ noDelay: true }, (socket) => {
      if (this.#places?.take(socket) === false) return;
      if (entrance === undefined) return this.#sort(socket);
      this.#keep(socket);
      entrance.accept(socket);
    });
    await bind(server, address);
    this.#servers.push(server);
    const bound = server.address();
    return typeof bound === "object" && bound !== null ? bound.port : address.port;
  }

  /** Takes no more connections; those there go on. */
  stopListening(): void {
    for (const server of this.#servers) server.close();
  }

  /** Ends everything now. */
  destroy(): void {
    this.stopListening();
    for (const socket of this.#sockets) socket.destroy();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // A broken connection is the business of whoever gets it; before that, of nobody.
    socket.on("error", () => {});
  }

  #sortSecure(socket: TLSSocket): void {
    const http2 = this.#protocols.find(({ preface }) => preface === http2Preface);
    if (socket.alpnProtocol !== "h2" || http2 === undefined) this.#sort(socket);
    else {
      this.#keep(socket);
      http2.accept(socket);
    }
  }

  #sort(socket: Socket): void {
    this.#keep(socket);
    const timer = setTimeout(() => socket.destroy(), silenceMs);
    socket.once("close", () => clearTimeout(timer));
    let head = Buffer.alloc(0);
    const look = (): void => {
      const piece: Buffer | null = socket.read();
      if (piece === null) return;
      head = Buffer.concat([head, piece]);
      const protocol = this.#protocolOf(head);
      if (protocol === "undecided") return;
      clearTimeout(timer);
      socket.removeListener("readable", look);
      socket.unshift(head);
      if (protocol !== undefined) protocol.accept(socket);
      else if (this.#http !== undefined) this.#http.emit("connection", socket);
      else socket.destroy();
    };
    socket.on("readable", look);
  }

  /** A preface may arrive in pieces. */
  #protocolOf(head: Buffer): Protocol | "undecided" | undefined {
    for (const protocol of this.#protocols) {
      const length = Math.min(head.length, protocol.preface.length);
      if (head.compare(protocol.preface, 0, length, 0, length) !== 0) continue;
      return length === protocol.preface.length ? protocol : "undecided";
    }
    return undefined;
  }
}

async function bind(server: Server, address: ListenAddress): Promise<void> {
  if (address.path !== undefined) await clearSocketFile(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(bindError(address, error)));
    if (address.path !== undefined) return server.listen({ path: address.path }, resolve);
    // etcd's localhost is 127.0.0.1.
    const host = address.host === "localhost" ? "127.0.0.1" : address.host === "" ? "::" : address.host;
    return server.listen({ host, port: address.port }, resolve);
  });
}

/** A killed process leaves its socket file behind; one that somebody answers at is somebody's. */
async function clearSocketFile(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const isServed = await new Promise<boolean>((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
  if (!isServed) rmSync(path, { force: true });
}

function bindError(address: ListenAddress, error: NodeJS.ErrnoException): Error {
  const cause = error.code === "EADDRINUSE" ? "bind: address already in use" : error.message;
  if (address.path !== undefined) {
    const length = error.code === "EINVAL" ? "; the path of a socket has 107 bytes at most" : "";
    return new Error(`listen unix ${address.path}: ${cause}${length}`);
  }
  const host = address.host === "localhost" ? "127.0.0.1" : address.host;
  return new Error(`listen tcp ${host}:${address.port}: ${cause}`);
}

/** Throws when the address cannot be bound; binds it only for that moment. */
export async function probe(address: ListenAddress): Promise<void> {
  const server = createServer();
  await bind(server, address);
  await new Promise((resolve) => server.close(resolve));
}
