/*
 * The way in to a port that speaks TLS: handshakes, the judgement of certificates, and fresh files for every new
 * connection. What comes out is a plain stream for whatever protocol is spoken inside.
 * Source: etcd configuration, §7 TLS.
 */
import type { Socket } from "node:net";
import { Server, type TLSSocket } from "node:tls";
import { certificateProblem } from "./certificate-rules.ts";
import type { Log } from "./log.ts";
import { type TlsOptions, wantsClientCertificate } from "./tls-flags.ts";
import type { TlsMaterial } from "./tls-material.ts";
import { tlsWords } from "./tls-words.ts";

/** A handshake that takes longer ends the connection. */
const handshakeMs = 10_000;

export class TlsEntrance {
  readonly #material: TlsMaterial;
  readonly #server: Server;
  #version: number;

  /** @param options.onSecure called with a connection that may come in; whoever gets it reads it from its beginning */
  constructor(options: {
    readonly tls: TlsOptions;
    readonly material: TlsMaterial;
    readonly log: Log;
    readonly onSecure: (socket: TLSSocket) => void;
  }) {
    const { tls, material, log, onSecure } = options;
    this.#material = material;
    this.#version = material.version;
    this.#server = new Server({
      ...material.now(),
      // Judged here, after the handshake, so that the reason can be logged.
      requestCert: wantsClientCertificate(tls),
      rejectUnauthorized: false,
      handshakeTimeout: handshakeMs,
      // Browsers and curl offer both and get HTTP/1.1, whose paths are served; gRPC's clients offer h2 alone.
      ALPNCallback: ({ protocols }) => ["http/1.1", "h2"].find((name) => protocols.includes(name)),
    });
    const reject = (socket: TLSSocket, error: string, level: "warn" | "debug"): void =>
      log[level]("rejected connection", {
        "remote-addr": `${socket.remoteAddress ?? ""}:${socket.remotePort ?? ""}`,
        side: tls.side,
        error,
      });
    this.#server.on("secureConnection", (socket) => {
      socket.on("error", () => socket.destroy());
      // A certificate nobody can judge lets nobody in.
      const judged = certificateProblem(socket, tls).catch(
        (error: unknown) => `the certificate cannot be judged: ${error}`,
      );
      void judged.then((problem) => {
        if (socket.destroyed) return;
        if (problem === undefined) return onSecure(socket);
        reject(socket, problem, "warn");
        socket.destroy();
      });
    });
    this.#server.on("tlsClientError", (error, socket) => {
      // Port checks of load balancers connect and go.
      const gone = (error as NodeJS.ErrnoException).code === "ECONNRESET";
      reject(socket, gone ? "EOF" : (tlsWords(error) ?? error.message), gone ? "debug" : "warn");
      socket.destroy();
    });
  }

  /** Takes a connection that has said nothing yet. */
  accept(socket: Socket): void {
    const material = this.#material.now();
    if (this.#material.version !== this.#version) {
      this.#version = this.#material.version;
      this.#server.setSecureContext(material);
    }
    this.#server.emit("connection", socket);
  }
}
