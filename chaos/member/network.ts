/*
 * The members this one talks to: a link to each other member, over which messages leave, and a reader for each connection
 * of another, from which they come. Nothing is acknowledged and nothing is sent again: Raft expects losses. Not here: how
 * a connection is kept alive (peer-link.ts), what is believed of one (peer-reader.ts), its bytes (peer-stream.ts).
 *
 * Who belongs changes while it runs. A dialler this member has not heard of yet may have been added a moment ago, and
 * may need an answer before this member learns of that: it is dialled back at the URLs of its greeting. Whoever was
 * removed is told so.
 */
import type { Socket } from "node:net";
import type { MemberId, PeerMessage } from "../../core/index.ts";
import { BoundedWarnings } from "./bounded-warnings.ts";
import { type PeerAddress, PeerLink, type PeerLinkOptions } from "./peer-link.ts";
import { PeerReader, type PeerReaderOptions } from "./peer-reader.ts";
import { peerName } from "./peer-stream.ts";
import { PeerTraffic } from "./peer-traffic.ts";
import type { Protocol } from "./port.ts";

export interface PeerNetworkOptions extends PeerLinkOptions, PeerReaderOptions {
  readonly peers: readonly PeerAddress[];
}

/** Members not heard of yet that may be dialled back; more are refused. */
const strangersMax = 16;
/** How long a link outlives the membership of its member. */
const farewellMs = 1_000;

export class PeerNetwork implements Protocol {
  readonly preface = peerName;
  readonly traffic = new PeerTraffic();
  readonly #options: PeerNetworkOptions;
  readonly #links = new Map<MemberId, PeerLink>();
  /** Those of the links that lead to members not heard of yet. */
  readonly #strangers = new Set<MemberId>();
  /** Links to former members, for a moment. */
  readonly #leaving = new Set<PeerLink>();
  readonly #accepted = new Set<Socket>();
  readonly #warnings: BoundedWarnings;
  #started = false;

  constructor(options: PeerNetworkOptions) {
    this.#options = options;
    this.#warnings = new BoundedWarnings(options.log);
    this.setPeers(options.peers);
  }

  /** Starts to dial. */
  start(): void {
    this.#started = true;
    for (const link of this.#links.values()) link.start();
  }

  /** The members of the cluster, as they are from now on: links to others end, new ones begin, moved ones dial the new place. */
  setPeers(peers: readonly PeerAddress[]): void {
    for (const peer of peers) {
      if (peer.memberId === this.#options.memberId) continue;
      this.#strangers.delete(peer.memberId);
      const link = this.#links.get(peer.memberId);
      if (link === undefined) this.#addLink(peer);
      else link.move(peer.addresses);
    }
    for (const [memberId, link] of this.#links) {
      if (this.#strangers.has(memberId) || peers.some((peer) => peer.memberId === memberId)) continue;
      // What was just sent to it is the news that it is a member no more.
      setTimeout(() => link.stop(), farewellMs).unref();
      this.#links.delete(memberId);
      this.traffic.noteMember(memberId, false);
      this.#leaving.add(link);
    }
  }

  /** The voter-to-be of a handover: of those members the one that has been connected for longest. */
  longestConnected(memberIds: readonly MemberId[]): MemberId | undefined {
    let longest: PeerLink | undefined;
    for (const memberId of memberIds) {
      const link = this.#links.get(memberId);
      if (link?.connectedSinceMs === undefined) continue;
      if (longest?.connectedSinceMs === undefined || link.connectedSinceMs < longest.connectedSinceMs) longest = link;
    }
    return longest?.memberId;
  }

  #addLink(peer: PeerAddress): void {
    this.traffic.noteMember(peer.memberId, true);
    const link = new PeerLink(peer, this.#options, this.traffic);
    this.#links.set(peer.memberId, link);
    if (this.#started) link.start();
  }

  /** False: too many came already. */
  #meetStranger(memberId: MemberId, peerUrls: readonly string[]): boolean {
    if (this.#links.has(memberId)) return true;
    if (this.#options.connect === undefined || peerUrls.length === 0 || this.#strangers.size >= strangersMax)
      return false;
    this.#strangers.add(memberId);
    this.#addLink({ memberId, addresses: peerUrls });
    return true;
  }

  /** Leaves soon, or never. A message to a member that is not connected is lost. */
  send(message: PeerMessage): void {
    this.#links.get(message.to)?.send(message);
  }

  /** Members this one can send to at the moment. */
  get connected(): number {
    let count = 0;
    for (const link of this.#links.values()) if (link.connected) count += 1;
    return count;
  }

  stop(): void {
    for (const link of this.#links.values()) link.stop();
    for (const link of this.#leaving) link.stop();
    for (const socket of this.#accepted) socket.destroy();
  }

  accept(socket: Socket): void {
    this.#accepted.add(socket);
    socket.once("close", () => this.#accepted.delete(socket));
    const meet = (memberId: MemberId, peerUrls: readonly string[]) => this.#meetStranger(memberId, peerUrls);
    const { traffic } = this;
    new PeerReader(socket, this.#options, { traffic, meet, warnings: this.#warnings }).start();
  }
}
