/*
 * A process that serves etcd's API over gRPC: our member or a stock etcd, one member, on ports and in a directory of its
 * own. It is started empty and ended by `close`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError, status as statusNumbers } from "@grpc/grpc-js";
import { freePorts } from "../../chaos/link/free-ports.ts";
import { MemberListResponseSchema } from "../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { builtProgram } from "../kit/build.ts";
import { type Caller, type OpenStream, type Outcome, okStatus, type PendingCall, type Target } from "./target.ts";

const root = join(import.meta.dirname, "../..");
/** Our member's process, from its sources. */
export const ours = "faultline";
const identity = (bytes: Buffer): Buffer => bytes;
const startMsMax = 120_000;

export class GrpcTarget implements Target {
  readonly name: string;
  memberIds: readonly bigint[] = [];
  readonly #command: readonly [string, ...string[]];
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  #client: Client | undefined;
  #directory: string | undefined;
  /** Those who wait for something to come. */
  readonly #sleepers: (() => void)[] = [];

  private constructor(program: string, flags: readonly string[]) {
    this.name = program === ours ? "process" : "etcd";
    this.#command = program === ours ? [process.execPath, builtProgram, "etcd"] : [program];
    this.#flags = flags;
  }

  /** @param program path of an etcd, or {@link ours} */
  static async start(program: string, flags: readonly string[] = []): Promise<GrpcTarget> {
    const target = new GrpcTarget(program, flags);
    try {
      await target.restart();
    } catch (error) {
      await target.close();
      throw error;
    }
    return target;
  }

  serves(): boolean {
    return true;
  }

  call(path: string, request: Uint8Array, caller: Caller): PendingCall {
    const client = this.#running;
    let cancel = (): void => {};
    const result = new Promise<Outcome>((resolve) => {
      const call = client.makeUnaryRequest(
        path,
        identity,
        identity,
        Buffer.from(request),
        metadataOf(caller),
        (error, bytes) => {
          if (error !== null) resolve(statusOf(error));
          else resolve({ type: "answer", bytes: bytes ?? new Uint8Array(0) });
          // Behind those who wait for the result itself.
          setImmediate(this.#arrived);
        },
      );
      cancel = () => call.cancel();
    });
    return { result, cancel };
  }

  open(path: string, caller: Caller): OpenStream {
    const stream = this.#running.makeBidiStreamRequest(path, identity, identity, metadataOf(caller));
    const replies: Uint8Array[] = [];
    let ended: OpenStream["ended"];
    stream.on("data", (bytes: Buffer) => {
      replies.push(bytes);
      this.#arrived();
    });
    stream.on("error", (error: ServiceError) => {
      const { code, text } = statusOf(error);
      ended ??= { code, text };
      this.#arrived();
    });
    stream.on("end", () => {
      ended ??= okStatus;
      this.#arrived();
    });
    return {
      replies,
      get ended() {
        return ended;
      },
      send: (bytes) => void stream.write(Buffer.from(bytes)),
      halfClose: () => void stream.end(),
      cancel: () => stream.cancel(),
    };
  }

  async until(condition: () => boolean, limitMs: number): Promise<boolean> {
    const deadline = performance.now() + limitMs;
    while (!condition()) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      await this.#arrival(left);
    }
    return true;
  }

  /** Something comes from the server, or so much time passes. */
  #arrival(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#sleepers.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  readonly #arrived = (): void => {
    for (const wake of this.#sleepers.splice(0)) wake();
  };

  async restart(): Promise<void> {
    await this.close();
    const directory = mkdtempSync(join(tmpdir(), "faultline-differential-"));
    this.#directory = directory;
    const [clientPort, peerPort] = await freePorts(2);
    const clientUrl = `http://127.0.0.1:${clientPort}`;
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    const [command, ...args] = [
      ...this.#command,
      ...["--name=one", `--data-dir=${join(directory, "one")}`, "--initial-cluster-token=differential"],
      ...[`--listen-client-urls=${clientUrl}`, `--advertise-client-urls=${clientUrl}`],
      ...[`--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`],
      ...[`--initial-cluster=one=${peerUrl}`, "--logger=zap", "--log-outputs=stderr"],
    ];
    const log = openSync(join(directory, "log"), "a");
    const child = spawn(command, [...args, ...this.#flags], { cwd: root, detached: true, stdio: ["ignore", log, log] });
    closeSync(log);
    this.#child = child;
    this.#client = new Client(`127.0.0.1:${clientPort}`, credentials.createInsecure(), {
      "grpc.initial_reconnect_backoff_ms": 20,
      "grpc.min_reconnect_backoff_ms": 20,
      "grpc.max_reconnect_backoff_ms": 100,
      "grpc.enable_retries": 0,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
    });
    await this.#ready(child);
  }

  async close(): Promise<void> {
    this.#client?.close();
    this.#client = undefined;
    const child = this.#child;
    this.#child = undefined;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await gone;
    }
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
    this.#directory = undefined;
  }

  /** What the process printed, for a message about its end. */
  get log(): string {
    return this.#directory === undefined ? "" : readFileSync(join(this.#directory, "log"), "utf8");
  }

  get #running(): Client {
    if (this.#client === undefined) throw new Error(`${this.name} is not running`);
    return this.#client;
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = performance.now() + startMsMax;
    const caller = { member: 0, token: undefined };
    for (;;) {
      const outcome = await this.call("/etcdserverpb.Cluster/MemberList", new Uint8Array(0), caller).result;
      if (outcome.type === "answer") {
        this.memberIds = fromBinary(MemberListResponseSchema, outcome.bytes).members.map((member) => member.ID);
        return;
      }
      if (child.exitCode !== null) throw new Error(`${this.name} ended while it started:\n${this.log}`);
      if (performance.now() > deadline) throw new Error(`${this.name} does not serve:\n${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function metadataOf({ token }: Caller): Metadata {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("token", token);
  return metadata;
}

const statusOf = (error: ServiceError): Extract<Outcome, { type: "status" }> => ({
  type: "status",
  code: statusNumbers[error.code] ?? String(error.code),
  text: error.details,
});
