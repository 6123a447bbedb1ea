/*
 * The ports of one member and what is served on each: peers; clients, as gRPC and HTTP on one port or on two; metrics and
 * health on ports of their own. Opened and closed when the process says so. Source: etcd v3 HTTP surface, §1 listeners.
 */
import type { Server as HttpServer } from "node:http";
import type { MemberFlags } from "./flags.ts";
import type { Log } from "./log.ts";
import type { Places } from "./places.ts";
import { Port, type PortTls, type Protocol } from "./port.ts";
import type { TlsSide } from "./tls-flags.ts";
import { addressOf, type ListenAddress } from "./urls.ts";

/** Of each side with an https URL to listen on. */
export type Entrances = { readonly [Side in TlsSide]: PortTls | undefined };

export interface FrontOptions {
  readonly flags: Pick<MemberFlags, "listenPeer" | "listenClient" | "listenClientHttp" | "listenMetrics">;
  readonly entrances: Entrances;
  /** Of connections of clients, whichever port they come to. */
  readonly places: Places;
  readonly log: Log;
  readonly peers: Protocol;
  readonly peerHttp: HttpServer;
  readonly grpc: Protocol;
  readonly clientHttp: HttpServer;
  readonly metricsHttp: HttpServer;
}

export class Front {
  readonly #options: FrontOptions;
  readonly #peers: Port;
  readonly #clients: Port;
  readonly #http: Port;
  readonly #metrics: Port;

  constructor(options: FrontOptions) {
    this.#options = options;
    const { flags, entrances, places } = options;
    const isSplit = flags.listenClientHttp.length > 0;
    this.#peers = new Port({ secure: entrances.peer, protocols: [options.peers], http: options.peerHttp });
    this.#clients = new Port({
      places,
      secure: entrances.client,
      protocols: [options.grpc],
      http: isSplit ? undefined : options.clientHttp,
    });
    this.#http = new Port({ places, secure: entrances.client, protocols: [], http: options.clientHttp });
    this.#metrics = new Port({ secure: entrances.client, protocols: [], http: options.metricsHttp });
  }

  /** Before the member starts: others may speak to it, and probes see it. @throws an error with etcd's text */
  async open(): Promise<void> {
    const { flags, log } = this.#options;
    for (const address of flags.listenPeer) await this.#peers.listen(address);
    for (const address of flags.listenMetrics) {
      await this.#metrics.listen(address);
      log.info("serving metrics", { address: address.url });
    }
  }

  /** Once the cluster knows this member. @throws an error with etcd's text */
  async openClients(): Promise<void> {
    const { flags, log } = this.#options;
    const isSplit = flags.listenClientHttp.length > 0;
    const listen = async (port: Port, address: ListenAddress, traffic: string): Promise<void> => {
      await port.listen(address);
      const fields = { traffic, address: addressOf(address.url) };
      if (address.secure) log.info("serving client traffic securely", fields);
      else log.info("serving client traffic insecurely; this is strongly discouraged!", fields);
    };
    for (const address of flags.listenClientHttp) await listen(this.#http, address, "http");
    for (const address of flags.listenClient) await listen(this.#clients, address, isSplit ? "grpc" : "grpc+http");
  }

  /** Takes no more clients; connections there go on. */
  stopListening(): void {
    this.#clients.stopListening();
    this.#http.stopListening();
  }

  destroyClients(): void {
    this.#clients.destroy();
    this.#http.destroy();
    this.#metrics.destroy();
  }

  destroyPeers(): void {
    this.#peers.destroy();
  }
}
