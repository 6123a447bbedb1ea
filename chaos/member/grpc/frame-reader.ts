/*
 * Frames out of the bytes a client sends, cut anywhere: the preface, then frame after frame, those of one header block put
 * together. What no frame may do whatever it is about is refused here. Source: RFC 9113 §3.4, §4, §6.10.
 */
import { errorCodes, flagBits, frameBytesStandard, frameHeadBytes, frameTypes } from "./frames.ts";

/** The client broke the protocol; the connection ends with that code. */
export class ConnectionProblem extends Error {
  override readonly name = "ConnectionProblem";
  readonly code: number;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}

/** What is done with the frames. */
export interface FrameTarget {
  /** Any frame but those of header blocks. */
  frame(type: number, flags: number, streamId: number, payload: Buffer): void;
  /** A whole header block. */
  block(streamId: number, endsStream: boolean, block: Buffer): void;
  /** Frames of a piece that follow are read only while this holds. */
  readonly isOpen: boolean;
}

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
/** One header block, coded: its bytes, and the frames it comes in. */
const blockBytesMax = 64 * 1024;
const blockPiecesMax = 64;

interface OpenBlock {
  readonly streamId: number;
  readonly endsStream: boolean;
  readonly pieces: Buffer[];
  bytes: number;
}

export class FrameReader {
  readonly #target: FrameTarget;
  /** What is not a whole frame yet. */
  #rest: Buffer = nothing;
  #prefaceSeen = false;
  #settingsSeen = false;
  /** A header block whose continuation is awaited. */
  #block: OpenBlock | undefined;

  constructor(target: FrameTarget) {
    this.#target = target;
  }

  /** @throws ConnectionProblem */
  read(piece: Buffer): void {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    let at = 0;
    if (!this.#prefaceSeen) {
      this.#rest = bytes;
      if (bytes.length < preface.length) return;
      if (bytes.compare(preface, 0, preface.length, 0, preface.length) !== 0)
        throw new ConnectionProblem(errorCodes.protocol, "the connection does not begin with the preface of HTTP/2");
      this.#prefaceSeen = true;
      at = preface.length;
    }
    while (bytes.length - at >= frameHeadBytes && this.#target.isOpen) {
      const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
      if (length > frameBytesStandard) throw new ConnectionProblem(errorCodes.frameSize, "a frame is too long");
      const start = at + frameHeadBytes;
      if (bytes.length < start + length) break;
      const streamId = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      const type = bytes[at + 3] as number;
      this.#frame(type, bytes[at + 4] as number, streamId, bytes.subarray(start, start + length));
      at = start + length;
    }
    this.#rest = at === bytes.length ? nothing : bytes.subarray(at);
  }

  #frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (!this.#settingsSeen) {
      mustBe(type === frameTypes.settings, "the first frame is not of settings");
      this.#settingsSeen = true;
    }
    if (this.#block !== undefined) {
      const follows = type === frameTypes.continuation && streamId === this.#block.streamId;
      mustBe(follows, "a header block is not continued");
      this.#continue(this.#block, flags, payload);
    } else if (type === frameTypes.headers) this.#begin(flags, streamId, payload);
    else {
      mustBe(type !== frameTypes.continuation, "a continuation follows nothing");
      this.#target.frame(type, flags, streamId, payload);
    }
  }

  #begin(flags: number, streamId: number, payload: Buffer): void {
    mustBe(streamId % 2 === 1, "a request has an odd number");
    let block = unpadded(flags, payload);
    if ((flags & flagBits.priority) !== 0) {
      mustHaveSize(block.length >= 5, "a header block ends in its priority");
      block = block.subarray(5);
    }
    const endsStream = (flags & flagBits.endStream) !== 0;
    if ((flags & flagBits.endHeaders) !== 0) this.#target.block(streamId, endsStream, block);
    else this.#block = { streamId, endsStream, pieces: [block], bytes: block.length };
  }

  #continue(block: OpenBlock, flags: number, payload: Buffer): void {
    block.pieces.push(payload);
    block.bytes += payload.length;
    if (block.bytes > blockBytesMax || block.pieces.length > blockPiecesMax)
      throw new ConnectionProblem(errorCodes.enhanceYourCalm, "a header block is too long");
    if ((flags & flagBits.endHeaders) === 0) return;
    this.#block = undefined;
    this.#target.block(block.streamId, block.endsStream, Buffer.concat(block.pieces));
  }
}

const nothing = Buffer.alloc(0);

/** @throws ConnectionProblem */
export function mustBe(condition: boolean, text: string): void {
  if (!condition) throw new ConnectionProblem(errorCodes.protocol, text);
}

/** @throws ConnectionProblem */
export function mustHaveSize(condition: boolean, text: string): void {
  if (!condition) throw new ConnectionProblem(errorCodes.frameSize, text);
}

/** What of a frame is its content. @throws ConnectionProblem */
export function unpadded(flags: number, payload: Buffer): Buffer {
  if ((flags & flagBits.padded) === 0) return payload;
  const padding = payload[0];
  mustBe(padding !== undefined && padding < payload.length, "padding is longer than its frame");
  return payload.subarray(1, payload.length - (padding ?? 0));
}
