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
import { Auth, Cluster } from "../../../core/wire/gen/etcdserverpb/rpc_pb.ts";
import { type BytesResult, type CallSettings, EtcdClient } from "../../client/client.ts";
import { type Transport, TransportProblem } from "../../client/transport.ts";

/** etcdctl's exit codes. */
export const ctlExit = {
  error: 1,
  badConnection: 2,
  invalidInput: 3,
  badFeature: 4,
  interrupted: 5,
  badArguments: 128,
} as const;

/** Ends the command: the text goes to standard error behind "Error: ". */
export class CtlError extends Error {
  override readonly name = "CtlError";
  readonly exitCode: number;
  constructor(text: string, exitCode: number = ctlExit.error) {
    super(text);
    this.exitCode = exitCode;
  }
}

export const badArguments = (text: string): CtlError => new CtlError(text, ctlExit.badArguments);

export const formats = ["simple", "fields", "json", "protobuf", "table"] as const;
export type Format = (typeof formats)[number];

/** The global flags, as commander hands them over. */
export interface GlobalFlags {
  readonly endpoints: readonly string[];
  readonly writeOut: Format;
  readonly hex?: boolean;
  readonly commandTimeout: number;
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

type Unary = DescMethod & { readonly methodKind: "unary" };

export class Session {
  readonly flags: GlobalFlags;
  readonly #clients = new Map<string, EtcdClient>();
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

  close(): void {
    for (const stream of this.#streams) {
      // Ends by being cancelled, which is no error here.
      stream.on("error", () => {});
      stream.cancel();
    }
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  // ---- inside ----------------------------------------------------------------------------------------------------

  async #first<Method extends Unary>(
    method: Method,
    init: MessageInitShape<Method["input"]>,
  ): Promise<Answered<Method["output"]>> {
    let result: BytesResult = { type: "connectionRefused" };
    for (const endpoint of this.endpoints) {
      result = await this.#ask(endpoint, method, init);
      if (result.type !== "connectionRefused") break;
    }
    return answered(method, result);
  }

  #ask<Method extends Unary>(
    endpoint: string,
    method: Method,
    init: MessageInitShape<Method["input"]>,
    timeoutMs = this.flags.commandTimeout,
  ): Promise<BytesResult> {
    const bytes = toBinary(method.input, create(method.input, init));
    const settings = { ...(timeoutMs === Number.POSITIVE_INFINITY ? {} : { timeoutMs }), ...this.#identity() };
    return this.#client(endpoint).callBytes(pathOf(method), bytes, settings).result;
  }

  /** Streams do not fail over by themselves: a cheap call shows which end point is there. */
  async #reachable(): Promise<EtcdClient> {
    for (const endpoint of this.endpoints) {
      const client = this.#client(endpoint);
      if (await client.isReachable(this.flags.commandTimeout)) return client;
    }
    throw new CtlError("connection refused");
  }

  async #authenticate(): Promise<void> {
    const { user } = this.flags;
    if (user === undefined || this.#hasAuthenticated) return;
    this.#hasAuthenticated = true;
    const colon = user.indexOf(":");
    const name = colon < 0 || this.flags.password !== undefined ? user : user.slice(0, colon);
    const password = this.flags.password ?? (colon < 0 ? "" : user.slice(colon + 1));
    // A name without a password is asked for nothing, as with etcd's own client: the call itself is refused.
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
      const { target, credentials } = this.#reach(endpoint);
      client = new EtcdClient({ endpoint: target, credentials });
      this.#clients.set(endpoint, client);
    }
    return client;
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
