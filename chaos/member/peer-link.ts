/*
 * The connection this member dials to one other, over which its messages leave. It asks for signs of life: a silent
 * connection is replaced by a new one, because TCP alone would need minutes to notice that packets get through again.
 * Attempts to dial come at a bounded pace for ever. What waits to be taken is bounded, and what a connection did not take
 * is lost with it.
 */
import type { Socket } from "node:net";
import { hexOf, type MemberId, type PeerMessage } from "../../core/index.ts";
import type { Log } from "./log.ts";
import { type Connect, connectPlain } from "./peer-dial.ts";
import { dialError, PeerHealth } from "./peer-health.ts";
import {
  emptyFrame,
  frameOf,
  greetingOf,
  type PeerSelf,
  peerTimeoutLeastMs,
  refused,
  removedText,
  signOfLife,
} from "./peer-stream.ts";
import type { PeerTraffic } from "./peer-traffic.ts";
import { addressOf } from "./urls.ts";

export interface PeerAddress {
  readonly memberId: MemberId;
  /** URLs or "host:port", tried in turn. */
  readonly addresses: readonly string[];
}

export interface PeerLinkOptions extends PeerSelf {
  readonly encode: (message: PeerMessage) => Uint8Array;
  readonly log: Log;
  /** How a connection is opened; absent: plain TCP, and whoever is not heard of yet is not dialled back. */
  readonly connect?: Connect;
  /** Another member says that this one was removed from the cluster for ever. */
  readonly onRemoved?: (by: MemberId) => void;
  /** The connection to that member stands, or stands no more. */
  readonly onLink?: (memberId: MemberId, connected: boolean) => void;
  /** What may wait for one member; when reached, the oldest message goes: the newest knows most. */
  readonly queuedBytesMax?: number;
  /** A connection to another member that takes nothing for so long, while something waits to be taken, is closed. */
  readonly writeTimeoutMs?: number;
}

/** Beginnings of refusals that have a text of their own in the log. */
const refusalCauses: { readonly [start: string]: string } = {
  "cluster ID mismatch": " due to cluster ID mismatch",
  "incompatible version": " due to server version incompatibility",
};
const dialTimeoutMs = 1_000;
const retryMinMs = 25;
const retryMaxMs = 250;
const askForLifeMs = 500;
/** A connection without a sign of life for so long is replaced. */
const silenceMaxMs = 2_000;
const queuedMessagesMax = 4_096;
const standardQueuedBytesMax = 64 * 1024 * 1024;

export class PeerLink {
  #peer: PeerAddress;
  readonly #options: PeerLinkOptions;
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

  constructor(peer: PeerAddress, options: PeerLinkOptions, traffic: PeerTraffic) {
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

  /**
   * The member has other addresses, which are tried at once. Until a connection to one of them stands the one there is
   * goes on being used: the member itself may not have heard yet that it is to be found elsewhere, nor listen there.
   */
  move(addresses: readonly string[]): void {
    if (addresses.join() === this.#peer.addresses.join()) return;
    this.#peer = { memberId: this.#peer.memberId, addresses };
    this.#attempts = 0;
    this.#retryMs = retryMinMs;
    const dialled = this.#dialling;
    this.#dialling = undefined;
    dialled?.destroy();
    if (this.#lifeTimer !== undefined) this.#dial();
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
    const frame = frameOf(this.#queue, this.#queuedBytes);
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
    socket.write(greetingOf(this.#options, this.#peer.memberId));
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
