/*
 * Messages between members. Each member dials every other and sends on the connection it dialled; what comes in on
 * connections of others is received. Nothing is acknowledged and nothing is sent again: Raft expects losses.
 *
 * A connection begins with a greeting that names the cluster and both members; one that does not fit is refused and
 * logged. A sender needs no answer to go on, so that a link that is cut one way still carries the other way. It does
 * ask for signs of life: a silent connection is replaced by a new one, because TCP alone would need minutes to notice
 * that packets get through again. Attempts to dial come at a bounded pace for ever.
 *
 *     dialler → acceptor   preface, cluster id, from, to (8 bytes each), then frames: length (4 bytes), messages, each
 *                          with its length (4 bytes); an empty frame asks for a sign of life. Little-endian.
 *     acceptor → dialler   1: a sign of life; 2 and a text to the end: refused
 */
import { connect, type Socket } from "node:net";
import { type ClusterId, clusterIdOf, hexOf, type MemberId, memberIdOf, type PeerMessage } from "../../core/index.ts";
import type { Log } from "./log.ts";
import type { Protocol } from "./port.ts";

export interface PeerAddress {
  readonly memberId: MemberId;
  /** "host:port", tried in turn. */
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
  /** What may wait for one member; when reached, the oldest message goes: the newest knows most. */
  readonly queuedBytesMax?: number;
}

export const peerPreface = Buffer.from("FAULTLINE-PEER 1\r\n");
const greetingBytes = 24;
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
  readonly preface = peerPreface;
  readonly #options: PeerNetworkOptions;
  readonly #links = new Map<MemberId, Link>();
  readonly #accepted = new Set<Socket>();

  constructor(options: PeerNetworkOptions) {
    this.#options = options;
    for (const peer of options.peers) {
      if (peer.memberId !== options.memberId) this.#links.set(peer.memberId, new Link(peer, options));
    }
  }

  /** Starts to dial. */
  start(): void {
    for (const link of this.#links.values()) link.start();
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
    for (const socket of this.#accepted) socket.destroy();
  }

  accept(socket: Socket): void {
    this.#accepted.add(socket);
    socket.once("close", () => this.#accepted.delete(socket));
    const reader = new FrameReader(socket, this.#options, (problem) => {
      socket.end(Buffer.concat([Buffer.from([refused]), Buffer.from(problem)]));
    });
    socket.on("data", (piece: Buffer) => reader.take(piece));
  }
}

// ---- sending -------------------------------------------------------------------------------------------------

/** The connection this member dials to one other. */
class Link {
  readonly #peer: PeerAddress;
  readonly #options: PeerNetworkOptions;
  #socket: Socket | undefined;
  #dialling: Socket | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #lifeTimer: NodeJS.Timeout | undefined;
  #retryMs = retryMinMs;
  #attempts = 0;
  #lastLifeMs = 0;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #flushing = false;
  #stopped = false;
  #dropped = 0;
  #lastRefusal = "";

  constructor(peer: PeerAddress, options: PeerNetworkOptions) {
    this.#peer = peer;
    this.#options = options;
  }

  get connected(): boolean {
    return this.#socket !== undefined;
  }

  start(): void {
    this.#dial();
    this.#lifeTimer = setInterval(() => this.#askForLife(), askForLifeMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    clearInterval(this.#lifeTimer);
    this.#dialling?.destroy();
    this.#socket?.destroy();
  }

  send(message: PeerMessage): void {
    if (this.#socket === undefined) return;
    const bytes = this.#options.encode(message);
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    const bytesMax = this.#options.queuedBytesMax ?? standardQueuedBytesMax;
    while (this.#queue.length > queuedMessagesMax || this.#queuedBytes > bytesMax) this.#dropOldest();
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  #dropOldest(): void {
    this.#queuedBytes -= this.#queue.shift()?.length ?? 0;
    this.#dropped += 1;
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
    socket.write(frame);
  }

  #askForLife(): void {
    if (this.#dropped > 0) {
      this.#options.log.warn("dropped internal Raft message since sending buffer is full", {
        "remote-peer-id": hexOf(this.#peer.memberId),
        dropped: this.#dropped,
      });
      this.#dropped = 0;
    }
    const socket = this.#socket;
    if (socket === undefined) return;
    if (performance.now() - this.#lastLifeMs > silenceMaxMs) this.#dial();
    if (!socket.writableNeedDrain) socket.write(emptyFrame);
  }

  /** A new connection takes the place of the old one once it stands; until then the old one is used. */
  #dial(): void {
    if (this.#stopped || this.#dialling !== undefined) return;
    clearTimeout(this.#retryTimer);
    const address = this.#peer.addresses[this.#attempts++ % this.#peer.addresses.length] ?? "";
    const colon = address.lastIndexOf(":");
    const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
    const socket = connect({
      host: host === "localhost" ? "127.0.0.1" : host,
      port: Number(address.slice(colon + 1)),
      noDelay: true,
    });
    this.#dialling = socket;
    const timer = setTimeout(() => socket.destroy(), dialTimeoutMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      this.#dialling = undefined;
      this.#adopt(socket);
    });
    socket.on("error", (error) => {
      this.#options.log.debug("connection to peer failed", {
        "remote-peer-id": hexOf(this.#peer.memberId),
        error: error.message,
      });
    });
    socket.once("close", () => {
      clearTimeout(timer);
      if (this.#dialling === socket) this.#dialling = undefined;
      if (this.#socket === socket) this.#lost();
      this.#retryLater();
    });
  }

  #adopt(socket: Socket): void {
    const previous = this.#socket;
    if (previous === undefined) {
      this.#options.log.info("established TCP streaming connection with remote peer", {
        "remote-peer-id": hexOf(this.#peer.memberId),
      });
    }
    this.#socket = socket;
    previous?.destroy();
    this.#lastLifeMs = performance.now();
    // What waited for the connection before it was written for another moment of the other member.
    this.#queue = [];
    this.#queuedBytes = 0;
    socket.write(greeting(this.#options, this.#peer.memberId));
    socket.write(emptyFrame);
    socket.on("drain", () => this.#flush());
    socket.on("data", (piece: Buffer) => this.#hear(piece));
  }

  #hear(piece: Buffer): void {
    if (piece[0] !== refused) {
      this.#lastLifeMs = performance.now();
      this.#retryMs = retryMinMs;
      this.#lastRefusal = "";
      return;
    }
    const reason = piece.subarray(1).toString("utf8");
    this.#retryMs = retryMaxMs;
    if (reason !== this.#lastRefusal) {
      this.#options.log.warn(
        reason.startsWith("cluster ID mismatch")
          ? "request sent was ignored by remote peer due to cluster ID mismatch"
          : "request sent was ignored by remote peer",
        { "remote-peer-id": hexOf(this.#peer.memberId), error: reason },
      );
    }
    this.#lastRefusal = reason;
  }

  #lost(): void {
    this.#socket = undefined;
    this.#queue = [];
    this.#queuedBytes = 0;
    if (this.#stopped || this.#lastRefusal !== "") return;
    this.#options.log.warn("lost TCP streaming connection with remote peer", {
      "remote-peer-id": hexOf(this.#peer.memberId),
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

function greeting(options: PeerNetworkOptions, to: MemberId): Buffer {
  const bytes = Buffer.alloc(greetingBytes);
  bytes.writeBigUInt64LE(options.clusterId, 0);
  bytes.writeBigUInt64LE(options.memberId, 8);
  bytes.writeBigUInt64LE(to, 16);
  return Buffer.concat([peerPreface, bytes]);
}

// ---- receiving -----------------------------------------------------------------------------------------------

/** One incoming connection: its greeting, then frames; the first thing that does not fit ends it. */
class FrameReader {
  readonly #socket: Socket;
  readonly #options: PeerNetworkOptions;
  readonly #refuse: (problem: string) => void;
  #pieces: Buffer[] = [];
  #held = 0;
  /** Bytes needed before anything can be done. */
  #wanted = peerPreface.length + greetingBytes;
  #from: MemberId | undefined;
  #ended = false;

  constructor(socket: Socket, options: PeerNetworkOptions, refuse: (problem: string) => void) {
    this.#socket = socket;
    this.#options = options;
    this.#refuse = refuse;
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

  #consume(bytes: Buffer): Buffer {
    if (this.#from === undefined) {
      this.#greet(bytes.subarray(peerPreface.length));
      this.#wanted = 4;
      return bytes.subarray(peerPreface.length + greetingBytes);
    }
    const length = bytes.readUInt32LE(0);
    if (length > frameBytesMax) {
      this.#end(`a frame of ${length} bytes is too long`);
      return bytes;
    }
    if (bytes.length < 4 + length) {
      this.#wanted = 4 + length;
      return bytes;
    }
    if (length === 0) this.#socket.write(Buffer.from([signOfLife]));
    else {
      const problem = this.#deliver(bytes.subarray(4, 4 + length));
      if (problem !== undefined) this.#end(problem);
    }
    this.#wanted = 4;
    return bytes.subarray(4 + length);
  }

  #greet(bytes: Buffer): void {
    const { memberId, clusterId, peers, log } = this.#options;
    const theirCluster = clusterIdOf(bytes.readBigUInt64LE(0));
    const from = memberIdOf(bytes.readBigUInt64LE(8));
    const to = memberIdOf(bytes.readBigUInt64LE(16));
    if (theirCluster !== clusterId) {
      log.warn("request cluster ID mismatch", {
        "local-member-cluster-id": hexOf(clusterId),
        "remote-peer-cluster-id": hexOf(theirCluster),
        "remote-peer-id": hexOf(from),
      });
      this.#end(`cluster ID mismatch: this is cluster ${hexOf(clusterId)}, not ${hexOf(theirCluster)}`);
    } else if (to !== memberId) {
      log.warn("request ignored (to ID mismatch)", { "local-member-id": hexOf(memberId), "requested-id": hexOf(to) });
      this.#end(`member ID mismatch: this is member ${hexOf(memberId)}, not ${hexOf(to)}`);
    } else if (!peers.some((peer) => peer.memberId === from)) {
      log.warn("rejected connection", { error: "sender not found", "remote-peer-id": hexOf(from) });
      this.#end(`sender not found: ${hexOf(from)} is not a member of cluster ${hexOf(clusterId)}`);
    }
    this.#from = from;
  }

  /** @returns what is wrong with the frame; messages before that place were delivered */
  #deliver(frame: Buffer): string | undefined {
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

  #end(problem: string): void {
    this.#ended = true;
    this.#pieces = [];
    this.#options.log.debug("closing connection from peer", { error: problem });
    this.#refuse(problem);
  }
}
