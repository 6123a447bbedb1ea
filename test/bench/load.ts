/*
 * A load generator that is not the wall: HTTP/2 written by hand over plain sockets, because a generator made of a gRPC
 * library spends more on a call than the server it measures. Every client has one call under way; clients share few
 * connections. Only what such a run needs is here: one method a run, answers counted and not decoded.
 *
 *     node --import tsx test/bench/load.ts --port 2379[,2380…] [--call put|range] [--clients 64] [--connections 4]
 *         [--seconds 5] [--warmup 2] [--keys 10000] [--value 256] [--calls N]
 *
 * With --calls it ends after so many answers, not after a time.
 *
 * Sources: RFC 9113 (frames), RFC 7541 (header blocks), gRPC over HTTP/2.
 */
import { connect, type Socket } from "node:net";
import { parseArgs } from "node:util";

export interface LoadOptions {
  /** Connections go to these in turn. */
  readonly ports: readonly number[];
  readonly call: "put" | "range";
  readonly clients: number;
  readonly connections: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  /** Ends when so many were answered, warm-up and time aside; undefined: after the time. */
  readonly callsMax?: number;
  /** Keys are used in turn, over and over; 0: every one is new. */
  readonly keys: number;
  readonly valueBytes: number;
  /** Called once when the warm-up is over. */
  readonly onWarm?: () => void;
}

export interface LoadResult {
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Calls that ended without an answer. */
  readonly failed: number;
  /** Of this process, during the measured part. */
  readonly generatorCpuMicroseconds: number;
}

/** Keeps `clients` calls under way until the time is over. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const meter = new Meter();
  const next = requests(options);
  const path = options.call === "put" ? "/etcdserverpb.KV/Put" : "/etcdserverpb.KV/Range";
  const lanes = Array.from({ length: Math.min(options.connections, options.clients) }, (_none, number) => {
    return new Lane(options.ports[number % options.ports.length] ?? 0, path, { next, meter });
  });
  await Promise.all(lanes.map((lane) => lane.opened));
  for (let client = 0; client < options.clients; client++) lanes[client % lanes.length]?.addClient();
  if (options.callsMax !== undefined) {
    while (meter.answered + meter.failed < options.callsMax) await after(10);
    if (meter.failed > 0) throw new Error(`${meter.failed} calls failed`);
    await Promise.all(lanes.map((lane) => lane.close()));
    return { ...meter.result(1), generatorCpuMicroseconds: 0 };
  }
  await after(options.warmupMs);
  options.onWarm?.();
  meter.reset();
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  await after(options.durationMs);
  const elapsedMs = performance.now() - startedMs;
  const cpu = process.cpuUsage(cpuBefore);
  const result = meter.result(elapsedMs);
  await Promise.all(lanes.map((lane) => lane.close()));
  return { ...result, generatorCpuMicroseconds: Math.round((cpu.user + cpu.system) / Math.max(1, meter.answered)) };
}

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The bytes of one request after the other, each a gRPC message with its five bytes in front. */
function requests({ call, keys, valueBytes }: LoadOptions): () => Buffer {
  const value = call === "put" ? Buffer.alloc(valueBytes, 0x76) : undefined;
  let number = 0;
  return () => {
    const key = Buffer.from(`load/${String(number++).padStart(9, "0")}`, "latin1");
    if (keys > 0 && number >= keys) number = 0;
    return message(value === undefined ? [field(1, key)] : [field(1, key), field(2, value)]);
  };
}

function message(fields: readonly Buffer[]): Buffer {
  const body = Buffer.concat(fields);
  const bytes = Buffer.allocUnsafe(5 + body.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(body.length, 1);
  body.copy(bytes, 5);
  return bytes;
}

/** A protobuf field of bytes, up to 2 MiB. */
function field(number: number, bytes: Buffer): Buffer {
  const head = [(number << 3) | 2];
  let rest = bytes.length;
  for (; rest >= 128; rest >>= 7) head.push((rest & 127) | 128);
  head.push(rest);
  return Buffer.concat([Buffer.from(head), bytes]);
}

/** Counts answers and how long each took. */
class Meter {
  answered = 0;
  failed = 0;
  #tookMs = new Float64Array(1 << 16);

  reset(): void {
    this.answered = 0;
    this.failed = 0;
  }

  note(tookMs: number): void {
    if (this.answered === this.#tookMs.length) {
      const larger = new Float64Array(this.#tookMs.length * 2);
      larger.set(this.#tookMs);
      this.#tookMs = larger;
    }
    this.#tookMs[this.answered++] = tookMs;
  }

  result(elapsedMs: number): Omit<LoadResult, "generatorCpuMicroseconds"> {
    const sorted = this.#tookMs.slice(0, this.answered).sort();
    const at = (part: number): number => Number((sorted[Math.floor(sorted.length * part)] ?? 0).toFixed(2));
    return {
      callsPerSecond: Math.round((this.answered * 1_000) / elapsedMs),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      failed: this.failed,
    };
  }
}

const frame = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
const endStream = 1;
const ack = 1;
const endHeaders = 4;
const frameHeadBytes = 9;
const windowBytesMax = 2 ** 31 - 1;
const windowBytesDefault = 65_535;
/** Streams are numbered without end; what is known of one is kept in its place of a ring. */
const ringSize = 4_096;

/** One connection and the clients that share it. */
class Lane {
  readonly opened: Promise<void>;
  readonly #socket: Socket;
  readonly #next: () => Buffer;
  readonly #meter: Meter;
  readonly #headers: { readonly first: Buffer; readonly later: Buffer };
  #lastStream = -1;
  readonly #startedMs = new Float64Array(ringSize);
  readonly #answered = new Uint8Array(ringSize);
  #out: Buffer[] = [];
  #outScheduled = false;
  #rest: Buffer = Buffer.alloc(0);
  /** What the server still takes on this connection. */
  #sendWindow = windowBytesDefault;
  #received = 0;
  /** Clients held back by the window. */
  #heldBack = 0;
  #closing = false;

  constructor(port: number, path: string, { next, meter }: { readonly next: () => Buffer; readonly meter: Meter }) {
    this.#next = next;
    this.#meter = meter;
    this.#headers = headerBlocks(`127.0.0.1:${port}`, path);
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.on("data", (piece) => this.#receive(piece));
    this.opened = new Promise((resolve, reject) => {
      this.#socket.once("connect", resolve);
      this.#socket.on("error", (error) => (this.#closing ? undefined : reject(error)));
    });
    this.#send(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    // No dynamic table for what the server sends; the widest window for every stream.
    this.#send(frameOf(frame.settings, 0, 0, Buffer.from([0, 1, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff])));
    this.#send(frameOf(frame.windowUpdate, 0, 0, number32(windowBytesMax - windowBytesDefault)));
  }

  addClient(): void {
    this.#call();
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#socket.destroy();
  }

  #call(): void {
    if (this.#closing) return;
    if (this.#sendWindow < 16_384) {
      this.#heldBack += 1;
      return;
    }
    const body = this.#next();
    this.#sendWindow -= body.length;
    this.#lastStream += 2;
    const streamId = this.#lastStream;
    const block = streamId === 1 ? this.#headers.first : this.#headers.later;
    const bytes = Buffer.allocUnsafe(2 * frameHeadBytes + block.length + body.length);
    writeHead(bytes, 0, { length: block.length, type: frame.headers, flags: endHeaders, streamId });
    block.copy(bytes, frameHeadBytes);
    writeHead(bytes, frameHeadBytes + block.length, {
      length: body.length,
      type: frame.data,
      flags: endStream,
      streamId,
    });
    body.copy(bytes, 2 * frameHeadBytes + block.length);
    const place = (streamId >> 1) % ringSize;
    this.#startedMs[place] = performance.now();
    this.#answered[place] = 0;
    this.#send(bytes);
  }

  /** What is sent in one turn leaves as one write. */
  #send(bytes: Buffer): void {
    this.#out.push(bytes);
    if (this.#outScheduled) return;
    this.#outScheduled = true;
    queueMicrotask(() => {
      this.#outScheduled = false;
      const out = this.#out;
      this.#out = [];
      this.#socket.write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out));
    });
  }

  #receive(piece: Buffer): void {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    let at = 0;
    while (at + frameHeadBytes <= bytes.length) {
      const length = bytes.readUIntBE(at, 3);
      if (at + frameHeadBytes + length > bytes.length) break;
      this.#take(bytes, at, length);
      at += frameHeadBytes + length;
    }
    this.#rest = bytes.subarray(at);
  }

  #take(bytes: Buffer, at: number, length: number): void {
    const flags = bytes[at + 4] as number;
    const streamId = bytes.readUInt32BE(at + 5);
    const body = at + frameHeadBytes;
    switch (bytes[at + 3]) {
      case frame.data:
        this.#answered[(streamId >> 1) % ringSize] = 1;
        this.#noteReceived(length);
        if ((flags & endStream) !== 0) this.#ended(streamId);
        break;
      case frame.headers:
        if ((flags & endStream) !== 0) this.#ended(streamId);
        break;
      case frame.reset:
        // After the end it only says that nobody reads on.
        if (this.#answered[(streamId >> 1) % ringSize] !== 2) this.#ended(streamId);
        break;
      case frame.settings:
        if ((flags & ack) === 0) this.#send(frameOf(frame.settings, ack, 0, Buffer.alloc(0)));
        break;
      case frame.ping:
        if ((flags & ack) === 0) this.#send(frameOf(frame.ping, ack, 0, bytes.subarray(body, body + length)));
        break;
      case frame.windowUpdate:
        if (streamId === 0) this.#widen(bytes.readUInt32BE(body));
        break;
      case frame.goAway:
        throw new Error(`the server ends the connection: ${bytes.subarray(body + 8, body + length).toString()}`);
    }
  }

  #ended(streamId: number): void {
    const place = (streamId >> 1) % ringSize;
    if (this.#answered[place] === 1) this.#meter.note(performance.now() - (this.#startedMs[place] as number));
    else this.#meter.failed += 1;
    this.#answered[place] = 2;
    this.#call();
  }

  #noteReceived(bytes: number): void {
    this.#received += bytes;
    if (this.#received < 2 ** 24) return;
    this.#send(frameOf(frame.windowUpdate, 0, 0, number32(this.#received)));
    this.#received = 0;
  }

  #widen(bytes: number): void {
    this.#sendWindow += bytes;
    for (; this.#heldBack > 0 && this.#sendWindow >= 16_384; this.#heldBack--) this.#call();
  }
}

interface FrameHead {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
}

function writeHead(bytes: Buffer, at: number, { length, type, flags, streamId }: FrameHead): void {
  bytes.writeUIntBE(length, at, 3);
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  bytes.writeUInt32BE(streamId, at + 5);
}

function frameOf(type: number, flags: number, streamId: number, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeadBytes + body.length);
  writeHead(bytes, 0, { length: body.length, type, flags, streamId });
  body.copy(bytes, frameHeadBytes);
  return bytes;
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/**
 * The headers of every call. The first block puts its fields into the connection's table, so that a later one is a
 * byte a field, as the clients people use do.
 */
function headerBlocks(authority: string, path: string): { readonly first: Buffer; readonly later: Buffer } {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, "latin1")]);
  const method = 0x83;
  const scheme = 0x86;
  // Fields enter the table at its front (place 62), so the last one here has the lowest number.
  const first = Buffer.concat([
    Buffer.from([method, scheme]),
    ...[Buffer.from([0x41]), text(authority)],
    ...[Buffer.from([0x44]), text(path)],
    ...[Buffer.from([0x5f]), text("application/grpc")],
    ...[Buffer.from([0x40]), text("te"), text("trailers")],
    ...[Buffer.from([0x7a]), text("load")],
  ]);
  const later = Buffer.from([method, scheme, 0x80 | 66, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62]);
  return { first, later };
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "2379" },
      call: { type: "string", default: "put" },
      clients: { type: "string", default: "64" },
      connections: { type: "string", default: "4" },
      seconds: { type: "string", default: "5" },
      warmup: { type: "string", default: "2" },
      keys: { type: "string", default: "10000" },
      value: { type: "string", default: "256" },
      calls: { type: "string" },
    },
  });
  const result = await runLoad({
    ports: values.port.split(",").map(Number),
    call: values.call === "range" ? "range" : "put",
    clients: Number(values.clients),
    connections: Number(values.connections),
    durationMs: 1_000 * Number(values.seconds),
    warmupMs: 1_000 * Number(values.warmup),
    keys: Number(values.keys),
    valueBytes: Number(values.value),
    ...(values.calls === undefined ? {} : { callsMax: Number(values.calls) }),
    onWarm: () => process.stdout.write("warm\n"),
  });
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
