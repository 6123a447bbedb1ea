/*
 * Messages between members. Each member dials every other and sends on the connection it dialled; what comes in on
 * connections of others is received. Nothing is acknowledged and nothing is sent again: Raft expects losses.
 *
 * A connection begins with a greeting that names the cluster and both members; one that does not fit is refused and
 * logged. A sender needs no answer to go on, so that a link that is cut one way still carries the other way. It does
 * ask for signs of life: a silent connection is replaced by a new one, because TCP alone would need minutes to notice
 * that packets get through again. Attempts to dial come at a bounded pace for ever.
 *
 *     dialler → acceptor   preface, cluster id, from, to (8 bytes each), text (2 bytes of length before it) with the
 *                          dialler's release and URLs, a line each, then frames: length (4 bytes), messages, each with its length (4 bytes); an
 *                          empty frame asks for a sign of life. Little-endian.
 *     acceptor → dialler   1: a sign of life; 2 and a text to the end: refused
 *
 * Who belongs changes while it runs. A dialler this member has not heard of yet may have been added a moment ago, and
 * may need an answer before this member learns of that: it is dialled back at the URLs of its greeting. Whoever was
 * removed is told so.
 */
import type { Socket } from "node:net";
import { type ClusterId, clusterIdOf, hexOf, type MemberId, memberIdOf, type PeerMessage } from "../../core/index.ts";
import type { Log } from "./log.ts";
import { type Connect, connectPlain } from "./peer-dial.ts";
import { dialError, PeerHealth } from "./peer-health.ts";
import { releaseProblem } from "./peer-release.ts";
import { PeerTraffic } from "./peer-traffic.ts";
import type { Protocol } from "./port.ts";
import { addressOf } from "./urls.ts";
import { etcdVersion } from "./version.ts";

export interface PeerAddress {
  readonly memberId: MemberId;
  /** URLs or "host:port", tried in turn. */
  readonly addresses: readonly string[];
}

export interface PeerNetworkOptions {
  readonly memberId: MemberId;
  readonly clusterId: ClusterId;
  readonly peers: readonly PeerAddress[];
  readonly encode: (message: PeerMessage) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => PeerMessage | { readonly malformed: string };
  readonly onMessage: (message: PeerMessage) => void;
  readonly log: Log;
  /** What this member runs; absent: the release of this program. */
  readonly release?: string;
  /** URLs of this member, for members that do not know it yet. */
  readonly peerUrls?: readonly string[];
  /** How a connection is opened; absent: plain TCP, and whoever is not heard of yet is not dialled back. */
  readonly connect?: Connect;
  readonly isRemoved?: (memberId: MemberId) => boolean;
  /** Another member says that this one was removed from the cluster for ever. */
  readonly onRemoved?: (by: MemberId) => void;
  /** The connection to that member stands, or stands no more. */
  readonly onLink?: (memberId: MemberId, connected: boolean) => void;
  /** What may wait for one member; when reached, the oldest message goes: the newest knows most. */
  readonly queuedBytesMax?: number;
  /** A connection of another member that brings nothing for so long is closed. */
  readonly readTimeoutMs?: number;
  /** So is one to another member that takes nothing for so long, while something waits to be taken. */
  readonly writeTimeoutMs?: number;
}

/** Of both, and the least of both that can be asked for, as in etcd. */
export const peerTimeoutLeastMs = 5_000;

/** By which a member's connection is known, whatever form of greeting follows. */
const peerName = Buffer.from("FAULTLINE-PEER ");
const peerPreface = Buffer.concat([peerName, Buffer.from("3\r\n")]);
/** Three ids and the length of the text. */
const greetingBytes = 26;
const removedText = "the member has been permanently removed from the cluster";
/** Members not heard of yet that may be dialled back; more are refused. */
const strangersMax = 16;
const otherGreeting =
  "this member greets its peers in another form; run the same release of this program on all members";
/** Beginnings of refusals that have a text of their own in the log. */
const refusalCauses: { readonly [start: string]: string } = {
  "cluster ID mismatch": " due to cluster ID mismatch",
  "incompatible version": " due to server version incompatibility",
};
/** How long a link outlives the membership of its member. */
const farewellMs = 1_000;
const signOfLife = 1;
const refused = 2;

const dialTimeoutMs = 1_000;
const retryMinMs = 25;
const retryMaxMs = 500;
const askForLifeMs = 500;
/** A connection without a sign of life for so long is replaced. */
const silenceMaxMs = 2_000;
const queuedMessagesMax = 4_096;
const standardQueuedBytesMax = 64 * 1024 * 1024;
const frameBytesMax = 256 * 1024 * 1024;

export class PeerNetwork implements Protocol {
  readonly preface = peerName;
  readonly traffic = new PeerTraffic();
  readonly #options: PeerNetworkOptions;
  readonly #links = new Map<MemberId, Link>();
  /** Those of the links that lead to members not heard of yet. */
  readonly #strangers = new Set<MemberId>();
  /** Links to former members, for a moment. */
  readonly #leaving = new Set<Link>();
  readonly #accepted = new Set<Socket>();
  #started = false;

  constructor(options: PeerNetworkOptions) {
    this.#options = options;
    this.setPeers(options.peers);
  }

  /** Starts to dial. */
  start(): void {
    this.#started = true;
    for (const link of this.#links.values()) link.start();
  }

  /** The members of the cluster, as they are from now on: links to others end, new ones begin, moved ones dial anew. */
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
    let longest: Link | undefined;
    for (const memberId of memberIds) {
      const link = this.#links.get(memberId);
      if (link?.connectedSinceMs === undefined) continue;
      if (longest?.connectedSinceMs === undefined || link.connectedSinceMs < longest.connectedSinceMs) longest = link;
    }
    return longest?.memberId;
  }

  #addLink(peer: PeerAddress): void {
    this.traffic.noteMember(peer.memberId, true);
    const link = new Link(peer, this.#options, this.traffic);
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
    const reader = new FrameReader(socket, this.#options, this.traffic, {
      refuse: (problem) => socket.end(Buffer.concat([Buffer.from([refused]), Buffer.from(problem)])),
      meet: (memberId, peerUrls) => this.#meetStranger(memberId, peerUrls),
    });
    socket.on("data", (piece: Buffer) => reader.take(piece));
    socket.setTimeout(this.#options.readTimeoutMs ?? peerTimeoutLeastMs, () => reader.silent());
  }
}

// ---- sending -------------------------------------------------------------------------------------------------

/** The connection this member dials to one other. */
class Link {
  #peer: PeerAddress;
  readonly #options: PeerNetworkOptions;
  readonly #traffic: PeerTraffic;
  #socket: Socket | undefined;
  /** Since when the other side gives signs of life; undefined: it does not. */
  #connectedSinceMs: number | undefined;
  #dialling: Socket | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #lifeTimer: NodeJS.Timeout | undefined;
  #retryMs = retryMinMs;
  #attempts = 0;
  #lastLifeMs = 0;
  /** When a sign of life was asked for that has not come yet. */
  #askedMs: number | undefined;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #flushing = false;
  #stopped = false;
  #dropped = 0;
  #lastRefusal = "";
  #lastProblem = "";
  #health: PeerHealth;

  constructor(peer: PeerAddress, options: PeerNetworkOptions, traffic: PeerTraffic) {
    this.#peer = peer;
    this.#options = options;
    this.#traffic = traffic;
    this.#health = new PeerHealth(peer.memberId, options.log, performance.now());
  }

  get connected(): boolean {
    return this.#socket !== undefined;
  }

  get memberId(): MemberId {
    return this.#peer.memberId;
  }
  get connectedSinceMs(): number | undefined {
    return this.#connectedSinceMs;
  }

  /** The member has other addresses: a connection to the old ones is of no use any more. */
  move(addresses: readonly string[]): void {
    if (addresses.join() === this.#peer.addresses.join()) return;
    this.#peer = { memberId: this.#peer.memberId, addresses };
    this.#attempts = 0;
    this.#retryMs = retryMinMs;
    this.#dialling?.destroy();
    this.#socket?.destroy();
  }

  #noteLife(alive: boolean): void {
    if (alive === (this.#connectedSinceMs !== undefined)) return;
    this.#connectedSinceMs = alive ? performance.now() : undefined;
    this.#traffic.noteLife(this.#peer.memberId, alive);
    const fields = { "remote-peer-id": hexOf(this.#peer.memberId) };
    if (alive) this.#options.log.info("established TCP streaming connection with remote peer", fields);
    else if (!this.#stopped) this.#options.log.warn("lost TCP streaming connection with remote peer", fields);
    this.#options.onLink?.(this.#peer.memberId, alive);
  }

  start(): void {
    this.#health = new PeerHealth(this.#peer.memberId, this.#options.log, performance.now());
    this.#dial();
    this.#lifeTimer = setInterval(() => this.#askForLife(), askForLifeMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    clearInterval(this.#lifeTimer);
    this.#dialling?.destroy();
    this.#socket?.destroy();
    this.#noteLife(false);
  }

  send(message: PeerMessage): void {
    if (this.#socket === undefined) {
      this.#traffic.noteUnsent(this.#peer.memberId);
      return;
    }
    const bytes = this.#options.encode(message);
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    const bytesMax = this.#options.queuedBytesMax ?? standardQueuedBytesMax;
    while (this.#queue.length > queuedMessagesMax || this.#queuedBytes > bytesMax) this.#dropOldest();
    if (this.#flushing) return;
    this.#flushing = true;
    // When the step under way has been carried out: what it sends to one member is one frame.
    process.nextTick(() => this.#flush());
  }

  #dropOldest(): void {
    this.#queuedBytes -= this.#queue.shift()?.length ?? 0;
    this.#dropped += 1;
    this.#traffic.noteUnsent(this.#peer.memberId);
  }

  #flush(): void {
    this.#flushing = false;
    const socket = this.#socket;
    if (socket === undefined || socket.writableNeedDrain || this.#queue.length === 0) return;
    const frame = Buffer.allocUnsafe(4 + 4 * this.#queue.length + this.#queuedBytes);
    frame.writeUInt32LE(frame.length - 4, 0);
    let position = 4;
    for (const bytes of this.#queue) {
      frame.writeUInt32LE(bytes.length, position);
      frame.set(bytes, position + 4);
      position += 4 + bytes.length;
    }
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#traffic.noteSent(this.#peer.memberId, frame.length);
    socket.write(frame);
  }

  #askForLife(): void {
    this.#health.look(performance.now(), this.#connectedSinceMs !== undefined);
    if (this.#dropped > 0) {
      this.#options.log.warn("dropped internal Raft message since sending buffer is full", {
        "remote-peer-id": hexOf(this.#peer.memberId),
        dropped: this.#dropped,
      });
      this.#dropped = 0;
    }
    const socket = this.#socket;
    if (socket === undefined) return;
    if (performance.now() - this.#lastLifeMs > silenceMaxMs) {
      this.#health.error = `no sign of life on the connection for ${silenceMaxMs}ms`;
      this.#noteLife(false);
      this.#dial();
    }
    if (socket.writableNeedDrain) return;
    this.#askedMs ??= performance.now();
    socket.write(emptyFrame);
  }

  /** A new connection takes the place of the old one once it stands; until then the old one is used. */
  #dial(): void {
    if (this.#stopped || this.#dialling !== undefined) return;
    clearTimeout(this.#retryTimer);
    const address = this.#peer.addresses[this.#attempts++ % this.#peer.addresses.length] ?? "";
    const { socket, ready, explain } = (this.#options.connect ?? connectPlain)(address);
    this.#dialling = socket;
    const place = addressOf(address);
    const timer = setTimeout(() => {
      this.#health.error = `dial tcp ${place}: i/o timeout`;
      socket.destroy();
    }, dialTimeoutMs);
    socket.once(ready, () => {
      clearTimeout(timer);
      this.#dialling = undefined;
      this.#adopt(socket);
    });
    socket.on("error", (error) => {
      this.#options.log.debug("connection to peer failed", {
        "remote-peer-id": hexOf(this.#peer.memberId),
        error: error.message,
      });
      this.#health.error = explain(error) ?? dialError(place, error);
      this.#noteProblem(explain(error));
    });
    socket.once("close", () => {
      clearTimeout(timer);
      if (this.#dialling === socket) this.#dialling = undefined;
      if (this.#socket === socket) this.#lost(ready === "secureConnect");
      this.#retryLater();
    });
  }

  #adopt(socket: Socket): void {
    const previous = this.#socket;
    this.#socket = socket;
    previous?.destroy();
    this.#lastLifeMs = performance.now();
    this.#askedMs = this.#lastLifeMs;
    // What waited for the connection before it was written for another moment of the other member.
    this.#queue = [];
    this.#queuedBytes = 0;
    socket.write(greeting(this.#options, this.#peer.memberId));
    socket.write(emptyFrame);
    socket.on("drain", () => this.#flush());
    socket.on("data", (piece: Buffer) => this.#hear(piece));
    // Something is written twice a second: only one that takes nothing is idle for so long.
    socket.setTimeout(this.#options.writeTimeoutMs ?? peerTimeoutLeastMs, () => this.#stuck(socket));
  }

  #stuck(socket: Socket): void {
    this.#health.error = "write: i/o timeout";
    this.#options.log.warn("closed connection to a peer that takes nothing", {
      "remote-peer-id": hexOf(this.#peer.memberId),
      "write-timeout": `${this.#options.writeTimeoutMs ?? peerTimeoutLeastMs}ms`,
    });
    socket.destroy();
  }

  #hear(piece: Buffer): void {
    if (piece[0] !== refused && piece[0] !== signOfLife) {
      this.#retryMs = retryMaxMs;
      this.#noteProblem(
        "what listens there is no member of this kind (a stock etcd?), and members of the two kinds cannot be one cluster; restore a snapshot of the one into a new cluster of the other",
      );
      this.#socket?.destroy();
      return;
    }
    if (piece[0] !== refused) {
      this.#lastLifeMs = performance.now();
      if (this.#askedMs !== undefined) {
        this.#health.roundTripMs = this.#lastLifeMs - this.#askedMs;
        this.#traffic.noteRoundTrip(this.#peer.memberId, this.#health.roundTripMs);
        this.#askedMs = undefined;
      }
      this.#retryMs = retryMinMs;
      this.#lastRefusal = "";
      this.#lastProblem = "";
      this.#noteLife(true);
      return;
    }
    const reason = piece.subarray(1).toString("utf8");
    this.#retryMs = retryMaxMs;
    this.#health.error = reason;
    if (reason !== this.#lastRefusal) {
      const cause = Object.entries(refusalCauses).find(([start]) => reason.startsWith(start))?.[1] ?? "";
      this.#options.log.warn(`request sent was ignored by remote peer${cause}`, {
        "remote-peer-id": hexOf(this.#peer.memberId),
        error: reason,
      });
    }
    this.#lastRefusal = reason;
    if (reason === removedText) this.#options.onRemoved?.(this.#peer.memberId);
  }

  #lost(secure: boolean): void {
    this.#socket = undefined;
    const spoke = this.#connectedSinceMs !== undefined;
    this.#noteLife(false);
    this.#queue = [];
    this.#queuedBytes = 0;
    if (secure && !spoke && this.#lastRefusal === "") {
      this.#noteProblem(
        "it closed the connection after the TLS handshake; its log says why it refuses this certificate",
      );
    }
  }

  /** What will not go away by itself is worth one line, not one for every try. */
  #noteProblem(problem: string | undefined): void {
    if (problem === undefined || problem === this.#lastProblem || this.#stopped) return;
    this.#lastProblem = problem;
    this.#options.log.warn("cannot connect to remote peer", {
      "remote-peer-id": hexOf(this.#peer.memberId),
      error: problem,
    });
  }

  #retryLater(): void {
    if (this.#stopped || this.#socket !== undefined || this.#dialling !== undefined) return;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#dial(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, retryMaxMs);
  }
}

const emptyFrame = Buffer.alloc(4);

const releaseIn = ({ release = etcdVersion }: PeerNetworkOptions): string => release;

function greeting(options: PeerNetworkOptions, to: MemberId): Buffer {
  const bytes = Buffer.alloc(greetingBytes);
  bytes.writeBigUInt64LE(options.clusterId, 0);
  bytes.writeBigUInt64LE(options.memberId, 8);
  bytes.writeBigUInt64LE(to, 16);
  const text = Buffer.from([releaseIn(options), ...(options.peerUrls ?? [])].join("\n"));
  bytes.writeUInt16LE(text.length, 24);
  return Buffer.concat([peerPreface, bytes, text]);
}

// ---- receiving -----------------------------------------------------------------------------------------------

interface FrameAnswers {
  refuse(problem: string): void;
  /** False: it is not known, and will not be dialled back. */
  meet(memberId: MemberId, peerUrls: readonly string[]): boolean;
}

/** One incoming connection: its greeting, then frames; the first thing that does not fit ends it. */
class FrameReader {
  readonly #socket: Socket;
  readonly #options: PeerNetworkOptions;
  readonly #traffic: PeerTraffic;
  readonly #answers: FrameAnswers;
  #pieces: Buffer[] = [];
  #held = 0;
  /** Bytes needed before anything can be done. */
  #wanted = peerPreface.length + greetingBytes;
  #from: MemberId | undefined;
  #ended = false;

  constructor(socket: Socket, options: PeerNetworkOptions, traffic: PeerTraffic, answers: FrameAnswers) {
    this.#socket = socket;
    this.#options = options;
    this.#traffic = traffic;
    this.#answers = answers;
  }

  take(piece: Buffer): void {
    if (this.#ended) return;
    this.#pieces.push(piece);
    this.#held += piece.length;
    if (this.#held < this.#wanted) return;
    let rest = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces);
    this.#pieces = [];
    while (!this.#ended && rest.length >= this.#wanted) rest = this.#consume(rest);
    this.#held = rest.length;
    if (rest.length > 0) this.#pieces.push(rest);
  }

  /** Nothing came for too long; a member that lives asks for signs of life twice a second. */
  silent(): void {
    this.#ended = true;
    const from = this.#from === undefined ? "" : hexOf(this.#from);
    this.#options.log.warn("closed connection of a peer that brings nothing", {
      "remote-peer-id": from,
      "read-timeout": `${this.#options.readTimeoutMs ?? peerTimeoutLeastMs}ms`,
    });
    this.#socket.destroy();
  }

  #consume(bytes: Buffer): Buffer {
    if (this.#from === undefined) {
      if (!bytes.subarray(0, peerPreface.length).equals(peerPreface)) {
        this.#options.log.warn("rejected connection", { error: otherGreeting });
        this.#end(otherGreeting);
        return bytes;
      }
      const end = peerPreface.length + greetingBytes + bytes.readUInt16LE(peerPreface.length + greetingBytes - 2);
      if (bytes.length < end) {
        this.#wanted = end;
        return bytes;
      }
      this.#greet(bytes.subarray(peerPreface.length, end));
      this.#wanted = 4;
      return bytes.subarray(end);
    }
    const length = bytes.readUInt32LE(0);
    if (length > frameBytesMax) {
      this.#misfit(`a frame of ${length} bytes is too long`);
      return bytes;
    }
    if (bytes.length < 4 + length) {
      this.#wanted = 4 + length;
      return bytes;
    }
    if (length === 0) this.#socket.write(Buffer.from([signOfLife]));
    else {
      const problem = this.#deliver(bytes.subarray(4, 4 + length));
      this.#traffic.noteReceived(this.#from, 4 + length);
      if (problem !== undefined) {
        this.#traffic.noteMalformed(this.#from);
        this.#misfit(problem);
      }
    }
    this.#wanted = 4;
    return bytes.subarray(4 + length);
  }

  #greet(bytes: Buffer): void {
    const { memberId, clusterId, log } = this.#options;
    const theirCluster = clusterIdOf(bytes.readBigUInt64LE(0));
    const from = memberIdOf(bytes.readBigUInt64LE(8));
    const to = memberIdOf(bytes.readBigUInt64LE(16));
    const [release = "", ...peerUrls] = bytes.subarray(greetingBytes).toString("utf8").split("\n");
    const unfit = releaseProblem(releaseIn(this.#options), release);
    if (unfit !== undefined) {
      log.warn("request version incompatibility", {
        "local-member-server-version": releaseIn(this.#options),
        "remote-peer-server-version": release,
        "remote-peer-id": hexOf(from),
      });
      this.#end(unfit);
    } else if (theirCluster !== clusterId) {
      log.warn("request cluster ID mismatch", {
        "local-member-cluster-id": hexOf(clusterId),
        "remote-peer-cluster-id": hexOf(theirCluster),
        "remote-peer-id": hexOf(from),
      });
      this.#end(`cluster ID mismatch: this is cluster ${hexOf(clusterId)}, not ${hexOf(theirCluster)}`);
    } else if (to !== memberId) {
      log.warn("request ignored (to ID mismatch)", { "local-member-id": hexOf(memberId), "requested-id": hexOf(to) });
      this.#end(`member ID mismatch: this is member ${hexOf(memberId)}, not ${hexOf(to)}`);
    } else if (this.#options.isRemoved?.(from) === true) {
      log.warn("rejected connection", { error: removedText, "remote-peer-id": hexOf(from) });
      this.#end(removedText);
    } else if (!this.#answers.meet(from, peerUrls)) {
      log.warn("rejected connection", { error: "sender not found", "remote-peer-id": hexOf(from) });
      this.#end(`sender not found: ${hexOf(from)} is not a member of cluster ${hexOf(clusterId)}`);
    }
    this.#from = from;
  }

  /** @returns what is wrong with the frame; messages before that place were delivered */
  #deliver(frame: Buffer): string | undefined {
    if (this.#from !== undefined && this.#options.isRemoved?.(this.#from) === true) return removedText;
    for (let position = 0; position < frame.length; ) {
      const length = position + 4 <= frame.length ? frame.readUInt32LE(position) : Number.POSITIVE_INFINITY;
      if (position + 4 + length > frame.length) return "a message runs over its frame";
      const start = frame.byteOffset + position + 4;
      // A copy: a message is kept long after its frame, and must not hold all of it.
      const message = this.#options.decode(new Uint8Array(frame.buffer.slice(start, start + length)));
      position += 4 + length;
      if ("malformed" in message) return `a message is malformed: ${message.malformed}`;
      if (message.from !== this.#from || message.to !== this.#options.memberId) {
        return "a message is not between the members of its connection";
      }
      this.#options.onMessage(message);
    }
    return undefined;
  }

  /** After a good greeting: what a member of the same release never sends. */
  #misfit(problem: string): void {
    const from = this.#from === undefined ? "" : hexOf(this.#from);
    this.#options.log.warn("closed connection of a peer", { error: problem, "remote-peer-id": from });
    this.#end(problem);
  }

  #end(problem: string): void {
    this.#ended = true;
    this.#pieces = [];
    this.#options.log.debug("closing connection from peer", { error: problem });
    this.#answers.refuse(problem);
  }
}
