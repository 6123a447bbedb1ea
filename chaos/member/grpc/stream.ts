/*
 * One stream of an HTTP/2 connection, seen by the call on it: what the client sends comes in by three callbacks, and an
 * answer goes out as headers, data and trailers. Data waits here for the windows of stream and connection.
 * Source: RFC 9113 §5.1, §5.2.
 */
import {
  errorCodes,
  flagBits,
  frameBytesStandard,
  frameHeadBytes,
  frameTypes,
  headerFrames,
  writeFrameHead,
} from "./frames.ts";

/** What a call does with what its client sends. */
export interface StreamHandler {
  data(piece: Buffer): void;
  /** The client sends no more. */
  end(): void;
  /** The stream is over, and the call did not end it. */
  gone(): void;
  /** Everything written has left this stream. */
  drained(): void;
}

/** What a stream needs of its connection. */
export interface StreamConnection {
  /** What a frame of data may hold by the client's leave and the connection's window; 0: nothing now. */
  readonly dataBytesMax: number;
  /** So many bytes of data are about to be sent. */
  spend(bytes: number): void;
  send(frames: Buffer): void;
  /** More bytes wait to be taken by the client than should. */
  readonly isFull: boolean;
  /** So many bytes more are kept for the client; below 0: less. */
  hold(bytes: number): void;
  /** No more should be kept for it. */
  readonly holdsTooMuch: boolean;
  /** Something of an answer is sent. */
  answers(): void;
  reset(streamId: number, code: number): void;
  /** Both sides have ended, or one has given up. */
  closed(stream: Stream): void;
  /** Data waits for a window, or for the connection to drain. */
  waits(stream: Stream): void;
}

export class Stream {
  readonly id: number;
  readonly #connection: StreamConnection;
  handler: StreamHandler | undefined;
  /** What the client takes on this stream. */
  sendWindow: number;
  /** What the client may still send before this side says more. */
  receiveWindow: number;
  /** Bytes taken from the client and not yet given back. */
  unreturned = 0;
  /** The client sends no more. */
  isReadEnded = false;
  #headersSent = false;
  /** Data on its way, and how far the first piece has gone. */
  #queue: Uint8Array[] = [];
  #queueAt = 0;
  /** Bytes of data on its way. */
  #queued = 0;
  /** Bytes of a request that is not whole. */
  #unfinished = 0;
  /** The block that ends the stream once all data is gone. */
  #trailers: Buffer | undefined;
  #isOver = false;

  constructor(id: number, connection: StreamConnection, windows: { readonly send: number; readonly receive: number }) {
    this.id = id;
    this.#connection = connection;
    this.sendWindow = windows.send;
    this.receiveWindow = windows.receive;
  }

  /** Nothing more can be sent. */
  get isOver(): boolean {
    return this.#isOver;
  }
  get headersSent(): boolean {
    return this.#headersSent;
  }
  get isWaiting(): boolean {
    return this.#queue.length > 0 || this.#trailers !== undefined;
  }

  /** What is there of a request that is not whole; 0: it is, or nobody wants it any more. */
  holdRequest(bytes: number): void {
    this.#connection.hold(bytes - this.#unfinished);
    this.#unfinished = bytes;
  }

  /** The client makes this process keep more than it should. */
  get holdsTooMuch(): boolean {
    return this.#connection.holdsTooMuch;
  }

  /** A header block; with `isLast` it is all of the answer. */
  respond(block: Buffer, isLast: boolean): void {
    if (this.#isOver || this.#headersSent) return;
    this.#headersSent = true;
    this.#sendBlock(block, isLast);
    if (isLast) this.#finish();
  }

  /**
   * @param pieces not changed from here on, and not copied while they wait: many streams may wait with the same bytes
   * @returns false: it waits, and `drained` will be called
   */
  write(...pieces: readonly Uint8Array[]): boolean {
    if (this.#isOver || this.#trailers !== undefined) return true;
    for (const piece of pieces) {
      this.#queue.push(piece);
      this.#queued += piece.length;
      this.#connection.hold(piece.length);
    }
    this.pump();
    if (!this.isWaiting && !this.#connection.isFull) return true;
    this.#connection.waits(this);
    return false;
  }

  /** Ends the stream behind what was written. */
  end(trailers: Buffer): void {
    if (this.#isOver || this.#trailers !== undefined) return;
    this.#trailers = trailers;
    this.pump();
    if (!this.#isOver) this.#connection.waits(this);
  }

  /**
   * A whole answer: headers, one piece of data, trailers. In one buffer where the windows allow it, as they nearly
   * always do.
   */
  answer(head: Buffer, bytes: Buffer, trailers: Buffer): void {
    if (this.#isOver || this.#headersSent) return;
    if (bytes.length > this.#room || head.length + trailers.length > frameBytesStandard) {
      this.respond(head, false);
      this.write(bytes);
      this.end(trailers);
      return;
    }
    const { id: streamId } = this;
    const frames = Buffer.allocUnsafe(3 * frameHeadBytes + head.length + bytes.length + trailers.length);
    writeFrameHead(frames, 0, { length: head.length, type: frameTypes.headers, flags: flagBits.endHeaders, streamId });
    frames.set(head, frameHeadBytes);
    let at = frameHeadBytes + head.length;
    writeFrameHead(frames, at, { length: bytes.length, type: frameTypes.data, flags: 0, streamId });
    frames.set(bytes, at + frameHeadBytes);
    at += frameHeadBytes + bytes.length;
    const flags = flagBits.endHeaders | flagBits.endStream;
    writeFrameHead(frames, at, { length: trailers.length, type: frameTypes.headers, flags, streamId });
    frames.set(trailers, at + frameHeadBytes);
    this.#headersSent = true;
    this.#spend(bytes.length);
    this.#connection.send(frames);
    this.#finish();
  }

  /** Gives the stream up. */
  reset(code: number): void {
    if (this.#isOver) return;
    this.#drop();
    this.#connection.reset(this.id, code);
    this.#connection.closed(this);
  }

  /** The client gave the stream up, or the connection is gone. */
  lost(): void {
    if (this.#isOver) return;
    this.#drop();
    this.#connection.closed(this);
    this.handler?.gone();
  }

  /** Sends what the windows allow. */
  pump(): void {
    while (this.#queue.length > 0) {
      const first = this.#queue[0] as Uint8Array;
      const length = Math.min(first.length - this.#queueAt, this.#room);
      if (length <= 0 && first.length > 0) return;
      const frame = Buffer.allocUnsafe(frameHeadBytes + length);
      writeFrameHead(frame, 0, { length, type: frameTypes.data, flags: 0, streamId: this.id });
      frame.set(first.subarray(this.#queueAt, this.#queueAt + length), frameHeadBytes);
      this.#spend(length);
      this.#queued -= length;
      this.#connection.hold(-length);
      this.#connection.send(frame);
      this.#queueAt += length;
      if (this.#queueAt < first.length) continue;
      this.#queue.shift();
      this.#queueAt = 0;
    }
    if (this.#trailers === undefined) return;
    this.#sendBlock(this.#trailers, true);
    this.#finish();
  }

  get #room(): number {
    return Math.min(this.sendWindow, this.#connection.dataBytesMax);
  }

  #spend(bytes: number): void {
    this.sendWindow -= bytes;
    this.#connection.spend(bytes);
    this.#connection.answers();
  }

  #sendBlock(block: Buffer, isLast: boolean): void {
    this.#connection.send(headerFrames(this.id, block, isLast));
    this.#connection.answers();
  }

  /** A client that goes on sending after the end is told that nobody listens. */
  #finish(): void {
    this.#drop();
    if (this.isReadEnded) {
      this.#connection.closed(this);
      return;
    }
    // Most clients are done, and are about to say so.
    setImmediate(() => {
      if (!this.isReadEnded) this.#connection.reset(this.id, errorCodes.none);
      this.#connection.closed(this);
    });
  }

  #drop(): void {
    this.#isOver = true;
    this.#connection.hold(-this.#queued);
    this.#queued = 0;
    this.holdRequest(0);
    this.#queue = [];
    this.#trailers = undefined;
  }
}
