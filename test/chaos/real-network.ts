/*
 * Networks of real members without the members: ends that listen, dial and keep what they received, and small hops between
 * them that can be cut one way.
 */
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import { silentLog } from "../../chaos/member/log.ts";
import { PeerNetwork, type PeerNetworkOptions } from "../../chaos/member/network.ts";
import { Port } from "../../chaos/member/port.ts";
import {
  clusterIdOf,
  decodePeerMessage,
  encodePeerMessage,
  type MemberId,
  memberIdOf,
  type PeerMessage,
} from "../../core/index.ts";
import type { NetworkSubject } from "../contract/network.suite.ts";
import { until } from "../kit/real-members.ts";

const cluster = clusterIdOf(77n);
/** After so many milliseconds what was on its way has come. */
export const quietMs = 40;
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** One member's end: a port that listens and a network behind it. */
export class End {
  readonly memberId: MemberId;
  received: PeerMessage[] = [];
  #network: PeerNetwork | undefined;
  #port: Port | undefined;
  number = 0;

  constructor(memberId: MemberId) {
    this.memberId = memberId;
  }

  async start(
    addresses: ReadonlyMap<MemberId, string>,
    more: Partial<Pick<PeerNetworkOptions, "clusterId" | "log" | "queuedBytesMax">> = {},
  ): Promise<void> {
    this.received = [];
    const network = new PeerNetwork({
      memberId: this.memberId,
      clusterId: cluster,
      peers: [...addresses].map(([memberId, address]) => ({ memberId, addresses: [address] })),
      encode: encodePeerMessage,
      decode: decodePeerMessage,
      onMessage: (message) => this.received.push(message),
      log: silentLog,
      ...more,
    });
    this.#network = network;
    this.#port = new Port({ protocols: [network], http: createHttpServer() });
    this.number = await this.#port.listen({ url: "", host: "127.0.0.1", port: this.number, secure: false });
  }
  dial(): void {
    this.#network?.start();
  }
  get connected(): number {
    return this.#network?.connected ?? 0;
  }
  /** That member is to be found there from now on. */
  moved(memberId: MemberId, address: string): void {
    this.#network?.setPeers([{ memberId, addresses: [address] }]);
  }
  send(message: PeerMessage): void {
    this.#network?.send(message);
  }
  async stop(): Promise<void> {
    this.#network?.stop();
    this.#port?.destroy();
    await sleep(quietMs);
  }
}

/** Carries bytes of one link until it is cut; then they vanish, and healing resets the connection. */
class Hop {
  #cut = false;
  readonly #target: () => number;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(target: () => number) {
    this.#target = target;
  }
  async listen(): Promise<number> {
    const server = createServer((from) => {
      const to = connect(this.#target(), "127.0.0.1");
      for (const [socket, other] of [
        [from, to],
        [to, from],
      ] as const) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
      from.on("data", (piece) => {
        if (!this.#cut) to.write(piece);
      });
      to.on("data", (piece) => from.write(piece));
    });
    this.#server = server;
    return new Promise((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  }
  cut(): void {
    this.#cut = true;
  }
  heal(): void {
    if (!this.#cut) return;
    this.#cut = false;
    this.reset();
  }
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
  close(): void {
    this.#server?.close();
    this.reset();
  }
}

/** Three members, and a hop on each way between two. */
export class RealNetwork implements NetworkSubject {
  readonly members = [memberIdOf(1n), memberIdOf(2n), memberIdOf(3n)] as const;
  readonly #ends = new Map<MemberId, End>();
  readonly #hops = new Map<string, Hop>();
  readonly #addresses = new Map<MemberId, Map<MemberId, string>>();

  async open(): Promise<this> {
    for (const member of this.members) this.#ends.set(member, new End(member));
    for (const from of this.members) {
      const addresses = new Map<MemberId, string>();
      for (const to of this.members) {
        const hop = new Hop(() => this.#end(to).number);
        this.#hops.set(`${from}→${to}`, hop);
        addresses.set(to, `127.0.0.1:${await hop.listen()}`);
      }
      this.#addresses.set(from, addresses);
    }
    for (const member of this.members) await this.#start(member);
    for (const member of this.members) this.#end(member).dial();
    await this.#allConnected();
    return this;
  }
  #end(member: MemberId): End {
    const end = this.#ends.get(member);
    if (end === undefined) throw new Error(`no member ${member}`);
    return end;
  }
  async #start(member: MemberId): Promise<void> {
    await this.#end(member).start(this.#addresses.get(member) ?? new Map());
  }
  async #allConnected(): Promise<void> {
    await until(
      () => this.members.every((member) => this.#end(member).connected === 2),
      5_000,
      () => "connections",
    );
    await sleep(quietMs);
  }
  send(message: PeerMessage): void {
    this.#end(message.from).send(message);
  }
  received(member: MemberId): readonly PeerMessage[] {
    return this.#end(member).received;
  }
  async settle(): Promise<void> {
    await sleep(2 * quietMs);
  }
  async cutOneWay(link: { readonly from: MemberId; readonly to: MemberId }): Promise<void> {
    this.#hops.get(`${link.from}→${link.to}`)?.cut();
  }
  async healAll(): Promise<void> {
    for (const hop of this.#hops.values()) hop.heal();
  }
  async restart(member: MemberId): Promise<void> {
    await this.#end(member).stop();
    await this.#start(member);
    this.#end(member).dial();
  }
  async close(): Promise<void> {
    for (const end of this.#ends.values()) await end.stop();
    for (const hop of this.#hops.values()) hop.close();
  }
}
