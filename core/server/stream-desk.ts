/*
 * Client streams from their opening to their end. Each request on one is judged by what its client showed when it opened
 * the stream, and handed on to watches or leases. A watch that is refused is answered on its stream, which lives on; a
 * refused keep-alive ends it, as does a member that stays without a leader, where the client wanted one.
 * Source: etcd v3 API, Watch, creation responses; Lease, keep-alive.
 */
import type { Machine } from "../apply/machine.ts";
import { refusalOfKeepAlive, refusalOfWatch } from "../auth/access.ts";
import type { Identity } from "../auth/identity.ts";
import type { MemberConfig } from "../config.ts";
import { type RefusalName, type RpcCode, refusals } from "../errors.ts";
import type { StreamId } from "../ids.ts";
import type { Input } from "../input.ts";
import type { Raft } from "../raft/raft.ts";
import type { StreamRequest } from "../request.ts";
import type { WatchHub, WatchRequest } from "../watch/hub.ts";
import type { Gate } from "./gate.ts";
import type { LeaseCalls } from "./lease-calls.ts";
import type { Outbox } from "./outbox.ts";
import { Streams } from "./streams.ts";

type StreamOpened = Extract<Input, { readonly type: "streamOpened" }>;

interface StreamDeskOptions {
  readonly gate: Gate;
  readonly raft: Raft;
  readonly machine: Machine;
  readonly hub: WatchHub;
  readonly leaseCalls: LeaseCalls;
  readonly outbox: Outbox;
  readonly config: MemberConfig;
}

/** Bounded by `streamRequestsMax` waiting requests a stream. */
export class StreamDesk {
  readonly #options: StreamDeskOptions;
  readonly #streams: Streams;
  /** Requests behind one whose token is not known here yet, that one first. */
  readonly #waiting = new Map<StreamId, StreamRequest[]>();

  constructor(options: StreamDeskOptions) {
    this.#options = options;
    this.#streams = new Streams(options.config);
  }

  open(opened: StreamOpened): void {
    const { raft, hub, leaseCalls, outbox } = this.#options;
    const { streamId } = opened;
    if (raft.configuration.learners.includes(raft.id)) outbox.endStream(streamId, "notSupportedForLearner");
    else if (opened.requireLeader && raft.leaderId === undefined) outbox.endStream(streamId, "noLeader");
    else if (!this.#streams.open(streamId, opened)) outbox.endStream(streamId, "tooManyRequests");
    else if (opened.kind === "watch") hub.open(streamId);
    else leaseCalls.openStream(streamId);
  }

  close(streamId: StreamId): void {
    const kind = this.#streams.close(streamId);
    if (kind === "watch") this.#options.hub.close(streamId);
    else if (kind === "leaseKeepAlive") this.#options.leaseCalls.closeStream(streamId);
    this.#waiting.delete(streamId);
  }

  /** So many more replies of that stream were taken. */
  drained(streamId: StreamId, replies: number): void {
    if (this.#streams.kindOf(streamId) === "watch") this.#options.hub.drained(streamId, replies);
  }

  tick(): void {
    const hasLeader = this.#options.raft.leaderId !== undefined;
    for (const streamId of this.#streams.tick(hasLeader)) this.#end(streamId, "noLeader");
  }

  handle(streamId: StreamId, request: StreamRequest, nowMs: number): void {
    const waiting = this.#waiting.get(streamId);
    if (waiting === undefined) this.#judge(streamId, request, nowMs);
    else if (waiting.length < this.#options.config.streamRequestsMax) waiting.push(request);
    else this.#end(streamId, "tooManyRequests");
  }

  #judge(streamId: StreamId, request: StreamRequest, nowMs: number): void {
    const { gate } = this.#options;
    const needsIdentity = request.type === "watchCreate" || request.type === "leaseKeepAlive";
    if (!needsIdentity || !this.#options.machine.auth.enabled) {
      this.#pass(streamId, request, nowMs);
      return;
    }
    const caller = gate.identify(this.#streams.credentialOf(streamId), nowMs);
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
    const { hub, leaseCalls } = this.#options;
    const kind = this.#streams.kindOf(streamId);
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
    if (this.#streams.kindOf(streamId) === undefined) return;
    this.close(streamId);
    this.#options.outbox.endStream(streamId, refusal);
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
