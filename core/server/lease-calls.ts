/*
 * Keep-alives and time-to-live questions. Only the leader's timers can answer them, and only while it can prove that it
 * still leads: a cut-off leader that renewed from memory would acknowledge leases that the rest has let expire. So a
 * call at the leader waits for the same proof as a linearizable read, and a call elsewhere is forwarded to the leader.
 * A renewal of a lease that was checkpointed waits, besides, until the checkpoint is undone through the log.
 * Calls of one stream are answered in the order in which they came.
 */
import { refusalOfShownKeys } from "../auth/access.ts";
import type { AuthStore } from "../auth/auth-store.ts";
import { anonymous, type Identity } from "../auth/identity.ts";
import type { MemberConfig } from "../config.ts";
import type { RefusalName } from "../errors.ts";
import type { LeaseId, MemberId, RequestId, Revision, StreamId } from "../ids.ts";
import type { LeaseForward } from "../input.ts";
import type { Lessor } from "../lease/lessor.ts";
import type { Raft } from "../raft/raft.ts";
import type { LeaseTimeToLiveRequest } from "../request.ts";
import type { Outbox } from "./outbox.ts";
import type { Proposals } from "./proposals.ts";
import type { LeaseQuestion, Reads } from "./reads.ts";

type Asker =
  | { readonly type: "stream"; readonly streamId: StreamId }
  | { readonly type: "request"; readonly requestId: RequestId };

interface LeaseCall {
  readonly callId: number;
  readonly asker: Asker;
  readonly leaseId: LeaseId;
  readonly keys: boolean;
  /** Who shall be shown the keys. */
  readonly identity: Identity;
  readonly startedMs: number;
  /** Header revision of the answer: captured before the renewal. */
  readonly revision: Revision;
  /** "self" while it waits among the reads of this member. */
  askedOf: "self" | MemberId | undefined;
  askedMs: number;
}

/** Renewals of one lease that wait for its checkpoint to be undone. */
interface Reset {
  readonly askedMs: number;
  readonly callIds: number[];
  readonly questions: LeaseQuestion[];
}

interface KeepAliveStream {
  readonly waiting: LeaseId[];
  busy: boolean;
}

interface LeaseCallsOptions {
  readonly raft: Raft;
  readonly reads: Reads;
  readonly config: MemberConfig;
  readonly outbox: Outbox;
  readonly proposals: Proposals;
  readonly incarnation: number;
  /** The state machine's lessor and revision, looked up at each use: a snapshot replaces them. */
  readonly state: {
    readonly lessor: Lessor;
    readonly auth: AuthStore;
    readonly store: { readonly currentRevision: Revision };
  };
}

/** Bounded by `streamRequestsMax` a stream and `requestTimeoutMs` a call. */
export class LeaseCalls {
  readonly #options: LeaseCallsOptions;
  #lastCallId = 0;
  readonly #calls = new Map<number, LeaseCall>();
  readonly #streams = new Map<StreamId, KeepAliveStream>();
  /** Each lives at most `readRetryMs`; its renewals are asked for again. */
  readonly #resets = new Map<LeaseId, Reset>();

  constructor(options: LeaseCallsOptions) {
    this.#options = options;
  }

  openStream(streamId: StreamId): void {
    this.#streams.set(streamId, { waiting: [], busy: false });
  }

  closeStream(streamId: StreamId): void {
    this.#streams.delete(streamId);
  }

  keepAlive(streamId: StreamId, leaseId: LeaseId, nowMs: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    if (stream.waiting.length >= this.#options.config.streamRequestsMax) {
      this.#endStream(streamId, "tooManyRequests");
      return;
    }
    stream.waiting.push(leaseId);
    this.#advanceStream(streamId, nowMs);
  }

  timeToLive(requestId: RequestId, request: LeaseTimeToLiveRequest, identity: Identity, nowMs: number): void {
    this.#start({ type: "request", requestId }, { leaseId: request.leaseId, keys: request.keys, identity }, nowMs);
  }

  /** A call of this member's own clients may be answered now, if this member leads. */
  serve(callId: number, nowMs: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    const { lessor } = this.#options.state;
    if (!lessor.isPrimary) {
      call.askedOf = undefined;
      this.#ask(call, nowMs);
      return;
    }
    if (call.asker.type === "stream") {
      const reset = this.#resetFirst(call.leaseId, nowMs);
      if (reset !== undefined) reset.callIds.push(callId);
      else this.#finishRenewal(call, lessor.renew(call.leaseId, nowMs), nowMs);
    } else {
      const lease = lessor.timeToLive(call.leaseId, nowMs);
      this.#finishQuery(call, lease ?? goneLease);
    }
  }

  /** Another member's question may be answered now, if this member leads. */
  servePeer(question: LeaseQuestion, nowMs: number): void {
    const { lessor } = this.#options.state;
    const address = {
      from: question.to,
      to: question.from,
      callId: question.callId,
      incarnation: question.incarnation,
    };
    if (question.type === "leaseRenew") {
      const reset = lessor.isPrimary ? this.#resetFirst(question.leaseId, nowMs) : undefined;
      if (reset !== undefined) {
        reset.questions.push(question);
        return;
      }
      const ttlSeconds = lessor.isPrimary ? lessor.renew(question.leaseId, nowMs) : undefined;
      this.#options.outbox.send({ type: "leaseRenewReply", ...address, ttlSeconds });
      return;
    }
    const lease = lessor.isPrimary ? (lessor.timeToLive(question.leaseId, nowMs) ?? goneLease) : undefined;
    this.#options.outbox.send({
      type: "leaseQueryReply",
      ...address,
      ttlSeconds: lease?.ttlSeconds,
      grantedTtlSeconds: lease?.grantedTtlSeconds ?? 0,
      keys: lease !== undefined && question.keys ? lease.keys : [],
    });
  }

  handlePeer(message: LeaseForward, nowMs: number): void {
    switch (message.type) {
      case "leaseRenew":
      case "leaseQuery":
        if (
          this.#options.raft.role !== "leader" ||
          !this.#options.reads.add({ type: "leasePeer", question: message }, nowMs)
        ) {
          this.servePeer(message, nowMs);
        }
        return;
      case "leaseRenewReply":
      case "leaseQueryReply": {
        if (message.incarnation !== this.#options.incarnation) return;
        const call = this.#calls.get(message.callId);
        if (call === undefined || call.askedOf !== message.from) return;
        if (message.ttlSeconds === undefined) {
          // That member does not lead; the next tick asks whoever does.
          call.askedOf = undefined;
        } else if (message.type === "leaseRenewReply") this.#finishRenewal(call, message.ttlSeconds, nowMs);
        else {
          const { ttlSeconds, grantedTtlSeconds, keys } = message;
          this.#finishQuery(call, { ttlSeconds, grantedTtlSeconds, keys });
        }
        return;
      }
    }
  }

  /** More entries were applied: what waited for a checkpoint to be undone may go on. */
  applied(nowMs: number): void {
    if (this.#resets.size === 0) return;
    const { lessor } = this.#options.state;
    for (const [leaseId, reset] of this.#resets) {
      if (lessor.isPrimary && lessor.mustResetBeforeRenewal(leaseId)) continue;
      this.#resets.delete(leaseId);
      for (const callId of reset.callIds) this.serve(callId, nowMs);
      for (const question of reset.questions) this.servePeer(question, nowMs);
    }
  }

  tick(nowMs: number): void {
    const { config } = this.#options;
    for (const [leaseId, reset] of this.#resets) {
      if (nowMs - reset.askedMs < config.readRetryMs) continue;
      this.#resets.delete(leaseId);
      for (const callId of reset.callIds) {
        const call = this.#calls.get(callId);
        if (call !== undefined) call.askedOf = undefined;
      }
    }
    for (const call of this.#calls.values()) {
      if (nowMs - call.startedMs >= config.requestTimeoutMs) this.#fail(call);
      else if (call.askedOf !== "self" && (call.askedOf === undefined || nowMs - call.askedMs >= config.readRetryMs)) {
        this.#ask(call, nowMs);
      }
    }
  }

  /** What a renewal of that lease has to wait for; undefined: nothing. */
  #resetFirst(leaseId: LeaseId, nowMs: number): Reset | undefined {
    const { state, proposals } = this.#options;
    if (!state.lessor.mustResetBeforeRenewal(leaseId)) return undefined;
    const known = this.#resets.get(leaseId);
    if (known !== undefined) return known;
    const reset: Reset = { askedMs: nowMs, callIds: [], questions: [] };
    this.#resets.set(leaseId, reset);
    const checkpoints = [{ leaseId, remainingTtlSeconds: 0 }];
    // Refused or lost, it is proposed again with the renewals.
    proposals.propose({ type: "leaseCheckpoint", checkpoints }, { requestId: undefined, nowMs });
    return reset;
  }

  #advanceStream(streamId: StreamId, nowMs: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined || stream.busy) return;
    const leaseId = stream.waiting.shift();
    if (leaseId === undefined) return;
    stream.busy = true;
    this.#start({ type: "stream", streamId }, { leaseId, keys: false, identity: anonymous }, nowMs);
  }

  #start(asker: Asker, wanted: Pick<LeaseCall, "leaseId" | "keys" | "identity">, nowMs: number): void {
    this.#lastCallId += 1;
    const revision = this.#options.state.store.currentRevision;
    const call: LeaseCall = {
      callId: this.#lastCallId,
      asker,
      ...wanted,
      startedMs: nowMs,
      revision,
      askedOf: undefined,
      askedMs: nowMs,
    };
    this.#calls.set(call.callId, call);
    this.#ask(call, nowMs);
  }

  #ask(call: LeaseCall, nowMs: number): void {
    const { raft, reads, outbox, incarnation } = this.#options;
    call.askedMs = nowMs;
    if (raft.role === "leader") {
      if (reads.add({ type: "leaseCall", callId: call.callId }, nowMs)) call.askedOf = "self";
      return;
    }
    const leaderId = raft.leaderId;
    call.askedOf = leaderId;
    if (leaderId === undefined) return;
    const address = { from: raft.id, to: leaderId, callId: call.callId, incarnation, leaseId: call.leaseId };
    if (call.asker.type === "stream") outbox.send({ type: "leaseRenew", ...address });
    else outbox.send({ type: "leaseQuery", ...address, keys: call.keys });
  }

  #finishRenewal(call: LeaseCall, ttlSeconds: number, nowMs: number): void {
    this.#calls.delete(call.callId);
    if (call.asker.type !== "stream") return;
    const { streamId } = call.asker;
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    const { outbox } = this.#options;
    outbox.streamReply(streamId, {
      type: "leaseKeepAlive",
      header: outbox.header(call.revision),
      leaseId: call.leaseId,
      ttlSeconds,
    });
    stream.busy = false;
    this.#advanceStream(streamId, nowMs);
  }

  #finishQuery(call: LeaseCall, lease: LeaseState): void {
    this.#calls.delete(call.callId);
    if (call.asker.type !== "request") return;
    const refusal = call.keys ? refusalOfShownKeys(this.#options.state.auth, call.identity, lease.keys) : undefined;
    if (refusal !== undefined) {
      this.#options.outbox.refuse(call.asker.requestId, refusal);
      return;
    }
    this.#options.outbox.answer(call.asker.requestId, this.#options.state.store.currentRevision, {
      type: "leaseTimeToLive",
      leaseId: call.leaseId,
      ttlSeconds: lease.ttlSeconds,
      grantedTtlSeconds: lease.grantedTtlSeconds,
      keys: call.keys ? lease.keys : [],
    });
  }

  #fail(call: LeaseCall): void {
    this.#calls.delete(call.callId);
    const refusal: RefusalName = this.#options.raft.leaderId === undefined ? "noLeader" : "timedOut";
    if (call.asker.type === "stream") this.#endStream(call.asker.streamId, refusal);
    else this.#options.outbox.refuse(call.asker.requestId, refusal);
  }

  #endStream(streamId: StreamId, refusal: RefusalName): void {
    if (this.#streams.delete(streamId)) this.#options.outbox.endStream(streamId, refusal);
  }
}

interface LeaseState {
  readonly ttlSeconds: number;
  readonly grantedTtlSeconds: number;
  readonly keys: readonly Uint8Array[];
}
const goneLease: LeaseState = { ttlSeconds: -1, grantedTtlSeconds: 0, keys: [] };
