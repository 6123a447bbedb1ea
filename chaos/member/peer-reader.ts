/*
 * A connection another member dialled, from which its messages come: its greeting, then frames. A greeting that does not
 * fit is refused and logged: another form, another cluster or release, a member that is none. After that the first thing
 * that does not fit ends the connection, as does silence.
 */
import type { Socket } from "node:net";
import { hexOf, type MemberId, type PeerMessage } from "../../core/index.ts";
import type { BoundedWarnings } from "./bounded-warnings.ts";
import type { Log } from "./log.ts";
import { releaseProblem } from "./peer-release.ts";
import {
  type Greeting,
  greetingBytesMin,
  type PeerSelf,
  peerTimeoutLeastMs,
  readGreeting,
  refusalOf,
  releaseIn,
  removedText,
  signOfLife,
} from "./peer-stream.ts";
import type { PeerTraffic } from "./peer-traffic.ts";

export interface PeerReaderOptions extends PeerSelf {
  readonly decode: (bytes: Uint8Array) => PeerMessage | { readonly malformed: string };
  readonly onMessage: (message: PeerMessage) => void;
  readonly log: Log;
  readonly isRemoved?: (memberId: MemberId) => boolean;
  /** What no member can mean by a message; undefined when it can. */
  readonly problemOf?: (message: PeerMessage) => string | undefined;
  /** A connection of another member that brings nothing for so long is closed. */
  readonly readTimeoutMs?: number;
}

const otherGreeting =
  "this member greets its peers in another form; run the same release of this program on all members";
const frameBytesMax = 256 * 1024 * 1024;

/** Tells who greets. False: it is not known, and will not be dialled back. */
export type Meet = (memberId: MemberId, peerUrls: readonly string[]) => boolean;

/** What the readers of a network share. */
export interface PeerReaderContext {
  readonly traffic: PeerTraffic;
  readonly meet: Meet;
  readonly warnings: BoundedWarnings;
}

export class PeerReader {
  readonly #socket: Socket;
  readonly #options: PeerReaderOptions;
  readonly #traffic: PeerTraffic;
  readonly #meet: Meet;
  readonly #warnings: BoundedWarnings;
  #pieces: Buffer[] = [];
  #held = 0;
  /** Bytes needed before anything can be done. */
  #wanted = greetingBytesMin;
  #from: MemberId | undefined;
  #ended = false;

  constructor(socket: Socket, options: PeerReaderOptions, context: PeerReaderContext) {
    this.#socket = socket;
    this.#options = options;
    this.#traffic = context.traffic;
    this.#meet = context.meet;
    this.#warnings = context.warnings;
  }

  start(): void {
    this.#socket.on("data", (piece: Buffer) => this.#take(piece));
    this.#socket.setTimeout(this.#options.readTimeoutMs ?? peerTimeoutLeastMs, () => this.#silent());
  }

  #take(piece: Buffer): void {
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
  #silent(): void {
    this.#ended = true;
    const from = this.#from === undefined ? "" : hexOf(this.#from);
    this.#warnings.warn("closed connection of a peer that brings nothing", {
      "remote-peer-id": from,
      "read-timeout": `${this.#options.readTimeoutMs ?? peerTimeoutLeastMs}ms`,
    });
    this.#socket.destroy();
  }

  #consume(bytes: Buffer): Buffer {
    if (this.#from === undefined) {
      const read = readGreeting(bytes);
      if (read === undefined) {
        this.#warnings.warn("rejected connection", { error: otherGreeting });
        this.#end(otherGreeting);
        return bytes;
      }
      if (read.greeting === undefined) {
        this.#wanted = read.end;
        return bytes;
      }
      this.#greet(read.greeting);
      this.#wanted = 4;
      return bytes.subarray(read.end);
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

  #greet({ clusterId: theirCluster, from, to, release, peerUrls }: Greeting): void {
    const { memberId, clusterId } = this.#options;
    const log = this.#warnings;
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
    } else if (!this.#meet(from, peerUrls)) {
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
      const problem = this.#options.problemOf?.(message);
      if (problem !== undefined) return problem;
      this.#options.onMessage(message);
    }
    return undefined;
  }

  /** After a good greeting: what a member of the same release never sends. */
  #misfit(problem: string): void {
    const from = this.#from === undefined ? "" : hexOf(this.#from);
    this.#warnings.warn("closed connection of a peer", { error: problem, "remote-peer-id": from });
    this.#end(problem);
  }

  #end(problem: string): void {
    this.#ended = true;
    this.#pieces = [];
    this.#options.log.debug("closing connection from peer", { error: problem });
    this.#socket.end(refusalOf(problem));
  }
}
