/*
 * A client of gRPC made of bytes, for what no library of gRPC does: a hundred thousand calls without a promise each,
 * streams that are opened and left, answers that are not read, frames that are wrong. One connection each.
 */
import { connect, type Socket } from "node:net";
import { frameHeadBytes, frameOf, frameTypes, number32, settingIds } from "../../chaos/member/grpc/frames.ts";
import { encodeHeaders, HpackDecoder } from "../../chaos/member/grpc/hpack.ts";
import { framed } from "../../chaos/member/grpc/messages.ts";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const endHeaders = 4;
const endStream = 1;
const windowMax = 2 ** 31 - 1;

export interface FloodOptions {
  /** What the server may send on a stream before it is allowed more; absent: all it wants, and on the connection too. */
  readonly streamWindowBytes?: number;
  /** Of the settings of this side; absent: 16 KiB. */
  readonly isSilent?: boolean;
}

/** What came on one stream. */
export interface FloodAnswer {
  /** gRPC messages, complete ones. */
  readonly messages: Buffer[];
  /** Once the server ended the stream: the status of gRPC, or the code of a reset. */
  status: number | undefined;
  text: string;
  reset: number | undefined;
}

export class FloodClient {
  readonly socket: Socket;
  /** The last GOAWAY. */
  goAway: { readonly code: number; readonly text: string } | undefined;
  isClosed = false;
  pongs = 0;
  pings = 0;
  /** Called for every message, for floods that keep none. */
  onMessage: ((streamId: number, message: Buffer) => void) | undefined;
  onEnd: ((streamId: number, answer: FloodAnswer) => void) | undefined;
  readonly #answers = new Map<number, FloodAnswer>();
  /** Of messages that are not whole yet: pieces, and their bytes. */
  readonly #partial = new Map<number, { pieces: Buffer[]; bytes: number }>();
  readonly #heads = new Map<string, Buffer>();
  readonly #decoder = new HpackDecoder(64 * 1024);
  readonly #answersPings: boolean;
  #rest: Buffer = Buffer.alloc(0);
  #nextStreamId = 1;
  #unreturned = 0;
  #waiting: (() => void)[] = [];
  #out: Buffer[] = [];

  constructor(port: number, { streamWindowBytes = windowMax, isSilent = false }: FloodOptions = {}) {
    this.#answersPings = !isSilent;
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("data", (piece: Buffer) => this.#read(piece));
    // How it ended is told by `isClosed` and `goAway`.
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.isClosed = true;
      this.#wake();
    });
    const window = Buffer.alloc(6);
    window.writeUInt16BE(settingIds.initialWindow, 0);
    window.writeUInt32BE(streamWindowBytes, 2);
    this.socket.write(preface);
    this.frame(frameTypes.settings, 0, 0, window);
    this.frame(frameTypes.windowUpdate, 0, 0, number32(windowMax - 65_535));
  }

  /** One frame, as it is; frames of one turn leave together. */
  frame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    this.#write(frameOf({ type, flags, streamId }, payload));
  }

  /** Opens a stream and sends no message. @returns its number */
  open(path: string): number {
    const streamId = this.#nextStreamId;
    this.#nextStreamId += 2;
    let head = this.#heads.get(path);
    if (head === undefined) {
      head = encodeHeaders([
        ...([
          [":method", "POST"],
          [":scheme", "http"],
          [":path", path],
        ] as const),
        ...([
          [":authority", "flood"],
          ["content-type", "application/grpc"],
          ["te", "trailers"],
        ] as const),
      ]);
      this.#heads.set(path, head);
    }
    this.frame(frameTypes.headers, endHeaders, streamId, head);
    this.#answers.set(streamId, { messages: [], status: undefined, text: "", reset: undefined });
    return streamId;
  }

  send(streamId: number, message: Uint8Array, isLast = false): void {
    const bytes = framed(message);
    for (let at = 0; at < bytes.length; at += 16_384) {
      const isEnd = isLast && at + 16_384 >= bytes.length;
      this.frame(frameTypes.data, isEnd ? endStream : 0, streamId, bytes.subarray(at, at + 16_384));
    }
  }

  /** Opens a stream for one request and ends this side of it. */
  call(path: string, message: Uint8Array): number {
    const streamId = this.open(path);
    this.send(streamId, message, true);
    return streamId;
  }

  reset(streamId: number): void {
    this.frame(frameTypes.reset, 0, streamId, number32(8));
  }

  answerOf(streamId: number): FloodAnswer {
    const answer = this.#answers.get(streamId);
    if (answer === undefined) throw new Error(`no stream ${streamId}`);
    return answer;
  }

  /** Forgets a stream; what still comes on it is passed over. */
  forget(streamId: number): void {
    this.#answers.delete(streamId);
    this.#partial.delete(streamId);
  }

  /** The status of one call, and its answer's message. */
  async unary(path: string, message: Uint8Array): Promise<FloodAnswer> {
    const streamId = this.call(path, message);
    const answer = this.answerOf(streamId);
    await this.until(() => answer.status !== undefined || answer.reset !== undefined);
    this.forget(streamId);
    return answer;
  }

  /** After it, the server has read all that was sent before. */
  async ping(): Promise<void> {
    const before = this.pongs;
    this.frame(frameTypes.ping, 0, 0, Buffer.alloc(8));
    await this.until(() => this.pongs > before);
  }

  /** What was written has left this process: the member reads, or does not. */
  async sent(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.socket.writableNeedDrain) await new Promise<void>((resolve) => this.socket.once("drain", () => resolve()));
  }

  /** Looks at every frame that comes, and at the end of the connection. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.isClosed) throw new Error(`the connection is closed: ${JSON.stringify(this.goAway)}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Ends it with a reset of TCP, so that the server is not told in any other way. */
  vanish(): void {
    this.socket.resetAndDestroy();
  }

  #write(bytes: Buffer): void {
    this.#out.push(bytes);
    if (this.#out.length > 1) return;
    process.nextTick(() => {
      const out = this.#out;
      this.#out = [];
      this.socket.write(Buffer.concat(out));
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) each();
  }

  #read(piece: Buffer): void {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    let at = 0;
    while (bytes.length - at >= frameHeadBytes) {
      const end = at + frameHeadBytes + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const streamId = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      this.#frame(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, streamId, bytes.subarray(at + frameHeadBytes, end));
      at = end;
    }
    this.#rest = bytes.subarray(at);
    this.#wake();
  }

  #frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (type === frameTypes.goAway) {
      this.goAway = { code: payload.readUInt32BE(4), text: payload.subarray(8).toString() };
    } else if (type === frameTypes.ping) {
      if ((flags & 1) !== 0) this.pongs += 1;
      else {
        this.pings += 1;
        if (this.#answersPings) this.frame(frameTypes.ping, 1, 0, payload);
      }
    } else if (type === frameTypes.settings) {
      if ((flags & 1) === 0) this.frame(frameTypes.settings, 1, 0, Buffer.alloc(0));
    } else if (type === frameTypes.data) {
      this.#data(streamId, payload);
      if ((flags & endStream) !== 0) throw new Error("gRPC ends streams by trailers");
    } else if (type === frameTypes.headers) this.#headers(flags, streamId, payload);
    else if (type === frameTypes.reset) this.#ended(streamId, { reset: payload.readUInt32BE(0) });
  }

  #headers(flags: number, streamId: number, payload: Buffer): void {
    if ((flags & endHeaders) === 0) throw new Error("the flood reads header blocks of one frame");
    const { headers } = this.#decoder.decode(payload);
    if ((flags & endStream) === 0) return;
    const text = decodeURIComponent(headers["grpc-message"] ?? "");
    this.#ended(streamId, { status: Number(headers["grpc-status"]), text });
  }

  #ended(streamId: number, end: Partial<FloodAnswer>): void {
    const answer = this.#answers.get(streamId);
    if (answer === undefined || answer.status !== undefined || answer.reset !== undefined) return;
    Object.assign(answer, end);
    this.onEnd?.(streamId, answer);
  }

  #data(streamId: number, payload: Buffer): void {
    this.#unreturned += payload.length;
    // Of the window of all streams; that of one is the options' business.
    if (this.#unreturned > 2 ** 20) {
      this.frame(frameTypes.windowUpdate, 0, 0, number32(this.#unreturned));
      this.#unreturned = 0;
    }
    const answer = this.#answers.get(streamId);
    if (answer === undefined) return;
    const before = this.#partial.get(streamId) ?? { pieces: [], bytes: 0 };
    before.pieces.push(payload);
    before.bytes += payload.length;
    this.#partial.set(streamId, before);
    const first = before.pieces[0] ?? payload;
    if (first.length >= 5 && before.bytes < 5 + first.readUInt32BE(1)) return;
    let bytes = Buffer.concat(before.pieces, before.bytes);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const message = bytes.subarray(5, 5 + bytes.readUInt32BE(1));
      bytes = bytes.subarray(5 + message.length);
      if (this.onMessage === undefined) answer.messages.push(Buffer.from(message));
      else this.onMessage(streamId, message);
    }
    if (bytes.length === 0) this.#partial.delete(streamId);
    else this.#partial.set(streamId, { pieces: [bytes], bytes: bytes.length });
  }
}
