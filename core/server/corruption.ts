/*
 * Members compare what they hold, because a state machine that came to differ goes on differing in silence.
 * - The leader asks all members now and then, for the hash of its current revision or of what the last compactions left,
 *   and raises CORRUPT for those that are wrong (hash-verdict.ts says who that is).
 * - A member that is told to asks the others before it serves, and ends when more of them differ than agree: what was
 *   flipped on its disk while it was down shall not be read by anybody. Who does not answer in time is passed over.
 * A member answers once it has applied what the asking one had; until then the newest question of each waits.
 * Source: etcd lifecycle, Corruption checks.
 */
import type { Machine } from "../apply/machine.ts";
import type { MemberConfig } from "../config.ts";
import { compareIds, hexOf, type LogIndex, type MemberId } from "../ids.ts";
import type { HashMessage } from "../input.ts";
import type { Raft } from "../raft/raft.ts";
import { type HashSample, somebody, wrongMembers } from "./hash-verdict.ts";
import type { Outbox } from "./outbox.ts";
import type { Proposals } from "./proposals.ts";

type HashQuery = Extract<HashMessage, { type: "hashQuery" }>;
type HashReply = Extract<HashMessage, { type: "hashReply" }>;

export interface CorruptionCheckOptions {
  readonly raft: Raft;
  readonly machine: Machine;
  readonly config: MemberConfig;
  readonly outbox: Outbox;
  readonly proposals: Proposals;
  readonly incarnation: number;
  /** When this life of the member began. */
  readonly nowMs: number;
}

/** One comparison under way. */
interface Round {
  readonly purpose: "beforeServing" | "byLeader";
  readonly callId: number;
  readonly index: LogIndex;
  readonly revision: number;
  readonly startedMs: number;
  askedMs: number;
  /** The own one included. */
  readonly samples: Map<MemberId, HashSample>;
}

/** Who has not answered is asked again after so long: its connection may have come up meanwhile. */
const askAgainMs = 500;

/** Holds one round and one waiting question a member. */
export class CorruptionCheck {
  readonly #options: CorruptionCheckOptions;
  #round: Round | undefined;
  #lastCallId = 0;
  #comparedMs: number;
  #compactionsComparedMs: number;
  #mayServe: boolean;
  /** Questions about what is not applied here yet, by who asks. */
  readonly #waiting = new Map<MemberId, HashQuery>();

  constructor(options: CorruptionCheckOptions) {
    this.#options = options;
    const { config, machine, nowMs } = options;
    this.#comparedMs = nowMs;
    this.#compactionsComparedMs = nowMs;
    this.#mayServe = !config.initialCorruptCheck || machine.appliedIndex === 0 || this.#others().length === 0;
    if (!this.#mayServe) this.#begin("beforeServing", machine.store.currentRevision, nowMs);
  }

  /** False until the comparison before serving is over. */
  get mayServe(): boolean {
    return this.#mayServe;
  }

  /** @returns why this member must end, if it must */
  tick(nowMs: number): string | undefined {
    const { raft, config, machine } = this.#options;
    const round = this.#round;
    if (round !== undefined) {
      if (nowMs - round.startedMs >= config.requestTimeoutMs) return this.#end(round);
      if (nowMs - round.askedMs >= askAgainMs) this.#ask(round, nowMs);
      return undefined;
    }
    if (raft.role !== "leader" || !machine.lessor.isPrimary) return undefined;
    if (config.corruptCheckMs > 0 && nowMs - this.#comparedMs >= config.corruptCheckMs) {
      this.#comparedMs = nowMs;
      this.#begin("byLeader", machine.store.currentRevision, nowMs);
    } else if (
      config.compactHashCheckMs > 0 &&
      nowMs - this.#compactionsComparedMs >= config.compactHashCheckMs &&
      machine.store.compactionHashes.length > 0
    ) {
      this.#compactionsComparedMs = nowMs;
      this.#begin("byLeader", 0, nowMs);
    }
    return undefined;
  }

  /** @returns why this member must end, if it must */
  handle(message: HashMessage): string | undefined {
    if (message.type === "hashReply") return this.#noteReply(message);
    if (message.index > this.#options.machine.appliedIndex) this.#waiting.set(message.from, message);
    else this.#answer(message);
    return undefined;
  }

  /** More entries were applied here. */
  applied(): void {
    if (this.#waiting.size === 0) return;
    const { appliedIndex } = this.#options.machine;
    for (const [from, query] of [...this.#waiting].sort(([a], [b]) => compareIds(a, b))) {
      if (query.index > appliedIndex) continue;
      this.#waiting.delete(from);
      this.#answer(query);
    }
  }

  #begin(purpose: Round["purpose"], revision: number, nowMs: number): void {
    const { machine, raft } = this.#options;
    this.#lastCallId += 1;
    const sample = this.#ownSample(revision);
    this.#round = {
      purpose,
      callId: this.#lastCallId,
      index: machine.appliedIndex,
      revision,
      startedMs: nowMs,
      askedMs: nowMs,
      samples: new Map([[raft.id, sample]]),
    };
    this.#ask(this.#round, nowMs);
  }

  #ask(round: Round, nowMs: number): void {
    const { raft, outbox, incarnation } = this.#options;
    round.askedMs = nowMs;
    const { callId, index, revision } = round;
    for (const to of this.#others()) {
      if (round.samples.has(to)) continue;
      outbox.send({ type: "hashQuery", from: raft.id, to, callId, incarnation, index, revision });
    }
  }

  #answer({ from, to, callId, incarnation, revision }: HashQuery): void {
    const { memberId: _own, ...sample } = this.#ownSample(revision);
    this.#options.outbox.send({ type: "hashReply", from: to, to: from, callId, incarnation, ...sample });
  }

  #noteReply(reply: HashReply): string | undefined {
    const round = this.#round;
    if (round === undefined || reply.callId !== round.callId || reply.incarnation !== this.#options.incarnation) {
      return undefined;
    }
    const { from: memberId, appliedIndex, currentRevision, compactRevision, hash, compactions } = reply;
    round.samples.set(memberId, { memberId, appliedIndex, currentRevision, compactRevision, hash, compactions });
    return this.#others().every((other) => round.samples.has(other)) ? this.#end(round) : undefined;
  }

  #end(round: Round): string | undefined {
    this.#round = undefined;
    if (round.purpose === "byLeader") this.#raise(round);
    else {
      this.#mayServe = !this.#differs(round);
      if (!this.#mayServe) return `${hexOf(this.#options.raft.id)} found data inconsistency with peers`;
    }
    return undefined;
  }

  /** More others hold something else at the same revision than hold the same. */
  #differs(round: Round): boolean {
    const own = round.samples.get(this.#options.raft.id);
    let balance = 0;
    for (const sample of round.samples.values()) {
      if (own === undefined || sample === own || sample.compactRevision !== own.compactRevision) continue;
      if (sample.hash !== undefined) balance += sample.hash === own.hash ? -1 : 1;
      else if (sample.currentRevision < round.revision) balance += 1;
    }
    return balance > 0;
  }

  #raise(round: Round): void {
    const { raft, machine, proposals, outbox } = this.#options;
    if (raft.role !== "leader") return;
    const memberCount = machine.membership.records.length;
    for (const memberId of wrongMembers([...round.samples.values()], { revision: round.revision, memberCount })) {
      const isKnown = machine.alarms.records.some((known) => known.alarm === "corrupt" && known.memberId === memberId);
      if (isKnown) continue;
      const text = "found hash mismatch between members; raising the alarm";
      const whose = memberId === somebody ? "undecided" : hexOf(memberId);
      outbox.log("error", text, { member: whose, revision: round.revision });
      const nowMs = round.startedMs;
      proposals.propose(
        { type: "alarm", action: "activate", memberId, alarm: "corrupt" },
        { requestId: undefined, nowMs },
      );
    }
  }

  #ownSample(revision: number): HashSample {
    const { machine, raft } = this.#options;
    const { store, appliedIndex } = machine;
    const hashed = revision === 0 ? undefined : store.hashKv(revision);
    return {
      memberId: raft.id,
      appliedIndex,
      currentRevision: store.currentRevision,
      compactRevision: store.compactedTo,
      hash: hashed?.ok ? hashed.hash : undefined,
      compactions: store.compactionHashes.slice(),
    };
  }

  /** In id order. */
  #others(): readonly MemberId[] {
    const { machine, raft } = this.#options;
    const ids = machine.membership.records.map((record) => record.memberId).filter((id) => id !== raft.id);
    return ids.sort(compareIds);
  }
}
