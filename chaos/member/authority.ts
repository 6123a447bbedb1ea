/*
 * HTTP/2 connections whose client names a whole URL as :authority (authority-header.ts says which, and why that breaks).
 * The first request of a connection shows it. Until then the connection is read here; nearly always nothing is wrong,
 * and it goes on untouched. Else every header block goes through a hand that puts it right.
 *
 * A client may wait for the server's settings before its first request, so the server's first frame, empty settings,
 * leaves from here; its acknowledgement is kept from the server proper, which has not sent them. A request that comes
 * before that acknowledgement waits for it, a round trip, so that the connection can be handed on as the socket it is:
 * bytes that pass through here cost more than all else about a small call.
 * Source: RFC 9113 §3.4, §4.1, §6.2, §6.5.
 */
import { Duplex } from "node:stream";
import { withPlainAuthority } from "./authority-header.ts";
import { http2Preface } from "./port.ts";

const frameHeadBytes = 9;
const headersFrame = 1;
const priorityFrame = 2;
const settingsFrame = 4;
const windowUpdateFrame = 8;
const acknowledged = 0x1;
const endOfHeaders = 0x4;
const padded = 0x8;
const withPriority = 0x20;
const emptySettings = Buffer.from([0, 0, 0, settingsFrame, 0, 0, 0, 0, 0]);
/** Nothing that a client says before its first request is longer. */
const lookBytesMax = 1 << 20;
/** A client that is so late to acknowledge settings is served all the same. */
const acknowledgementMs = 1_000;

/** Gives the connection on, as it is or put right, once its first request has been seen. The preface is unread. */
export function acceptHttp2(socket: Duplex, accept: (connection: Duplex) => void): void {
  const editor = new FrameEditor();
  let hasGreeted = false;
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    const piece: Buffer | null = socket.read();
    if (piece === null) return;
    editor.feed(piece);
    if (editor.bytes < lookBytesMax) {
      if (!editor.hasSeenMore) {
        if (hasGreeted) return;
        hasGreeted = true;
        editor.ownSettingsAwaited = true;
        socket.write(emptySettings);
        return;
      }
      if (editor.ownSettingsAwaited) {
        timer ??= setTimeout(handOn, acknowledgementMs);
        return;
      }
    }
    handOn();
  };
  const handOn = (): void => {
    clearTimeout(timer);
    socket.removeListener("readable", look);
    socket.removeListener("close", stop);
    const read = editor.take();
    if (editor.isNeeded) accept(new EditedConnection(socket, editor, read));
    else {
      if (read.length > 0) socket.unshift(read);
      accept(socket);
    }
  };
  const stop = (): void => clearTimeout(timer);
  socket.once("close", stop);
  socket.on("readable", look);
  look();
}

/** Takes what a client sends apart into frames and puts it together again. */
class FrameEditor {
  /** What the client acknowledges next is not of the server proper. */
  ownSettingsAwaited = false;
  /** A request, or something else that wants the server proper. */
  hasSeenMore = false;
  #hasSeenRequest = false;
  #hasEdited = false;
  /** Whole pieces, as they shall go on. */
  #done: Buffer[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #prefaceBytes = http2Preface.length;
  bytes = 0;

  /** Frames still to come have to pass through here. */
  get isNeeded(): boolean {
    return this.#hasEdited || this.ownSettingsAwaited || !this.#hasSeenRequest;
  }

  feed(piece: Buffer): void {
    this.bytes += piece.length;
    let data = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    if (this.#prefaceBytes > 0) {
      const length = Math.min(this.#prefaceBytes, data.length);
      this.#done.push(data.subarray(0, length));
      this.#prefaceBytes -= length;
      data = data.subarray(length);
    }
    while (data.length >= frameHeadBytes) {
      const length = frameHeadBytes + data.readUIntBE(0, 3);
      if (data.length < length) break;
      this.#frame(data.subarray(0, length));
      data = data.subarray(length);
    }
    this.#rest = data;
  }

  /** What was fed and not taken: up to the end of the last whole frame, or all of it when no more has to pass here. */
  take(): Buffer {
    const pieces = this.#done;
    this.#done = [];
    if (this.isNeeded) return Buffer.concat(pieces);
    pieces.push(this.#rest);
    this.#rest = Buffer.alloc(0);
    return Buffer.concat(pieces);
  }

  #frame(frame: Buffer): void {
    const type = frame[3];
    const flags = frame[4] ?? 0;
    if (type === settingsFrame && (flags & acknowledged) !== 0 && this.ownSettingsAwaited) {
      this.ownSettingsAwaited = false;
      return;
    }
    if (type !== headersFrame) {
      this.hasSeenMore ||= type !== settingsFrame && type !== windowUpdateFrame && type !== priorityFrame;
      this.#done.push(frame);
      return;
    }
    this.hasSeenMore = true;
    this.#hasSeenRequest = true;
    const edited = (flags & endOfHeaders) === 0 ? frame : withEditedBlock(frame, flags);
    this.#hasEdited ||= edited !== frame;
    this.#done.push(edited);
  }
}

/** The frame with its header block put right; padding, of which no one needs any, is dropped with that. */
function withEditedBlock(frame: Buffer, flags: number): Buffer {
  const isPadded = (flags & padded) !== 0;
  const paddingBytes = isPadded ? (frame[frameHeadBytes] ?? 0) : 0;
  const start = frameHeadBytes + (isPadded ? 1 : 0);
  const blockStart = start + ((flags & withPriority) === 0 ? 0 : 5);
  const blockEnd = frame.length - paddingBytes;
  if (blockEnd < blockStart) return frame;
  const block = frame.subarray(blockStart, blockEnd);
  const plain = withPlainAuthority(block);
  if (plain === block) return frame;
  const head = Buffer.from(frame.subarray(0, frameHeadBytes));
  head.writeUIntBE(blockStart - start + plain.length, 0, 3);
  head[4] = flags & ~padded;
  return Buffer.concat([head, frame.subarray(start, blockStart), plain]);
}

/** A connection whose incoming frames pass through the editor. */
class EditedConnection extends Duplex {
  readonly #socket: Duplex;

  constructor(socket: Duplex, editor: FrameEditor, read: Buffer) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    if (read.length > 0) this.push(read);
    socket.on("data", (piece: Buffer) => {
      editor.feed(piece);
      const edited = editor.take();
      if (edited.length > 0 && !this.push(edited)) socket.pause();
    });
    socket.once("end", () => this.push(null));
    socket.once("error", (error) => this.destroy(error));
    socket.once("close", () => this.destroy());
    socket.pause();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(piece: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(piece, encoding, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
