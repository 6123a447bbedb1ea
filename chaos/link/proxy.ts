/*
 * A TCP hop in front of each member's peer port. Every byte between two members that was led here passes through this
 * process, and the dialling member is known by the connection it made. A link is one direction between two members: on
 * a connection that a dialled to b, bytes from a travel on a→b and the answers on b→a.
 *
 * What a cut is: bytes on that link vanish, nothing tells either end. TCP cannot go on after a hole, so a connection
 * that lost bytes is reset when its link heals; both members dial again, as after a real outage.
 */
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from "node:net";
import type { Random } from "../../core/index.ts";
import type { DialledConnection } from "./sender.ts";

/** How bytes travel on every link. Loss on TCP is a reset: what was under way is gone, the ends dial again. */
export interface HopLaw {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  /** Chance that the connection is reset instead of passing one piece on. */
  readonly resetPpm: number;
}
const plainLaw: HopLaw = { minDelayMs: 0, maxDelayMs: 0, resetPpm: 0 };

/** Bytes one direction of a connection may hold back; when reached, its source is read no further. */
const heldBytesMax = 8 * 1024 * 1024;

export interface Address {
  readonly host: string;
  readonly port: number;
}

export class LinkNetwork {
  readonly #random: Random;
  readonly #senderOf: (dialled: DialledConnection) => string | undefined;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Connection>();
  /** Cut links as "from→to". */
  readonly #cut = new Set<string>();
  /** Members whose links hold everything back. */
  readonly #clogged = new Set<string>();
  #law = plainLaw;
  #unknownSenders = 0;

  /** @param options.senderOf which member dialled; asked for each new connection */
  constructor(options: {
    readonly senderOf: (dialled: DialledConnection) => string | undefined;
    readonly random: Random;
  }) {
    this.#senderOf = options.senderOf;
    this.#random = options.random;
  }

  /** Connections so far whose dialler was none of the members; no cut holds for them. */
  get unknownSenders(): number {
    return this.#unknownSenders;
  }

  /** Opens the hop of one member at that host, which leads to where the member listens. @returns the hop's port */
  async addHop(name: string, { at, to }: { readonly at: string; readonly to: Address }): Promise<number> {
    const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => this.#accept(socket, name, to));
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: at, port: 0 }, resolve);
    });
    return (server.address() as AddressInfo).port;
  }

  /** From now on bytes from → to vanish. */
  cutOneWay(link: { readonly from: string; readonly to: string }): void {
    this.#cut.add(linkName(link.from, link.to));
  }

  /** From now on the links from and to that member keep what they are given, as far as there is room. */
  clog(name: string): void {
    this.#clogged.add(name);
  }

  /** Every link works again; connections that lost bytes are reset. */
  heal(): void {
    this.#cut.clear();
    this.#law = plainLaw;
    this.#clogged.clear();
    for (const connection of this.#connections) connection.release();
    for (const connection of [...this.#connections]) if (connection.lostBytes) connection.destroy();
  }

  /** The links between these members work again; others stay as they are. */
  healAmong(members: readonly string[]): void {
    for (const from of members) for (const to of members) this.#cut.delete(linkName(from, to));
    for (const name of members) this.#clogged.delete(name);
    for (const connection of this.#connections) connection.release();
    for (const connection of [...this.#connections]) {
      const between =
        connection.from !== undefined && members.includes(connection.from) && members.includes(connection.to);
      if (between && connection.lostBytes) connection.destroy();
    }
  }

  setLaw(law: HopLaw): void {
    this.#law = law;
  }

  async close(): Promise<void> {
    for (const connection of [...this.#connections]) connection.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #accept(near: Socket, to: string, { host, port }: Address): void {
    const from = this.#senderOf(dialledOf(near));
    if (from === undefined) this.#unknownSenders += 1;
    const far = dial({ host, port, noDelay: true });
    const connection = new Connection({
      near,
      far,
      from,
      to,
      lawOf: () => this.#law,
      isCut: (source, sink) => this.#cut.has(linkName(source, sink)),
      isClogged: (a, b) => this.#clogged.has(a) || this.#clogged.has(b),
      random: this.#random,
      closed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }
}

const linkName = (from: string, to: string): string => `${from}→${to}`;

const dialledOf = (near: Socket): DialledConnection => ({
  localAddress: near.remoteAddress ?? "",
  localPort: near.remotePort ?? 0,
  remoteAddress: near.localAddress ?? "",
  remotePort: near.localPort ?? 0,
});

interface ConnectionOptions {
  /** The dialling member's end, and the end at the member that was dialled. */
  readonly near: Socket;
  readonly far: Socket;
  readonly from: string | undefined;
  readonly to: string;
  readonly lawOf: () => HopLaw;
  readonly isCut: (from: string, to: string) => boolean;
  readonly isClogged: (a: string, b: string) => boolean;
  readonly random: Random;
  readonly closed: () => void;
}

/** One proxied connection: two directions, ended together. */
class Connection {
  readonly from: string | undefined;
  readonly to: string;
  lostBytes = false;
  readonly #options: ConnectionOptions;
  readonly #lines: readonly DelayLine[];
  #open = true;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.from = options.from;
    this.to = options.to;
    this.#lines = [
      this.#carry(options.near, options.far, () => this.#cut(this.from, this.to)),
      this.#carry(options.far, options.near, () => this.#cut(this.to, this.from)),
    ];
    for (const socket of [options.near, options.far]) {
      socket.on("error", () => this.destroy());
      socket.on("close", () => this.destroy());
    }
    options.near.resume();
  }

  /** Passes on what was held back, unless its link is still clogged. */
  release(): void {
    for (const line of this.#lines) line.release();
  }

  destroy(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const line of this.#lines) line.close();
    this.#options.near.destroy();
    this.#options.far.destroy();
    this.#options.closed();
  }

  #cut(from: string | undefined, to: string | undefined): boolean {
    return from !== undefined && to !== undefined && this.#options.isCut(from, to);
  }

  /** Passes bytes on, each piece after the law's delay; the end of the source follows its last byte. */
  #carry(source: Socket, sink: Socket, isCut: () => boolean): DelayLine {
    const { lawOf, random } = this.#options;
    const line = new DelayLine(() => this.from !== undefined && this.#options.isClogged(this.from, this.to));
    let heldBytes = 0;
    const delayMs = () => {
      const { minDelayMs, maxDelayMs } = lawOf();
      return maxDelayMs === 0 ? 0 : minDelayMs + random.below(maxDelayMs - minDelayMs + 1);
    };
    source.on("data", (bytes: Buffer) => {
      if (isCut()) {
        this.lostBytes = true;
        return;
      }
      const { resetPpm } = lawOf();
      if (resetPpm > 0 && random.below(1_000_000) < resetPpm) {
        this.destroy();
        return;
      }
      heldBytes += bytes.length;
      if (heldBytes > heldBytesMax) source.pause();
      line.after(delayMs(), () => {
        heldBytes -= bytes.length;
        // A cut that began while the bytes were on their way swallows them too.
        if (isCut()) this.lostBytes = true;
        else if (!sink.write(bytes)) source.pause();
        if (heldBytes <= heldBytesMax && !sink.writableNeedDrain) source.resume();
      });
    });
    sink.on("drain", () => source.resume());
    source.on("end", () => {
      if (isCut()) this.lostBytes = true;
      else line.after(delayMs(), () => sink.end());
    });
    return line;
  }
}

/** Work done after a delay each, but never before the work handed in earlier, and not at all while it is clogged. */
class DelayLine {
  readonly #isClogged: () => boolean;
  readonly #waiting: { readonly dueMs: number; readonly work: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(isClogged: () => boolean) {
    this.#isClogged = isClogged;
  }

  after(delayMs: number, work: () => void): void {
    if (delayMs === 0 && this.#waiting.length === 0 && !this.#isClogged()) {
      work();
      return;
    }
    const dueMs = Math.max(performance.now() + delayMs, this.#waiting.at(-1)?.dueMs ?? 0);
    this.#waiting.push({ dueMs, work });
    this.#timer ??= setTimeout(() => this.#run(), delayMs);
  }

  release(): void {
    if (this.#waiting.length > 0) this.#timer ??= setTimeout(() => this.#run(), 0);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  #run(): void {
    this.#timer = undefined;
    if (this.#isClogged()) return;
    const nowMs = performance.now();
    for (let next = this.#waiting[0]; next !== undefined && next.dueMs <= nowMs; next = this.#waiting[0]) {
      this.#waiting.shift();
      next.work();
    }
    const next = this.#waiting[0];
    if (next !== undefined) this.#timer = setTimeout(() => this.#run(), Math.max(1, next.dueMs - nowMs));
  }
}
