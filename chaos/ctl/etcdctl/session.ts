/*
 * What every verb of etcdctl shares: the end points, who is asking, and calls that end in an answer or in a CtlError.
 * A call goes to the first end point that takes it: one that never left is tried at the next, one that left is not, for
 * it may have taken effect. Messages are those of the wire, since the formats print them as they are.
 * Source: etcd v3 contract, etcdctl, global rules.
 */
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  type ServiceError,
  status as statusNumbers,
} from "@grpc/grpc-js";
import { Auth, Cluster, KV } from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { type BytesResult, type CallSettings, EtcdClient } from "../../client/client.ts";
import { type Transport, TransportProblem } from "../../client/transport.ts";
import { badArguments, CtlError, ctlExit } from "./failure.ts";
import type { Put } from "./load.ts";
import { askUnseen } from "./passwords.ts";

export const formats = ["simple", "fields", "json", "protobuf", "table"] as const;
export type Format = (typeof formats)[number];

/** The global flags, as commander hands them over. */
export interface GlobalFlags {
  readonly endpoints: readonly string[];
  readonly writeOut: Format;
  readonly hex?: boolean;
  /** In milliseconds, as the next two. */
  readonly commandTimeout: number;
  readonly keepaliveTime?: number;
  readonly keepaliveTimeout?: number;
  /** 0: what the tool or the server bounds. */
  readonly maxRequestBytes?: number;
  readonly maxRecvBytes?: number;
  readonly debug?: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecureTransport?: string;
  readonly insecureSkipTlsVerify?: string;
}

export interface Answered<Output extends DescMessage> {
  readonly schema: Output;
  readonly message: MessageShape<Output>;
  readonly bytes: Uint8Array;
}

/** Between two rounds over end points where nothing listens. */
const retryMs = 250;
/** What etcd's own client sends at most. */
const standardRequestBytesMax = 2 * 1024 * 1024;

/** Scripts are not asked: what they pipe in is for the verb. */
const typedPassword = async (): Promise<string> => (process.stdin.isTTY === true ? askUnseen("Password: ") : "");

type Unary = DescMethod & { readonly methodKind: "unary" };

export class Session {
  readonly flags: GlobalFlags;
  readonly #clients = new Map<string, EtcdClient>();
  readonly #putters: EtcdClient[] = [];
  readonly #transport: Transport;
  /** Opened and perhaps not ended: they would keep the process alive. */
  readonly #streams: { cancel(): void; on(event: "error", handler: () => void): unknown }[] = [];
  #token: string | undefined;
  #hasAuthenticated = false;

  /** @throws CtlError for an end point that is none */
  constructor(flags: GlobalFlags, transport: Transport) {
    this.flags = flags;
    this.#transport = transport;
    for (const endpoint of flags.endpoints) this.#client(endpoint);
  }

  get endpoints(): readonly string[] {
    return this.flags.endpoints;
  }

  /** Those flagged, or with `--cluster` every client URL that the members have published. */
  async endpointsOf(cluster: boolean | undefined): Promise<readonly string[]> {
    if (cluster !== true) return this.endpoints;
    const { message } = await this.call(Cluster.method.memberList, { linearizable: true });
    return message.members.flatMap(({ clientURLs }) => clientURLs);
  }

  /** @throws CtlError with the server's text, or why no end point took the call */
  async call<Method extends Unary>(
    method: Method,
    init: MessageInitShape<Method["input"]>,
  ): Promise<Answered<Method["output"]>> {
    await this.#authenticate();
    return this.#first(method, init);
  }

  /** The same of one end point alone; the command's own time limit unless another is given, infinity for none. */
  async callAt<Method extends Unary>(
    endpoint: string,
    method: Method,
    init: MessageInitShape<Method["input"]>,
    timeoutMs?: number,
  ): Promise<Answered<Method["output"]>> {
    await this.#authenticate();
    return answered(method, await this.#ask(endpoint, method, init, timeoutMs));
  }

  /** A stream in both directions at the first end point that can be dialled; raw messages. */
  async bidi(
    method: DescMethod,
    settings: Pick<CallSettings, "requireLeader"> = {},
  ): Promise<ClientDuplexStream<Buffer, Buffer>> {
    await this.#authenticate();
    const client = await this.#reachable();
    const stream = client.open(pathOf(method), { ...settings, ...this.#identity() });
    this.#streams.push(stream);
    return stream;
  }

  /** A stream of answers to one request. */
  async serverStream<Method extends DescMethod>(
    method: Method,
    init: MessageInitShape<Method["input"]>,
  ): Promise<ClientReadableStream<Buffer>> {
    await this.#authenticate();
    const client = await this.#reachable();
    const stream = client.serverStream(
      pathOf(method),
      toBinary(method.input, create(method.input, init)),
      this.#identity(),
    );
    this.#streams.push(stream);
    return stream;
  }

  /** Clients of their own, each with its own connection, spread over the end points: what a load is made with. */
  async putters(count: number): Promise<Put[]> {
    await this.#authenticate();
    return Array.from({ length: count }, (_, position): Put => {
      const client = this.#newClient(this.endpoints[position % this.endpoints.length] ?? "");
      this.#putters.push(client);
      return async (key, value) => {
        const request = toBinary(KV.method.put.input, create(KV.method.put.input, { key, value }));
        const settings = { timeoutMs: this.flags.commandTimeout, ...this.#identity() };
        const result = await client.callBytes(pathOf(KV.method.put), request, settings).result;
        return result.type === "bytes" ? undefined : failureText(result);
      };
    });
  }

  /** The text of a page at an end point. @throws Error that says why there is none */
  httpGet(endpoint: string, path: string): Promise<string> {
    return this.#transport.get(endpoint, path, this.flags.commandTimeout);
  }

  close(): void {
    for (const stream of this.#streams) {
      // Ends by being cancelled, which is no error here.
      stream.on("error", () => {});
      stream.cancel();
    }
    for (const client of [...this.#clients.values(), ...this.#putters]) client.close();
    this.#clients.clear();
  }

  // ---- inside ----------------------------------------------------------------------------------------------------

  /** Whoever is not there yet may come: a call that never left is tried again until the command's time is over. */
  async #first<Method extends Unary>(
    method: Method,
    init: MessageInitShape<Method["input"]>,
  ): Promise<Answered<Method["output"]>> {
    const endMs = performance.now() + this.flags.commandTimeout;
    for (;;) {
      for (const endpoint of this.endpoints) {
        const result = await this.#ask(endpoint, method, init, Math.max(1, endMs - performance.now()));
        if (result.type === "status" && result.code === "DEADLINE_EXCEEDED")
          this.#tellTime("no answer from", [endpoint]);
        if (result.type !== "connectionRefused") return answered(method, result);
        // A certificate that does not fit today does not fit in a second.
        if (result.reason !== undefined && endpoint === this.endpoints.at(-1)) return answered(method, result);
      }
      if (performance.now() + retryMs > endMs) throw this.#nobodyThere();
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }

  #nobodyThere(): CtlError {
    this.#tellTime("nothing listens at", this.endpoints);
    return new CtlError("context deadline exceeded");
  }

  /** etcdctl's own text for a time that is over names nobody. */
  #tellTime(what: string, endpoints: readonly string[]): void {
    process.stderr.write(`${what} ${endpoints.join(", ")}; tried for ${this.flags.commandTimeout / 1000}s\n`);
  }

  async #ask<Method extends Unary>(
    endpoint: string,
    method: Method,
    init: MessageInitShape<Method["input"]>,
    timeoutMs = this.flags.commandTimeout,
  ): Promise<BytesResult> {
    const bytes = toBinary(method.input, create(method.input, init));
    const bytesMax = this.flags.maxRequestBytes === 0 ? standardRequestBytesMax : this.flags.maxRequestBytes;
    if (bytes.length > (bytesMax ?? standardRequestBytesMax)) {
      throw new CtlError(`the request is larger than max (${bytes.length} vs. ${bytesMax}); give --max-request-bytes`);
    }
    const settings = { ...(timeoutMs === Number.POSITIVE_INFINITY ? {} : { timeoutMs }), ...this.#identity() };
    const beganMs = performance.now();
    const result = await this.#client(endpoint).callBytes(pathOf(method), bytes, settings).result;
    if (this.flags.debug === true) {
      const took = `${(performance.now() - beganMs).toFixed(3)}ms`;
      const outcome = result.type === "bytes" ? `${result.bytes.length} bytes` : failureText(result);
      process.stderr.write(`${endpoint} ${pathOf(method)} ${bytes.length} bytes: ${outcome} (${took})\n`);
    }
    return result;
  }

  /** Streams do not fail over by themselves: the end point that can be connected to first has them. */
  async #reachable(): Promise<EtcdClient> {
    const clients = this.endpoints.map((endpoint) => this.#client(endpoint));
    const reached = clients.map(async (client) => {
      if (await client.isReachable(this.flags.commandTimeout)) return client;
      throw new Error("not reachable");
    });
    try {
      return await Promise.any(reached);
    } catch (error) {
      if (error instanceof AggregateError) throw this.#nobodyThere();
      throw error;
    }
  }

  async #authenticate(): Promise<void> {
    const { user } = this.flags;
    if (user === undefined || this.#hasAuthenticated) return;
    this.#hasAuthenticated = true;
    const colon = user.indexOf(":");
    const name = colon < 0 || this.flags.password !== undefined ? user : user.slice(0, colon);
    const password = this.flags.password ?? (colon < 0 ? await typedPassword() : user.slice(colon + 1));
    // A name without a password is that of nobody: the call itself is refused.
    if (password === "") return;
    try {
      this.#token = (await this.#first(Auth.method.authenticate, { name, password })).message.token;
    } catch (error) {
      // Whoever names a user to a cluster without auth is served all the same.
      if (!(error instanceof CtlError)) throw error;
      if (error.message !== "etcdserver: authentication is not enabled")
        throw new CtlError(error.message, ctlExit.badConnection);
    }
  }

  #identity(): Pick<CallSettings, "token"> {
    return this.#token === undefined ? {} : { token: this.#token };
  }

  #client(endpoint: string): EtcdClient {
    let client = this.#clients.get(endpoint);
    if (client === undefined) {
      client = this.#newClient(endpoint);
      this.#clients.set(endpoint, client);
    }
    return client;
  }

  #newClient(endpoint: string): EtcdClient {
    const { target, credentials } = this.#reach(endpoint);
    const { keepaliveTime, keepaliveTimeout, maxRecvBytes } = this.flags;
    return new EtcdClient({
      endpoint: target,
      credentials,
      ...(keepaliveTime === undefined ? {} : { keepaliveMs: keepaliveTime }),
      ...(keepaliveTimeout === undefined ? {} : { keepaliveTimeoutMs: keepaliveTimeout }),
      ...(maxRecvBytes === undefined || maxRecvBytes === 0 ? {} : { answerBytesMax: maxRecvBytes }),
    });
  }

  #reach(endpoint: string): ReturnType<Transport["reach"]> {
    try {
      return this.#transport.reach(endpoint);
    } catch (error) {
      if (error instanceof TransportProblem) throw badArguments(error.message);
      throw error;
    }
  }
}

function answered<Method extends Unary>(method: Method, result: BytesResult): Answered<Method["output"]> {
  if (result.type !== "bytes") throw new CtlError(failureText(result));
  const schema: Method["output"] = method.output;
  return { schema, message: fromBinary(schema, result.bytes), bytes: result.bytes };
}

const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

function failureText(result: Exclude<BytesResult, { readonly type: "bytes" }>): string {
  switch (result.type) {
    case "status":
      return result.code === "DEADLINE_EXCEEDED" ? "context deadline exceeded" : result.text;
    case "connectionRefused":
      return result.reason === undefined ? "connection refused" : `no connection: ${result.reason}`;
    case "connectionLost":
      return "connection lost; the request may have taken effect";
  }
}

/** Text of an error that ended a stream. */
export function streamErrorText(error: ServiceError): string {
  return error.code === statusNumbers.DEADLINE_EXCEEDED ? "context deadline exceeded" : error.details;
}
