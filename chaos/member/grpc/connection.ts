/*
 * The server's side of one HTTP/2 connection, over any socket. What a gRPC server needs of HTTP/2, and no more: no push,
 * no priorities, no dynamic table for what is sent. It exists because node:http2 makes a stream of events and a dozen
 * objects of every call, which cost more than all a member does for a small request.
 *
 * Bounds: calls at once, bytes of a header block, windows of data, resets by the client, and what waits to be sent: a
 * client that asks and does not take is not read any more until it does. A client that breaks the protocol is told by a
 * GOAWAY and the connection ends; a request that is malformed ends alone.
 *
 * Source: RFC 9113.
 */
import type { Duplex } from "node:stream";
import { ConnectionProblem, FrameReader, mustBe, mustHaveSize, unpadded } from "./frame-reader.ts";
import {
  errorCodes,
  flagBits,
  frameBytesStandard,
  frameOf,
  frameTypes,
  number32,
  settingIds,
  windowBytesLimit,
  windowBytesStandard,
} from "./frames.ts";
import { Held, type Holding } from "./holding.ts";
import { type HeaderBlock, type HeaderMap, HpackDecoder, HpackProblem } from "./hpack.ts";
import { PingPolicy } from "./ping-policy.ts";
import { Stream, type StreamConnection } from "./stream.ts";

export interface ConnectionOptions {
  readonly streamsMax: number;
  /** What a client may send ahead, on one stream and on all. */
  readonly windowBytes: { readonly stream: number; readonly connection: number };
  /** Names and values of one request. */
  readonly headerListBytesMax: number;
  /** Least time between pings of the client while calls are open. */
  readonly pingLeastMs: number;
  readonly holding: Holding;
  /** A request; its handler is set before this returns, or it was answered. */
  readonly onStream: (stream: Stream, headers: HeaderMap) => void;
  readonly onClose: () => void;
}

/** Bytes for the socket at which streams wait, and at which the client is read no more. */
const fullBytes = 256 * 1024;
const overfullBytes = 4 * 1024 * 1024;
/** Streams a client may give up: so many at once, and so many a second. */
const resetsMax = { burst: 1_000, perSecond: 33 } as const;

export class Connection implements StreamConnection {
  readonly #socket: Duplex;
  readonly #options: ConnectionOptions;
  readonly #decoder: HpackDecoder;
  readonly #reader: FrameReader;
  readonly #streams = new Map<number, Stream>();
  readonly #waiting = new Set<Stream>();
  /** The highest number that a client used, and that of the last request that was taken. */
  #highestStreamId = 0;
  #lastStreamId = 0;
  #sendWindow = windowBytesStandard;
  #streamSendWindow = windowBytesStandard;
  #frameBytesMax = frameBytesStandard;
  #receiveWindow: number;
  #unreturned = 0;
  #out: Buffer[] = [];
  #outBytes = 0;
  #flushScheduled = false;
  #isReading = true;
  #resetsLeft: number = resetsMax.burst;
  #resetsCountedMs = 0;
  /** No more streams are taken; it closes with the last one. */
  #isEnding = false;
  #isClosed = false;
  #pongs: (() => void)[] = [];
  readonly #held: Held;
  readonly #pings: PingPolicy;

  constructor(socket: Duplex, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#held = new Held(options.holding);
    this.#pings = new PingPolicy(options.pingLeastMs);
    this.#receiveWindow = options.windowBytes.connection;
    this.#decoder = new HpackDecoder(options.headerListBytesMax);
    const isOpen = (): boolean => !this.#isClosed;
    this.#reader = new FrameReader({
      frame: (type, flags, streamId, payload) => this.#frame(type, flags, streamId, payload),
      block: (streamId, endsStream, block) => this.#block(streamId, endsStream, block),
      get isOpen() {
        return isOpen();
      },
    });
    socket.on("data", (piece: Buffer) => this.#read(piece));
    socket.on("drain", () => this.#drained());
    socket.on("error", () => this.#close());
    socket.on("end", () => this.destroy());
    socket.on("close", () => this.#close());
    const settings = [
      [settingIds.streamsMax, Math.min(options.streamsMax, 2 ** 32 - 1)],
      [settingIds.initialWindow, options.windowBytes.stream],
      [settingIds.headerListBytesMax, options.headerListBytesMax],
    ] as const;
    const payload = Buffer.alloc(6 * settings.length);
    for (const [position, [id, value]] of settings.entries()) {
      payload.writeUInt16BE(id, 6 * position);
      payload.writeUInt32BE(value, 6 * position + 2);
    }
    this.send(frameOf({ type: frameTypes.settings, flags: 0, streamId: 0 }, payload));
    this.#widen(0, options.windowBytes.connection - windowBytesStandard);
  }

  /** Calls under way. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** Takes no more calls; closes with the last one that is under way. */
  close(): void {
    if (this.#isEnding || this.#isClosed) return;
    this.#isEnding = true;
    this.#goAway(errorCodes.none, "");
    this.#maybeEnd();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#close();
  }

  /** @param answered called when the client answered */
  ping(answered: () => void): void {
    this.#pongs.push(answered);
    this.send(frameOf({ type: frameTypes.ping, flags: 0, streamId: 0 }, pingBytes));
  }

  // ---- what streams ask ------------------------------------------------------------------------------------------

  get dataBytesMax(): number {
    return this.isFull ? 0 : Math.max(0, Math.min(this.#sendWindow, this.#frameBytesMax));
  }

  get isFull(): boolean {
    return this.#outBytes + this.#socket.writableLength >= fullBytes;
  }

  spend(bytes: number): void {
    this.#sendWindow -= bytes;
  }

  /** Frames of one turn leave as one write. */
  send(frames: Buffer): void {
    if (this.#isClosed) return;
    this.#out.push(frames);
    this.#outBytes += frames.length;
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    process.nextTick(() => this.#flush());
  }

  reset(streamId: number, code: number): void {
    this.send(frameOf({ type: frameTypes.reset, flags: 0, streamId }, number32(code)));
  }

  hold(bytes: number): void {
    this.#held.add(bytes);
  }

  get holdsTooMuch(): boolean {
    return this.#held.isTooMuch;
  }

  answers(): void {
    this.#pings.forgive();
  }

  closed(stream: Stream): void {
    if (this.#streams.delete(stream.id)) this.#held.endCall();
    this.#waiting.delete(stream);
    this.#maybeEnd();
  }

  waits(stream: Stream): void {
    this.#waiting.add(stream);
  }

  // ---- sending ---------------------------------------------------------------------------------------------------

  #flush(): void {
    this.#flushScheduled = false;
    const out = this.#out;
    if (out.length === 0 || this.#isClosed) return;
    this.#out = [];
    const bytes = this.#outBytes;
    this.#outBytes = 0;
    this.#socket.write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out, bytes));
    if (this.#socket.writableLength >= overfullBytes) this.#pause();
    else if (!this.#socket.writableNeedDrain) this.#pump();
  }

  #drained(): void {
    if (!this.#isReading) {
      this.#isReading = true;
      this.#socket.resume();
    }
    this.#pump();
  }

  /** Of a client that takes nothing, nothing is taken. */
  #pause(): void {
    if (!this.#isReading) return;
    this.#isReading = false;
    this.#socket.pause();
  }

  /** Lets waiting streams go on, in turn. */
  #pump(): void {
    if (this.#waiting.size === 0) return;
    for (const stream of [...this.#waiting]) {
      if (this.isFull) return;
      this.#pumpOne(stream);
    }
  }

  /** Whoever is not done goes to the end of the line. */
  #pumpOne(stream: Stream): void {
    this.#waiting.delete(stream);
    stream.pump();
    if (stream.isOver) return;
    if (stream.isWaiting) {
      this.#waiting.add(stream);
      return;
    }
    this.#replenish(stream);
    stream.handler?.drained();
  }

  #widen(streamId: number, bytes: number): void {
    this.send(frameOf({ type: frameTypes.windowUpdate, flags: 0, streamId }, number32(bytes)));
  }

  #goAway(code: number, text: string): void {
    const payload = Buffer.concat([number32(this.#lastStreamId), number32(code), Buffer.from(text)]);
    this.send(frameOf({ type: frameTypes.goAway, flags: 0, streamId: 0 }, payload));
  }

  #maybeEnd(): void {
    if (!this.#isEnding || this.#streams.size > 0 || this.#isClosed) return;
    this.#flush();
    this.#socket.end();
    // A client that keeps its side open has nothing more to say.
    this.#socket.resume();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#out = [];
    for (const stream of [...this.#streams.values()]) stream.lost();
    this.#options.onClose();
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  #read(piece: Buffer): void {
    if (this.#isClosed) return;
    try {
      this.#reader.read(piece);
    } catch (error) {
      this.#break(error);
    }
  }

  #break(error: unknown): void {
    const known = error instanceof ConnectionProblem || error instanceof HpackProblem;
    if (!known) throw error;
    this.#isEnding = true;
    this.#goAway(error instanceof ConnectionProblem ? error.code : errorCodes.compression, error.message);
    this.#flush();
    this.#socket.end(() => this.#socket.destroy());
    this.#close();
  }

  #frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    switch (type) {
      case frameTypes.data:
        this.#data(flags, streamId, payload);
        return;
      case frameTypes.priority:
        mustBe(streamId !== 0, "a priority names no stream");
        if (payload.length !== 5) this.reset(streamId, errorCodes.frameSize);
        return;
      case frameTypes.reset:
        this.#resetByClient(streamId, payload);
        return;
      case frameTypes.settings:
        this.#settings(flags, streamId, payload);
        return;
      case frameTypes.pushPromise:
        throw new ConnectionProblem(errorCodes.protocol, "a client does not push");
      case frameTypes.ping:
        mustBe(streamId === 0, "a ping names a stream");
        mustHaveSize(payload.length === 8, "a ping is not of 8 bytes");
        if ((flags & flagBits.ack) !== 0) this.#pong(payload);
        else this.#pinged(payload);
        return;
      case frameTypes.goAway:
        mustBe(streamId === 0, "a GOAWAY names a stream");
        return;
      case frameTypes.windowUpdate:
        this.#windowUpdate(streamId, payload);
        return;
      default:
      // Frames of other kinds are there to be ignored.
    }
  }

  #pinged(payload: Buffer): void {
    this.send(frameOf({ type: frameTypes.ping, flags: flagBits.ack, streamId: 0 }, payload));
    if (this.#pings.ping(performance.now(), this.#streams.size > 0)) return;
    throw new ConnectionProblem(errorCodes.enhanceYourCalm, "too_many_pings");
  }

  #pong(payload: Buffer): void {
    if (payload.compare(pingBytes) === 0) this.#pongs.shift()?.();
  }

  #data(flags: number, streamId: number, payload: Buffer): void {
    mustBe(streamId !== 0 && streamId <= this.#highestStreamId, "data belongs to no stream");
    this.#receiveWindow -= payload.length;
    if (this.#receiveWindow < 0) throw new ConnectionProblem(errorCodes.flowControl, "more data than was allowed");
    this.#unreturned += payload.length;
    if (this.#unreturned >= this.#options.windowBytes.connection / 2) {
      this.#widen(0, this.#unreturned);
      this.#receiveWindow += this.#unreturned;
      this.#unreturned = 0;
    }
    const content = unpadded(flags, payload);
    const stream = this.#streams.get(streamId);
    // What follows the end of a stream was on its way when it ended.
    if (stream === undefined) return;
    if (stream.isReadEnded) {
      stream.lost();
      this.reset(streamId, errorCodes.streamClosed);
      return;
    }
    stream.receiveWindow -= payload.length;
    if (stream.receiveWindow < 0) {
      stream.lost();
      this.reset(streamId, errorCodes.flowControl);
      return;
    }
    stream.unreturned += payload.length;
    if (content.length > 0 && !stream.isOver) stream.handler?.data(content);
    if ((flags & flagBits.endStream) !== 0) this.#readEnded(stream);
    else this.#replenish(stream);
  }

  /** Gives back what was taken, but not while answers wait: whoever takes none could ask for them without bound. */
  #replenish(stream: Stream): void {
    if (stream.isReadEnded || stream.isOver || stream.isWaiting) return;
    if (stream.unreturned < this.#options.windowBytes.stream / 2) return;
    this.#widen(stream.id, stream.unreturned);
    stream.receiveWindow += stream.unreturned;
    stream.unreturned = 0;
  }

  #readEnded(stream: Stream): void {
    stream.isReadEnded = true;
    if (!stream.isOver) stream.handler?.end();
  }

  /** Every block is decoded, wanted or not: the tables of both sides must go on agreeing. */
  #block(streamId: number, endsStream: boolean, bytes: Buffer): void {
    const block = this.#decoder.decode(bytes);
    if (streamId > this.#highestStreamId) this.#request(streamId, endsStream, block);
    else this.#trailers(streamId, endsStream);
  }

  #trailers(streamId: number, endsStream: boolean): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined || stream.isReadEnded) return;
    if (endsStream) this.#readEnded(stream);
    else {
      stream.lost();
      this.reset(streamId, errorCodes.protocol);
    }
  }

  #request(streamId: number, endsStream: boolean, { headers, malformed, listBytes }: HeaderBlock): void {
    this.#highestStreamId = streamId;
    // A client that has not seen the GOAWAY will ask elsewhere; what more it says of this request means nothing.
    if (this.#isEnding) return;
    this.#lastStreamId = streamId;
    if (listBytes > this.#options.headerListBytesMax) {
      this.reset(streamId, errorCodes.enhanceYourCalm);
      return;
    }
    const isRequest = headers[":method"] !== undefined && headers[":scheme"] !== undefined && headers[":path"] !== "";
    if (malformed !== undefined || !isRequest || headers[":path"] === undefined) {
      this.reset(streamId, errorCodes.protocol);
      return;
    }
    if (this.#streams.size >= this.#options.streamsMax || !this.#held.takeCall()) {
      this.reset(streamId, errorCodes.refusedStream);
      return;
    }
    const windows = { send: this.#streamSendWindow, receive: this.#options.windowBytes.stream };
    const stream = new Stream(streamId, this, windows);
    this.#streams.set(streamId, stream);
    this.#options.onStream(stream, headers);
    if (endsStream) this.#readEnded(stream);
  }

  #resetByClient(streamId: number, payload: Buffer): void {
    mustBe(streamId !== 0 && streamId <= this.#highestStreamId, "a reset belongs to no stream");
    mustHaveSize(payload.length === 4, "a reset is not of 4 bytes");
    const nowMs = performance.now();
    const earned = ((nowMs - this.#resetsCountedMs) / 1_000) * resetsMax.perSecond;
    this.#resetsLeft = Math.min(resetsMax.burst, this.#resetsLeft + earned) - 1;
    this.#resetsCountedMs = nowMs;
    if (this.#resetsLeft < 0) throw new ConnectionProblem(errorCodes.enhanceYourCalm, "too many streams are given up");
    this.#streams.get(streamId)?.lost();
  }

  #settings(flags: number, streamId: number, payload: Buffer): void {
    mustBe(streamId === 0, "settings name a stream");
    if ((flags & flagBits.ack) !== 0) {
      mustHaveSize(payload.length === 0, "an acknowledgement of settings holds settings");
      return;
    }
    mustHaveSize(payload.length % 6 === 0, "settings are not of 6 bytes each");
    for (let at = 0; at < payload.length; at += 6)
      this.#setting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    this.send(frameOf({ type: frameTypes.settings, flags: flagBits.ack, streamId: 0 }, nothing));
    this.#pump();
  }

  #setting(id: number, value: number): void {
    if (id === settingIds.initialWindow) {
      if (value > windowBytesLimit) throw new ConnectionProblem(errorCodes.flowControl, "a window is too large");
      for (const stream of this.#streams.values()) {
        stream.sendWindow += value - this.#streamSendWindow;
        if (stream.sendWindow > windowBytesLimit)
          throw new ConnectionProblem(errorCodes.flowControl, "a window is too large");
      }
      this.#streamSendWindow = value;
    } else if (id === settingIds.frameBytesMax) {
      mustBe(value >= frameBytesStandard && value < 2 ** 24, "frames have 2^14 to 2^24 - 1 bytes");
      this.#frameBytesMax = Math.min(value, frameBytesUsed);
    } else if (id === settingIds.push) mustBe(value <= 1, "push is 0 or 1");
  }

  #windowUpdate(streamId: number, payload: Buffer): void {
    mustHaveSize(payload.length === 4, "a window update is not of 4 bytes");
    const bytes = payload.readUInt32BE(0) & 0x7fff_ffff;
    if (streamId === 0) {
      mustBe(bytes > 0, "a window grows by nothing");
      this.#sendWindow += bytes;
      if (this.#sendWindow > windowBytesLimit)
        throw new ConnectionProblem(errorCodes.flowControl, "a window is too large");
      this.#pump();
      return;
    }
    mustBe(streamId <= this.#highestStreamId, "a window update belongs to no stream");
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    stream.sendWindow += bytes;
    if (bytes === 0 || stream.sendWindow > windowBytesLimit) {
      stream.lost();
      this.reset(streamId, bytes === 0 ? errorCodes.protocol : errorCodes.flowControl);
    } else if (stream.isWaiting && !this.isFull) this.#pumpOne(stream);
  }
}

const nothing = Buffer.alloc(0);
const pingBytes = Buffer.from("faultlin");
/** What a frame of data holds at most, whatever the client would take: streams take turns. */
const frameBytesUsed = 64 * 1024;
