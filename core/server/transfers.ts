/*
 * Requests to hand leadership over. Each waits until the other member leads, or until the leader gave up on it.
 * Source: etcd v3 API, Maintenance, MoveLeader; Raft thesis §3.10.
 */
import type { MemberConfig } from "../config.ts";
import type { MemberId, RequestId } from "../ids.ts";
import type { Raft } from "../raft/raft.ts";
import { noRevision, type Outbox } from "./outbox.ts";

interface Transfer {
  readonly requestId: RequestId;
  readonly targetId: MemberId;
  readonly startedMs: number;
}

export class Transfers {
  readonly #raft: Raft;
  readonly #outbox: Outbox;
  readonly #config: MemberConfig;
  /** Bounded by `proposalsMax`; each lives at most `requestTimeoutMs`. */
  #waiting: Transfer[] = [];

  constructor(options: { readonly raft: Raft; readonly outbox: Outbox; readonly config: MemberConfig }) {
    this.#raft = options.raft;
    this.#outbox = options.outbox;
    this.#config = options.config;
  }

  start(requestId: RequestId, targetId: MemberId, nowMs: number): void {
    if (this.#raft.role !== "leader") this.#outbox.refuse(requestId, "notLeader");
    else if (!this.#raft.configuration.voters.includes(targetId)) this.#outbox.refuse(requestId, "badLeaderTransferee");
    else if (this.#waiting.length >= this.#config.proposalsMax) this.#outbox.refuse(requestId, "tooManyRequests");
    else {
      this.#raft.transferLeadership(targetId);
      this.#waiting.push({ requestId, targetId, startedMs: nowMs });
      this.settle(nowMs);
    }
  }

  /** Answers what is decided: after each change of the leader, and once a tick. */
  settle(nowMs: number): void {
    if (this.#waiting.length === 0) return;
    this.#waiting = this.#waiting.filter((transfer) => !this.#isSettled(transfer, nowMs));
  }

  #isSettled({ requestId, targetId, startedMs }: Transfer, nowMs: number): boolean {
    const { leaderId, id, transferee } = this.#raft;
    if (leaderId === targetId) {
      this.#outbox.answer(requestId, noRevision, { type: "moveLeader" });
      return true;
    }
    const isUnderWay = leaderId === undefined || (leaderId === id && transferee === targetId);
    if (isUnderWay && nowMs - startedMs < this.#config.requestTimeoutMs) return false;
    this.#outbox.refuse(requestId, "timedOutLeaderTransfer");
    return true;
  }
}
