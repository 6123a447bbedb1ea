/*
 * Frames of HTTP/2 as bytes. Source: RFC 9113 §4.1, §6, §7.
 */

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flagBits = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const settingIds = {
  initialWindow: 4,
  frameBytesMax: 5,
  streamsMax: 3,
  push: 2,
  headerListBytesMax: 6,
} as const;

export const errorCodes = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

export const frameHeadBytes = 9;
/** What either side may send unless the other one allows more. */
export const frameBytesStandard = 16_384;
export const windowBytesStandard = 65_535;
export const windowBytesLimit = 2 ** 31 - 1;

export interface FrameHead {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
}

export function writeFrameHead(bytes: Buffer, at: number, { length, type, flags, streamId }: FrameHead): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  bytes[at + 5] = streamId >>> 24;
  bytes[at + 6] = streamId >>> 16;
  bytes[at + 7] = streamId >>> 8;
  bytes[at + 8] = streamId;
}

export function frameOf(head: Omit<FrameHead, "length">, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeadBytes + payload.length);
  writeFrameHead(bytes, 0, { ...head, length: payload.length });
  bytes.set(payload, frameHeadBytes);
  return bytes;
}

export function number32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A header block as the frames it takes. @param isLast it ends its stream */
export function headerFrames(streamId: number, block: Uint8Array, isLast: boolean): Buffer {
  const endStream = isLast ? flagBits.endStream : 0;
  if (block.length <= frameBytesStandard) {
    return frameOf({ type: frameTypes.headers, flags: flagBits.endHeaders | endStream, streamId }, block);
  }
  const frames: Buffer[] = [];
  for (let from = 0; from < block.length; from += frameBytesStandard) {
    const type = from === 0 ? frameTypes.headers : frameTypes.continuation;
    const isEnd = from + frameBytesStandard >= block.length;
    const flags = (isEnd ? flagBits.endHeaders : 0) | (from === 0 ? endStream : 0);
    frames.push(frameOf({ type, flags, streamId }, block.subarray(from, from + frameBytesStandard)));
  }
  return Buffer.concat(frames);
}
