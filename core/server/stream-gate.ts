/*
 * Requests on client streams, on their way to watches and leases: each is judged by what its stream's client showed when
 * it opened the stream. A watch that is refused is answered on its stream, which lives on; a refused keep-alive ends it.
 * Source: etcd v3 API, Watch, creation responses; Lease, keep-alive.
 */
import type { Machine } from "../apply/machine.ts";
import { refusalOfKeepAlive, refusalOfWatch } from "../auth/access.ts";
import type { Identity } from "../auth/identity.ts";
import type { MemberConfig } from "../config.ts";
import { type RefusalName, type RpcCode, refusals } from "../errors.ts";
import type { StreamId } from "../ids.ts";
import type { StreamRequest } from "../request.ts";
import type { WatchHub, WatchRequest } from "../watch/hub.ts";
import type { Gate } from "./gate.ts";
import type { LeaseCalls } from "./lease-calls.ts";
import type { Outbox } from "./outbox.ts";
import type { Streams } from "./streams.ts";

interface StreamGateOptions {
  readonly gate: Gate;
  readonly machine: Machine;
  readonly streams: Streams;
  readonly hub: WatchHub;
  readonly leaseCalls: LeaseCalls;
  readonly outbox: Outbox;
  readonly config: MemberConfig;
  /** Closes a stream everywhere, this gate included. */
  readonly close: (streamId: StreamId) => void;
}

/** Bounded by `streamRequestsMax` waiting requests a stream. */
export class StreamGate {
  readonly #options: StreamGateOptions;
  /** Requests behind one whose token is not known here yet, that one first. */
  readonly #waiting = new Map<StreamId, StreamRequest[]>();

  constructor(options: StreamGateOptions) {
    this.#options = options;
  }

  closed(streamId: StreamId): void {
    this.#waiting.delete(streamId);
  }

  handle(streamId: StreamId, request: StreamRequest, nowMs: number): void {
    const waiting = this.#waiting.get(streamId);
    if (waiting === undefined) this.#judge(streamId, request, nowMs);
    else if (waiting.length < this.#options.config.streamRequestsMax) waiting.push(request);
    else this.#end(streamId, "tooManyRequests");
  }

  #judge(streamId: StreamId, request: StreamRequest, nowMs: number): void {
    const { gate, streams } = this.#options;
    const needsIdentity = request.type === "watchCreate" || request.type === "leaseKeepAlive";
    if (!needsIdentity || !this.#options.machine.auth.enabled) {
      this.#pass(streamId, request, nowMs);
      return;
    }
    const caller = gate.identify(streams.credentialOf(streamId), nowMs);
    if (caller.type === "refused") this.#refuse(streamId, request, caller.refusal);
    else if (caller.type === "known") {
      const refusal = this.#refusalOf(request, caller.identity);
      if (refusal === undefined) this.#pass(streamId, request, nowMs);
      else this.#refuse(streamId, request, refusal);
    } else {
      this.#waiting.set(streamId, [request]);
      gate.park({
        index: caller.index,
        startedMs: nowMs,
        resume: () => this.#resume(streamId, (each) => this.handle(streamId, each, nowMs)),
        refuse: (refusal) => this.#resume(streamId, (each) => this.#refuse(streamId, each, refusal)),
      });
    }
  }

  #resume(streamId: StreamId, carryOn: (request: StreamRequest) => void): void {
    const waiting = this.#waiting.get(streamId);
    this.#waiting.delete(streamId);
    for (const request of waiting ?? []) carryOn(request);
  }

  #refusalOf(request: StreamRequest, identity: Identity): RefusalName | undefined {
    const { auth, lessor } = this.#options.machine;
    if (request.type === "leaseKeepAlive") return refusalOfKeepAlive(auth, lessor, identity, request.leaseId);
    return request.type === "watchCreate" ? refusalOfWatch(auth, identity, request) : undefined;
  }

  #pass(streamId: StreamId, request: StreamRequest, nowMs: number): void {
    const { streams, hub, leaseCalls } = this.#options;
    const kind = streams.kindOf(streamId);
    if (request.type === "leaseKeepAlive") {
      if (kind === "leaseKeepAlive") leaseCalls.keepAlive(streamId, request.leaseId, nowMs);
    } else if (kind === "watch") hub.request(streamId, request);
  }

  #refuse(streamId: StreamId, request: StreamRequest, refusal: RefusalName): void {
    if (request.type === "leaseKeepAlive") this.#end(streamId, refusal);
    else if (request.type === "watchCreate") this.#options.hub.refuse(streamId, reasonOf(refusal));
    else this.#pass(streamId, request satisfies WatchRequest, 0);
  }

  #end(streamId: StreamId, refusal: RefusalName): void {
    const { streams, outbox, close } = this.#options;
    if (streams.kindOf(streamId) === undefined) return;
    close(streamId);
    outbox.endStream(streamId, refusal);
  }
}

/** As Go prints a status. */
function reasonOf(refusal: RefusalName): string {
  const { code, text } = refusals[refusal];
  return `rpc error: code = ${goCodeNames[code] ?? "Unknown"} desc = ${text}`;
}

const goCodeNames: { readonly [Code in RpcCode]?: string } = {
  PERMISSION_DENIED: "PermissionDenied",
  UNAUTHENTICATED: "Unauthenticated",
  INVALID_ARGUMENT: "InvalidArgument",
};
