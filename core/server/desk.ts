/*
 * The desk: a client's request comes in, and is answered from this member's state, waits as a read, or becomes a
 * proposal. Order of refusals: learner, leader wanted, space, request's own shape, then its effect.
 */
import type { CommandRequest, ConfigurationRequest } from "../apply/command.ts";
import type { Machine } from "../apply/machine.ts";
import { quotaCost } from "../apply/quota.ts";
import type { MemberConfig } from "../config.ts";
import { leaseTtlMinSeconds } from "../config.ts";
import type { RefusalName } from "../errors.ts";
import { type LeaseId, leaseIdOf, noLease, type RequestId } from "../ids.ts";
import type { Backend, Random } from "../ports.ts";
import type { Raft } from "../raft/raft.ts";
import type { Request } from "../request.ts";
import { clusterAnswer, refusalOfAdd, refusalOfPromote, refusalOfRemove } from "./cluster.ts";
import type { LeaseCalls } from "./lease-calls.ts";
import { statusAnswer } from "./maintenance.ts";
import { noRevision, type Outbox } from "./outbox.ts";
import type { PeerLinks } from "./peer-links.ts";
import type { Proposals, Settled } from "./proposals.ts";
import { isReadOnlyTxn, isSerializableTxn, type Reads } from "./reads.ts";
import type { Transfers } from "./transfers.ts";
import { refusalOfRequest } from "./validate.ts";

export interface DeskOptions {
  readonly raft: Raft;
  readonly machine: Machine;
  readonly backend: Backend;
  readonly config: MemberConfig;
  readonly outbox: Outbox;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly leaseCalls: LeaseCalls;
  readonly transfers: Transfers;
  readonly links: PeerLinks;
  /** Draws lease ids for clients that let the member choose. */
  readonly random: Random;
}

export class Desk {
  readonly #options: DeskOptions;
  /** Backend size as of the last tick: asking at every write costs more than it tells. */
  #sizeBytes = 0;
  /** Physical compactions whose work is not finished; bounded by the work itself: each ends with it. */
  #compactions: Settled[] = [];

  constructor(options: DeskOptions) {
    this.#options = options;
    this.tick();
  }

  tick(): void {
    this.#sizeBytes = this.#options.backend.size().allocatedBytes;
    if (this.#compactions.length > 0) this.#answerCompactions();
  }

  /** Answers a write whose entry was applied, or that ended without. */
  answer(settled: Settled): void {
    const { requestId, result, compactTo } = settled;
    const { outbox, machine } = this.#options;
    if (!result.ok) outbox.refuse(requestId, result.refusal);
    else if (compactTo !== undefined && machine.store.compactedPhysically < compactTo) this.#compactions.push(settled);
    else outbox.answer(requestId, result.revision, result.answer);
  }

  submit(
    requestId: RequestId,
    request: Request,
    call: { readonly requireLeader: boolean; readonly nowMs: number },
  ): void {
    const refusal = this.#refusalBefore(request, call.requireLeader);
    if (refusal !== undefined) {
      this.#options.outbox.refuse(requestId, refusal);
      return;
    }
    switch (request.type) {
      case "range":
        if (request.serializable) this.serve(requestId, request);
        else this.#read(requestId, request, call.nowMs);
        return;
      case "txn":
        if (!isReadOnlyTxn(request)) this.#write(requestId, request, call.nowMs);
        else if (isSerializableTxn(request)) this.serve(requestId, request);
        else this.#read(requestId, request, call.nowMs);
        return;
      case "put":
      case "deleteRange":
      case "leaseRevoke":
        this.#write(requestId, request, call.nowMs);
        return;
      case "compact":
        this.#write(requestId, request, call.nowMs, request.physical ? request.revision : undefined);
        return;
      case "leaseGrant":
        this.#write(requestId, this.#chosenGrant(request), call.nowMs);
        return;
      case "alarm":
        if (request.action === "get") this.serve(requestId, request);
        else this.#write(requestId, request, call.nowMs);
        return;
      case "leaseTimeToLive":
        this.#options.leaseCalls.timeToLive(requestId, request, call.nowMs);
        return;
      case "memberList":
        if (request.linearizable) this.#read(requestId, request, call.nowMs);
        else this.serve(requestId, request);
        return;
      case "memberAdd":
        this.#reconfigure(requestId, { ...request, learnersMax: this.#options.config.learnersMax }, call.nowMs);
        return;
      case "memberRemove":
      case "memberUpdate":
      case "memberPromote":
        this.#reconfigure(requestId, request, call.nowMs);
        return;
      case "moveLeader":
        this.#options.transfers.start(requestId, request.targetId, call.nowMs);
        return;
      case "leaseLeases":
      case "status":
      case "hashKv":
        this.serve(requestId, request);
        return;
    }
  }

  /** Answers from what this member has applied. */
  serve(requestId: RequestId, request: Request): void {
    const { machine, raft, outbox } = this.#options;
    const revision = machine.store.currentRevision;
    switch (request.type) {
      case "range":
      case "txn": {
        const result = request.type === "range" ? machine.range(request) : machine.readTxn(request);
        if (result.ok) outbox.answer(requestId, result.revision, result.answer);
        else outbox.refuse(requestId, result.refusal);
        return;
      }
      case "hashKv": {
        const result = machine.hashKv(request.revision);
        if (!result.ok) outbox.refuse(requestId, result.refusal);
        else {
          const { hash, compactRevision, hashRevision } = result;
          outbox.answer(requestId, revision, { type: "hashKv", hash, compactRevision, hashRevision });
        }
        return;
      }
      case "memberList":
        outbox.answer(requestId, noRevision, clusterAnswer(machine));
        return;
      case "status":
        outbox.answer(requestId, revision, statusAnswer(machine, raft, this.#options.backend));
        return;
      case "leaseLeases":
        outbox.answer(requestId, revision, { type: "leaseLeases", leaseIds: machine.lessor.leaseIds });
        return;
      case "alarm": {
        const wanted = request.alarm;
        const alarms = machine.alarms.records.filter((record) => wanted === "none" || record.alarm === wanted);
        outbox.answer(requestId, revision, { type: "alarm", alarms });
        return;
      }
      default:
        outbox.refuse(requestId, "notCapable");
    }
  }

  #refusalBefore(request: Request, requireLeader: boolean): RefusalName | undefined {
    const { raft, machine, config } = this.#options;
    if (raft.configuration.learners.includes(raft.id)) {
      const served = request.type === "status" || (request.type === "range" && request.serializable);
      if (!served) return "notSupportedForLearner";
    }
    if (requireLeader && raft.leaderId === undefined) return "noLeader";
    const refusal = refusalOfRequest(request, config);
    if (refusal !== undefined) return refusal;
    if (raft.commitIndex - machine.appliedIndex > config.applyLagEntriesMax && isWrite(request))
      return "tooManyRequests";
    return undefined;
  }

  #read(requestId: RequestId, request: Request, nowMs: number): void {
    if (!this.#options.reads.add({ type: "request", requestId, request }, nowMs)) {
      this.#options.outbox.refuse(requestId, "tooManyRequests");
    }
  }

  #reconfigure(requestId: RequestId, request: ConfigurationRequest, nowMs: number): void {
    const refusal = this.#refusalOfChange(request, nowMs);
    if (refusal !== undefined) this.#options.outbox.refuse(requestId, refusal);
    else this.#write(requestId, request, nowMs);
  }

  #refusalOfChange(request: ConfigurationRequest, nowMs: number): RefusalName | undefined {
    const { raft, machine, links, config } = this.#options;
    const { records } = machine.membership;
    if (request.type === "memberPromote") {
      if (raft.leaderId === undefined) return "noLeader";
      // Elsewhere only the leader knows how far the learner is; it answers for itself.
      if (raft.role !== "leader") return undefined;
      return refusalOfPromote(request.memberId, { raft, records, isStrict: config.strictReconfig });
    }
    if (!config.strictReconfig) return undefined;
    const around = { selfId: raft.id, records, links, nowMs };
    if (request.type === "memberAdd") return refusalOfAdd(request, around);
    return request.type === "memberRemove" ? refusalOfRemove(request.memberId, around) : undefined;
  }

  #answerCompactions(): void {
    const waiting = this.#compactions;
    this.#compactions = [];
    for (const settled of waiting) this.answer(settled);
  }

  #write(requestId: RequestId, request: CommandRequest, nowMs: number, compactTo?: number): void {
    const { proposals, outbox, config, raft } = this.#options;
    const cost = config.quotaBytes < 0 ? 0 : quotaCost(request);
    const refusal =
      cost > 0 && this.#sizeBytes + cost >= config.quotaBytes
        ? proposals.propose(
            { type: "alarm", action: "activate", memberId: raft.id, alarm: "noSpace" },
            { requestId, nowMs, refuseWith: "noSpace" },
          )
        : proposals.propose(request, { requestId, nowMs, compactTo });
    if (refusal !== undefined) outbox.refuse(requestId, refusal);
  }

  /** Every member must store the same lease, so its id and time to live are settled before it is proposed. */
  #chosenGrant(request: Extract<Request, { type: "leaseGrant" }>): Extract<Request, { type: "leaseGrant" }> {
    const ttlSeconds = Math.max(request.ttlSeconds, leaseTtlMinSeconds(this.#options.config));
    const leaseId = request.leaseId === noLease ? this.#unusedLeaseId() : request.leaseId;
    return { type: "leaseGrant", leaseId, ttlSeconds };
  }

  #unusedLeaseId(): LeaseId {
    const { random, machine } = this.#options;
    for (;;) {
      const high = BigInt(random.below(0x8000_0000));
      const leaseId = leaseIdOf((high << 32n) | BigInt(random.nextUint32()));
      if (leaseId !== noLease && !machine.lessor.has(leaseId)) return leaseId;
    }
  }
}

function isWrite(request: Request): boolean {
  switch (request.type) {
    case "put":
    case "deleteRange":
    case "compact":
    case "leaseGrant":
    case "leaseRevoke":
      return true;
    case "txn":
      return !isReadOnlyTxn(request);
    default:
      return false;
  }
}
