/*
 * The desk: a client's request comes in, and is answered from this member's state, waits as a read, or becomes a
 * proposal. Order of refusals: learner, leader wanted, space, request's own shape, then its effect.
 * Rights are judged where the state is looked at: of a read when it is served, of a write when its entry is applied, of
 * anything else here.
 */

import { releaseOf, releaseText } from "../apply/cluster-version.ts";
import type { CommandRequest, ConfigurationRequest } from "../apply/command.ts";
import { downgradeAnswer, type Machine } from "../apply/machine.ts";
import { refusalOfCall } from "../auth/access.ts";
import { type Credential, type Identity, memberItself } from "../auth/identity.ts";
import type { MemberConfig } from "../config.ts";
import { leaseTtlMinSeconds } from "../config.ts";
import type { RefusalName } from "../errors.ts";
import { type LeaseId, leaseIdOf, noLease, type RequestId } from "../ids.ts";
import type { Backend, Random } from "../ports.ts";
import type { Raft } from "../raft/raft.ts";
import type { DowngradeRequest, Request } from "../request.ts";
import { type AuthDesk, isAuthRead } from "./auth-desk.ts";
import {
  clusterAnswer,
  refusalOfAdd,
  refusalOfPromote,
  refusalOfPromotions,
  refusalOfReconfigure,
  refusalOfRemove,
} from "./cluster.ts";
import type { Gate } from "./gate.ts";
import type { LeaseCalls } from "./lease-calls.ts";
import { statusAnswer } from "./maintenance.ts";
import { noRevision, type Outbox } from "./outbox.ts";
import type { PeerLinks } from "./peer-links.ts";
import type { Proposals, Settled } from "./proposals.ts";
import { isReadOnlyTxn, isSerializableTxn, type Reads } from "./reads.ts";
import type { Space } from "./space.ts";
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
  readonly gate: Gate;
  readonly authDesk: AuthDesk;
  readonly transfers: Transfers;
  readonly links: PeerLinks;
  readonly space: Space;
  /** Draws lease ids for clients that let the member choose. */
  readonly random: Random;
}

/** What came with a request. */
interface Call {
  readonly requireLeader: boolean;
  readonly nowMs: number;
  readonly credential?: Credential;
}

/** A request whose caller is known. */
interface AcceptedCall {
  readonly identity: Identity;
  readonly credential: Credential | undefined;
  readonly nowMs: number;
}

export class Desk {
  readonly #options: DeskOptions;
  /** Physical compactions whose work is not finished; bounded by the work itself: each ends with it. */
  #compactions: Settled[] = [];

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  tick(): void {
    if (this.#compactions.length > 0) this.#answerCompactions();
  }

  /** Answers a write whose entry was applied, or that ended without. */
  answer(settled: Settled): void {
    const { requestId, result, compactTo } = settled;
    const { outbox, machine, authDesk } = this.#options;
    if (authDesk.settled(settled)) return;
    if (!result.ok) outbox.refuse(requestId, result.refusal);
    else if (compactTo !== undefined && machine.store.compactedPhysically < compactTo) this.#compactions.push(settled);
    else outbox.answer(requestId, result.revision, result.answer);
  }

  submit(requestId: RequestId, request: Request, call: Call): void {
    const refusal = this.#refusalBefore(request, call.requireLeader);
    if (refusal !== undefined) {
      this.#options.outbox.refuse(requestId, refusal);
      return;
    }
    const { gate, outbox } = this.#options;
    const { nowMs } = call;
    // Who authenticates may still show an old token, and is not asked who it is.
    const credential = request.type === "authenticate" ? undefined : call.credential;
    const caller = gate.identify(credential, nowMs);
    if (caller.type === "known") this.#accept(requestId, request, { identity: caller.identity, credential, nowMs });
    else if (caller.type === "refused") outbox.refuse(requestId, caller.refusal);
    else {
      gate.park({
        index: caller.index,
        startedMs: nowMs,
        resume: () => this.submit(requestId, request, call),
        refuse: (late) => outbox.refuse(requestId, late),
      });
    }
  }

  #accept(requestId: RequestId, request: Request, call: AcceptedCall): void {
    switch (request.type) {
      case "range":
        if (request.serializable) this.serveInTurn(requestId, request, call.credential, call.nowMs);
        else this.#read(requestId, request, call);
        return;
      case "txn":
        if (!isReadOnlyTxn(request)) this.#write(requestId, request, call);
        else if (isSerializableTxn(request)) this.serveInTurn(requestId, request, call.credential, call.nowMs);
        else this.#read(requestId, request, call);
        return;
      case "put":
      case "deleteRange":
      case "leaseRevoke":
        this.#write(requestId, request, call);
        return;
      case "compact":
        this.#write(requestId, request, call, request.physical ? request.revision : undefined);
        return;
      case "leaseGrant":
        if (request.ttlSeconds <= this.#options.config.leaseTtlMaxSeconds) {
          this.#write(requestId, this.#chosenGrant(request), call);
        } else this.#refuseTtl(requestId, request, call.identity);
        return;
      case "alarm":
        if (request.action === "get") this.serve(requestId, request, call.credential, call.nowMs);
        else this.#write(requestId, request, call);
        return;
      case "leaseTimeToLive":
        if (this.#isAllowed(requestId, request, call.identity)) {
          this.#options.leaseCalls.timeToLive(requestId, request, call.identity, call.nowMs);
        }
        return;
      case "memberList":
        if (request.linearizable) this.#read(requestId, request, call);
        else this.serve(requestId, request, call.credential, call.nowMs);
        return;
      case "memberAdd":
        if (this.#isAllowed(requestId, request, call.identity)) {
          const peerUrls = [...request.peerUrls].sort((a, b) => (a < b ? -1 : Number(a > b)));
          this.#reconfigure(requestId, { ...request, peerUrls, learnersMax: this.#options.config.learnersMax }, call);
        }
        return;
      case "memberReconfigure":
        if (this.#isAllowed(requestId, request, call.identity)) {
          this.#reconfigure(requestId, { ...request, learnersMax: this.#options.config.learnersMax }, call);
        }
        return;
      case "memberRemove":
      case "memberUpdate":
      case "memberPromote":
        if (this.#isAllowed(requestId, request, call.identity)) this.#reconfigure(requestId, request, call);
        return;
      case "moveLeader":
        if (this.#isAllowed(requestId, request, call.identity)) {
          this.#options.transfers.start(requestId, request.targetId, call.nowMs);
        }
        return;
      case "downgrade":
        if (this.#isAllowed(requestId, request, call.identity)) this.#downgrade(requestId, request, call);
        return;
      case "leaseLeases":
      case "status":
      case "hashKv":
        this.serve(requestId, request, call.credential, call.nowMs);
        return;
      case "userAdd":
      case "userChangePassword":
        // Hashing costs time: nobody may have it done who may not have it stored.
        if (this.#isAllowed(requestId, request, call.identity)) {
          this.#options.authDesk.write(requestId, request, call.identity, call.nowMs);
        }
        return;
      default:
        if (isAuthRead(request)) this.#read(requestId, request, call);
        else this.#options.authDesk.write(requestId, request, call.identity, call.nowMs);
    }
  }

  #isAllowed(requestId: RequestId, request: Request, identity: Identity): boolean {
    const { machine, outbox } = this.#options;
    const refusal = refusalOfCall(machine.auth, machine.lessor, identity, request);
    if (refusal !== undefined) outbox.refuse(requestId, refusal);
    return refusal === undefined;
  }

  /**
   * The same in this step, or in a later one: what is read may be large, and other members, and clients that want little,
   * are heard between two steps.
   */
  serveInTurn(requestId: RequestId, request: Request, credential: Credential | undefined, nowMs: number): void {
    const { outbox, reads } = this.#options;
    const mayBeLarge = request.type === "range" || request.type === "txn";
    if (!mayBeLarge || (!outbox.isFull && !reads.hasPostponed)) this.serve(requestId, request, credential, nowMs);
    else if (!reads.postpone({ type: "request", requestId, request, credential }, nowMs)) {
      outbox.refuse(requestId, "tooManyRequests");
    }
  }

  /** Answers from what this member has applied, if the caller may have the answer as of now. */
  serve(requestId: RequestId, request: Request, credential: Credential | undefined, nowMs: number): void {
    const { machine, raft, outbox, gate, authDesk } = this.#options;
    const caller = gate.identify(credential, nowMs);
    if (caller.type !== "known") {
      // Every entry a good token can come from is applied by now.
      outbox.refuse(requestId, caller.type === "refused" ? caller.refusal : "invalidAuthToken");
      return;
    }
    if (!this.#isAllowed(requestId, request, caller.identity)) return;
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
      case "authStatus":
      case "userGet":
      case "userList":
      case "roleGet":
      case "roleList":
      case "authenticate":
        authDesk.serve(requestId, request, nowMs);
        return;
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

  #read(requestId: RequestId, request: Request, { credential, nowMs }: AcceptedCall): void {
    if (!this.#options.reads.add({ type: "request", requestId, request, credential }, nowMs)) {
      this.#options.outbox.refuse(requestId, "tooManyRequests");
    }
  }

  #reconfigure(requestId: RequestId, request: ConfigurationRequest, call: AcceptedCall): void {
    const refusal = this.#refusalOfChange(request, call.nowMs);
    if (refusal !== undefined) this.#options.outbox.refuse(requestId, refusal);
    else this.#write(requestId, request, call);
  }

  #refusalOfChange(request: ConfigurationRequest, nowMs: number): RefusalName | undefined {
    const { raft, machine, links, config, proposals } = this.#options;
    const { records } = machine.membership;
    // Who leads checks a promotion when it comes. One that waits here could find this member the leader, and be checked
    // by nobody.
    const isLed = raft.leaderId !== undefined && !proposals.isLeaderLost;
    if (request.type === "memberPromote") {
      if (!isLed) return "noLeader";
      // Elsewhere only the leader knows how far the learner is; it answers for itself.
      if (raft.role !== "leader") return undefined;
      return refusalOfPromote(request.memberId, { raft, links, records, isStrict: config.strictReconfig });
    }
    const around = { selfId: raft.id, records, links, nowMs };
    if (request.type === "memberReconfigure") {
      if (!isLed) return "noLeader";
      // Whether it was made already is what one wants to hear who asks again.
      const known = machine.membership.refusalOf({ ...request, learnersMax: config.learnersMax });
      if (known !== undefined) return known;
      const notReady = raft.role === "leader" ? refusalOfPromotions(request, { raft, links }) : undefined;
      return notReady ?? (config.strictReconfig ? refusalOfReconfigure(request, around) : undefined);
    }
    if (!config.strictReconfig) return undefined;
    if (request.type === "memberAdd") return refusalOfAdd(request, around);
    return request.type === "memberRemove" ? refusalOfRemove(request.memberId, around) : undefined;
  }

  /** Without a job to cancel there is nothing to do, and etcd says so only to its log. */
  #downgrade(requestId: RequestId, { action, version }: DowngradeRequest, call: AcceptedCall): void {
    const { machine, outbox } = this.#options;
    const { cluster } = machine;
    const refusal =
      action === "unknown" ? "unknownMethod" : action === "cancel" ? undefined : cluster.refusalOfDowngrade(version);
    if (refusal !== undefined) {
      outbox.refuse(requestId, refusal);
      return;
    }
    const target = action === "enable" ? releaseOf(version) : undefined;
    if (target !== undefined) {
      this.#write(requestId, { type: "downgradeInfo", enabled: true, targetVersion: releaseText(target) }, call);
    } else if (action === "cancel" && cluster.downgrade.enabled) {
      this.#write(requestId, { type: "downgradeInfo", enabled: false, targetVersion: "" }, call);
    } else outbox.answer(requestId, machine.store.currentRevision, downgradeAnswer(cluster));
  }

  #answerCompactions(): void {
    const waiting = this.#compactions;
    this.#compactions = [];
    for (const settled of waiting) this.answer(settled);
  }

  #write(requestId: RequestId, request: CommandRequest, call: AcceptedCall, compactTo?: number): void {
    const { identity, nowMs } = call;
    const { proposals, outbox, raft, space } = this.#options;
    const room = space.roomFor(request);
    const refusal =
      room === "pass"
        ? proposals.propose(request, { requestId, nowMs, identity, compactTo })
        : room === "refuse"
          ? "noSpace"
          : proposals.propose(
              { type: "alarm", action: "activate", memberId: raft.id, alarm: "noSpace" },
              { requestId, nowMs, identity: memberItself, refuseWith: "noSpace" },
            );
    if (refusal !== undefined) outbox.refuse(requestId, refusal);
  }

  /** etcd looks at the time to live last, when it applies: alarms and rights speak first. */
  #refuseTtl(requestId: RequestId, request: Extract<Request, { type: "leaseGrant" }>, identity: Identity): void {
    const { machine, outbox } = this.#options;
    const byAlarm = machine.alarms.refusalOf(request);
    if (byAlarm !== undefined) outbox.refuse(requestId, byAlarm);
    else if (this.#isAllowed(requestId, request, identity)) outbox.refuse(requestId, "leaseTtlTooLarge");
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
