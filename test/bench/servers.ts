/*
 * Servers to measure: clusters of one or three members as processes of their own, ours from dist (`npx tsc -b` first)
 * or a stock etcd, with the same flags; what they use of the machine; and calls to them by the shortest way there is.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../chaos/link/free-ports.ts";
import { type Answer, bytesOfText, type Header, noLease, type Request } from "../../core/index.ts";
import { unaryCalls } from "../../core/wire/calls.ts";

export const root = join(import.meta.dirname, "../..");

/** A program under measurement: its name in figures, and the command that starts a member of it. */
export interface Target {
  readonly name: string;
  readonly command: readonly string[];
}
export const ours: Target = { name: "ours", command: [process.execPath, join(root, "dist/faultline.js"), "etcd"] };
export const stock: Target = { name: "etcd", command: ["etcd"] };

export interface Server {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly dataDirectory: string;
  readonly pid: number;
  /** Starts the process, again after an end. */
  start(): void;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export interface Cluster {
  readonly target: Target;
  readonly servers: readonly Server[];
  /** Every process ends, every file goes. */
  close(): Promise<void>;
}

/** @param flags beyond names, directories and addresses, the same for every member */
export async function startCluster(target: Target, members: number, flags: readonly string[] = []): Promise<Cluster> {
  const directory = mkdtempSync(join(tmpdir(), `faultline-bench-${target.name}-`));
  const ports = await freePorts(2 * members);
  const names = Array.from({ length: members }, (_none, number) => `m${number + 1}`);
  const peerUrl = (number: number): string => `http://127.0.0.1:${ports[2 * number + 1]}`;
  const initial = names.map((name, number) => `${name}=${peerUrl(number)}`).join(",");
  const servers = names.map((name, number) => {
    const client = `http://127.0.0.1:${ports[2 * number]}`;
    const dataDirectory = join(directory, name);
    const all = [
      ...["--name", name, "--data-dir", dataDirectory, "--initial-cluster", initial, "--log-level", "error"],
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", peerUrl(number), "--initial-advertise-peer-urls", peerUrl(number), ...flags],
    ];
    return new Member(target, {
      name,
      clientPort: ports[2 * number] ?? 0,
      peerPort: ports[2 * number + 1] ?? 0,
      dataDirectory,
      args: all,
    });
  });
  const cluster = {
    target,
    servers,
    async close() {
      await Promise.all(servers.map((server) => server.kill("SIGKILL")));
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  try {
    for (const server of servers) server.start();
    for (const server of servers) await healthy(server);
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

class Member implements Server {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly dataDirectory: string;
  readonly #target: Target;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  constructor(
    target: Target,
    options: Pick<Server, "name" | "clientPort" | "peerPort" | "dataDirectory"> & { readonly args: readonly string[] },
  ) {
    this.#target = target;
    this.name = options.name;
    this.clientPort = options.clientPort;
    this.peerPort = options.peerPort;
    this.dataDirectory = options.dataDirectory;
    this.#args = options.args;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  start(): void {
    const [program = "", ...first] = this.#target.command;
    this.#child = spawn(program, [...first, ...this.#args], { cwd: root, stdio: "ignore" });
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await gone;
  }
}

/** Waits until the member answers a read through its cluster. */
export async function healthy(server: Server): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    try {
      if ((await fetch(`http://127.0.0.1:${server.clientPort}/health`)).ok) return;
    } catch (error) {
      if (performance.now() > deadlineMs) throw new Error(`${server.name} does not get well`, { cause: error });
    }
    await pause(20);
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** User and system time so far; Linux counts in hundredths of a second. */
export function cpuMs({ pid }: Pick<Server, "pid">): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

export function residentMb({ pid }: Pick<Server, "pid">): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(line ?? 0) / 1_000);
}

// ---- calls -----------------------------------------------------------------------------------------------------

export interface Answered {
  readonly header: Header;
  readonly answer: Answer;
}

/** A gRPC client of one member: HTTP/2 by node, messages framed by hand. */
export class BenchClient {
  readonly #session: ClientHttp2Session;

  constructor(port: number) {
    this.#session = connect(`http://127.0.0.1:${port}`);
    // Every call hears of it by itself.
    this.#session.on("error", () => {});
  }

  /** Resolves with what the server answered; throws with its refusal, or when the connection ends. */
  async ask(request: Request, timeoutMs = 10_000): Promise<Answered> {
    const call = unaryCalls[request.type];
    const stream = this.open(call.path);
    stream.setTimeout(timeoutMs, () => stream.close());
    stream.end(framed(call.encodeRequest(request)));
    const bytes = await answerOf(stream);
    return call.decodeAnswer(bytes);
  }

  /** A call whose messages are the caller's business; each with its five bytes in front. */
  open(path: string): ClientHttp2Stream {
    return this.#session.request({
      ...{ ":method": "POST", ":path": path, te: "trailers", "content-type": "application/grpc" },
    });
  }

  close(): void {
    this.#session.destroy();
  }
}

/** Asks until it is answered: a server that was started just now. */
export async function firstAnswer(port: number, request: Request): Promise<Answered> {
  for (;;) {
    const client = new BenchClient(port);
    try {
      return await client.ask(request);
    } catch {
      await pause(5);
    } finally {
      client.close();
    }
  }
}

function answerOf(stream: ClientHttp2Stream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let refusal: string | undefined;
    const note = (headers: { readonly [name: string]: unknown }): void => {
      const status = headers["grpc-status"];
      if (status !== undefined && status !== "0") refusal = `${status} ${headers["grpc-message"]}`;
    };
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    stream.on("error", reject);
    stream.on("close", () => {
      const bytes = Buffer.concat(pieces);
      if (refusal === undefined && bytes.length >= 5) resolve(new Uint8Array(bytes.subarray(5)));
      else reject(new Error(refusal ?? "the call ended without an answer"));
    });
  });
}

export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(5 + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
}

export const putOf = (key: string, value: Uint8Array): Request => ({
  ...{ type: "put", key: bytesOfText(key), value, lease: noLease },
  ...{ prevKv: false, ignoreValue: false, ignoreLease: false },
});

/** So many puts, each of a key of its own, from many clients at once. */
export async function fill(port: number, keys: number, valueBytes: number): Promise<void> {
  const client = new BenchClient(port);
  const value = new Uint8Array(valueBytes).fill(0x76);
  let next = 0;
  await Promise.all(
    Array.from({ length: 128 }, async () => {
      for (let number = next++; number < keys; number = next++) {
        await client.ask(putOf(`key/${String(number).padStart(8, "0")}`, value));
      }
    }),
  );
  client.close();
}

/** Flags of a bench with a long history: see {@link fillFast}, and how often its servers are started again. */
export const historyFlags = {
  revisions: { type: "string", default: "1000000" },
  keys: { type: "string", default: "100000" },
  value: { type: "string", default: "256" },
  restarts: { type: "string", default: "3" },
} as const;

/** So many puts, each one revision, to so many keys in turn; by the load generator, which is a process of its own. */
export async function fillFast(
  port: number,
  load: { readonly revisions: string; readonly keys: string; readonly value: string },
): Promise<void> {
  const generator = spawn(
    process.execPath,
    [
      ...["--import", "tsx", join(import.meta.dirname, "load.ts"), "--port", String(port), "--call", "put"],
      ...["--clients", "256", "--calls", load.revisions, "--keys", load.keys, "--value", load.value],
    ],
    { cwd: root, stdio: ["ignore", "ignore", "inherit"] },
  );
  const code = await new Promise((resolve) => generator.once("close", resolve));
  if (code !== 0) throw new Error(`the load generator ended with ${code}`);
}

/** The member that leads. */
export async function leaderOf({ servers }: Cluster): Promise<Server> {
  for (;;) {
    for (const server of servers) {
      const client = new BenchClient(server.clientPort);
      try {
        const { header, answer } = await client.ask({ type: "status" });
        if (answer.type === "status" && answer.leaderId === header.memberId) return server;
      } catch {
        // One that is down leads nobody.
      } finally {
        client.close();
      }
    }
    await pause(20);
  }
}

// ---- figures ---------------------------------------------------------------------------------------------------

/** One figure of ours beside the anchor's of the same run. */
export interface Compared {
  readonly what: string;
  readonly unit: string;
  readonly ours: number;
  readonly anchor: number;
  readonly better: "more" | "less";
}

/** Prints it as one JSON object a line; the ratio is 1 or more where ours is not worse. */
export function print({ what, unit, ours: own, anchor, better }: Compared): void {
  const ratio = Number((better === "more" ? own / anchor : anchor / own).toFixed(2));
  const shown = (value: number): number => Number(value.toPrecision(value < 100 ? 3 : 6));
  process.stdout.write(`${JSON.stringify({ what, unit, ours: shown(own), etcd: shown(anchor), ratio })}\n`);
}

export const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

/** @param part 0.99 for the 99th percentile */
export const quantile = (numbers: readonly number[], part: number): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
};
