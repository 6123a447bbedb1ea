/*
 * The server's half of a WebSocket, as far as the JSON gateway needs it: messages of either kind come in, text goes out.
 * Extensions are refused. This side ends by closing the connection, as etcd's does; a client's word of the end is answered.
 * Source: RFC 6455.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

export interface WebSocketHandlers {
  message(text: Uint8Array): void;
  /** The client ended it, or the connection is gone; called once, and not after `close` of this side. */
  closed(): void;
  /** What was sent has left this process's buffers. */
  drained(): void;
}

const acceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const closeCodes = { protocol: 1002, tooLarge: 1009 } as const;

/** What the client asked for is a WebSocket of the only version there is. */
export const asksForWebSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === "GET" &&
  headers.upgrade?.toLowerCase() === "websocket" &&
  headers["sec-websocket-version"] === "13" &&
  typeof headers["sec-websocket-key"] === "string";

export class WebSocketSide {
  readonly #socket: Duplex;
  readonly #messageBytesMax: number;
  readonly #handlers: WebSocketHandlers;
  #received: Buffer = Buffer.alloc(0);
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #open = true;

  /** Answers the request; the socket is this one's from here on. */
  constructor(
    request: IncomingMessage,
    socket: Duplex,
    options: { readonly messageBytesMax: number; readonly handlers: WebSocketHandlers },
  ) {
    this.#socket = socket;
    this.#messageBytesMax = options.messageBytesMax;
    this.#handlers = options.handlers;
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${acceptSuffix}`).digest("base64");
    const bearer = request.headers["sec-websocket-protocol"]?.startsWith("Bearer") === true;
    const lines = [
      ...["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"],
      ...[`Sec-WebSocket-Accept: ${accept}`, ...(bearer ? ["Sec-WebSocket-Protocol: Bearer"] : []), "\r\n"],
    ];
    socket.write(lines.join("\r\n"));
    socket.on("data", (piece: Buffer) => this.#take(piece));
    socket.on("drain", () => this.#handlers.drained());
    socket.on("error", () => this.#gone());
    socket.on("close", () => this.#gone());
    socket.on("end", () => this.#gone());
  }

  /** @returns false: wait for `drained` before sending much more */
  send(text: string): boolean {
    return this.#open && this.#frame(opcodes.text, Buffer.from(text));
  }

  /** Nothing is sent after what was sent before. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.end();
  }

  #take(piece: Buffer): void {
    this.#received = Buffer.concat([this.#received, piece]);
    while (this.#open && this.#takeFrame());
  }

  /** @returns false: no complete frame is there */
  #takeFrame(): boolean {
    const bytes = this.#received;
    if (bytes.length < 2) return false;
    const [first = 0, second = 0] = bytes;
    const short = second & 127;
    const headBytes = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (bytes.length < headBytes + 4) return false;
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    // Clients mask what they send; extensions were not agreed upon.
    if ((second & 128) === 0 || (first & 0x70) !== 0) return this.#end(closeCodes.protocol);
    if (this.#pieceBytes + length > this.#messageBytesMax) return this.#end(closeCodes.tooLarge);
    if (bytes.length < headBytes + 4 + length) return false;
    const mask = bytes.subarray(headBytes, headBytes + 4);
    const content = Buffer.from(bytes.subarray(headBytes + 4, headBytes + 4 + length));
    for (let at = 0; at < length; at++) content[at] = (content[at] as number) ^ (mask[at & 3] as number);
    this.#received = bytes.subarray(headBytes + 4 + length);
    return this.#handle(first & 15, (first & 128) !== 0, content);
  }

  #handle(opcode: number, isLast: boolean, content: Buffer): boolean {
    switch (opcode) {
      case opcodes.text:
      case opcodes.binary:
      case opcodes.continuation: {
        this.#pieces.push(content);
        this.#pieceBytes += content.length;
        if (!isLast) return true;
        const message = Buffer.concat(this.#pieces);
        this.#pieces = [];
        this.#pieceBytes = 0;
        this.#handlers.message(message);
        return true;
      }
      case opcodes.ping:
        this.#frame(opcodes.pong, content);
        return true;
      case opcodes.pong:
        return true;
      case opcodes.close:
        // Its code, not its reason.
        this.#frame(opcodes.close, content.subarray(0, 2));
        this.close();
        this.#handlers.closed();
        return false;
      default:
        return this.#end(closeCodes.protocol);
    }
  }

  #frame(opcode: number, content: Buffer): boolean {
    const { length } = content;
    const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
    head[0] = 0x80 | opcode;
    if (length < 126) head[1] = length;
    else if (length < 65_536) {
      head[1] = 126;
      head.writeUInt16BE(length, 2);
    } else {
      head[1] = 127;
      head.writeBigUInt64BE(BigInt(length), 2);
    }
    this.#socket.write(head);
    return this.#socket.write(content);
  }

  #end(code: number): false {
    if (!this.#open) return false;
    const content = Buffer.alloc(2);
    content.writeUInt16BE(code);
    this.#frame(opcodes.close, content);
    this.close();
    // A fault of the client's is the end of its stream too.
    this.#handlers.closed();
    return false;
  }

  #gone(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#handlers.closed();
  }
}
