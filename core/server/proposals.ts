/*
 * Writes under way: each waits here from the moment it is proposed until the entry that carries its id is applied, or
 * until it ran out of time. Ids are (member, incarnation, sequence) and are never used twice, so an answer can only
 * reach the request whose own entry was applied, whatever else commits at the same index.
 */
import {
  type Command,
  type CommandRequest,
  type ConfigurationRequest,
  encodeCommand,
  type ProposalId,
} from "../apply/command.ts";
import type { Applied } from "../apply/machine.ts";
import { anonymous, type Identity, memberItself } from "../auth/identity.ts";
import { ByteSlab } from "../byte-slab.ts";
import type { MemberConfig } from "../config.ts";
import type { RefusalName } from "../errors.ts";
import type { MemberId, RequestId } from "../ids.ts";
import type { Raft } from "../raft/raft.ts";
import type { PeerLinks } from "./peer-links.ts";

/** What becomes of the result once the entry is applied. */
type Waiting = {
  readonly requestId: RequestId | undefined;
  readonly startedMs: number;
  /** Answered in place of an accepted result: the write only recorded why the real one is refused. */
  readonly refuseWith: RefusalName | undefined;
  readonly compactTo: number | undefined;
  readonly kind: "command" | "configuration";
  /** Not yet given to Raft: no leader was known or within reach, or leadership was being handed over. */
  unsent: Uint8Array | undefined;
};

export interface Settled {
  readonly requestId: RequestId;
  readonly result: NonNullable<Applied["result"]>;
  /** The answer has to wait until history before that revision is gone. */
  readonly compactTo: number | undefined;
}

export interface ProposeOptions {
  /** undefined: nobody waits (the member's own housekeeping). */
  readonly requestId: RequestId | undefined;
  readonly nowMs: number;
  /** Who is judged when it is applied. Absent: the member itself when nobody waits, else an anonymous client. */
  readonly identity?: Identity;
  readonly refuseWith?: RefusalName;
  /** Of a physical compaction: what its answer waits for. */
  readonly compactTo?: number | undefined;
}

/** Bounded by `proposalsMax` entries; each lives at most `requestTimeoutMs`. */
export class Proposals {
  readonly #raft: Raft;
  readonly #links: PeerLinks;
  readonly #config: MemberConfig;
  readonly #origin: MemberId;
  readonly #incarnation: number;
  /** Commands are small and many. */
  readonly #slab = new ByteSlab();
  #sequence = 0;
  /** Keyed by sequence; inserted in rising order, so the oldest comes first. */
  readonly #waiting = new Map<number, Waiting>();
  #unsentCount = 0;
  #leaderSinceMs = Number.NEGATIVE_INFINITY;
  /** Writes of clients that were dropped or ran out of time. */
  failed = 0;

  constructor(options: {
    readonly raft: Raft;
    readonly links: PeerLinks;
    readonly config: MemberConfig;
    readonly origin: MemberId;
    readonly incarnation: number;
  }) {
    this.#raft = options.raft;
    this.#links = options.links;
    this.#config = options.config;
    this.#origin = options.origin;
    this.#incarnation = options.incarnation;
  }

  /** A leader became known; requests begun shortly before may have been lost with the previous one. */
  noteLeader(nowMs: number): void {
    this.#leaderSinceMs = nowMs;
    if (this.#unsentCount > 0) this.#sendUnsent();
  }

  /** A connection stands or is gone: what waited for the leader may be sent, before anything that comes after it. */
  noteLink(): void {
    if (this.#unsentCount > 0) this.#sendUnsent();
  }

  /** etcd sends to it all the same, and the client hears nothing until its time is over. */
  get isLeaderLost(): boolean {
    const { leaderId, id } = this.#raft;
    return leaderId !== undefined && leaderId !== id && this.#links.isLost(leaderId);
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** Gives the request to Raft; a refusal means it was not and will not be proposed. */
  propose(request: CommandRequest, options: ProposeOptions): RefusalName | undefined {
    if (this.#waiting.size >= this.#config.proposalsMax) return "tooManyRequests";
    const sequence = this.#sequence + 1;
    const id = { origin: this.#origin, incarnation: this.#incarnation, sequence };
    const identity = options.identity ?? (options.requestId === undefined ? memberItself : anonymous);
    const command: Command = { id, identity, request };
    const bytes = encodeCommand(command, this.#slab);
    if (bytes.length > this.#config.requestBytesMax) return "requestTooLarge";
    const kind = isConfiguration(request) ? "configuration" : "command";
    const outcome = this.#give(bytes, kind);
    if (outcome === "dropped") {
      this.failed += 1;
      return "proposalDropped";
    }
    this.#sequence = sequence;
    const unsent = outcome === "later" ? bytes : undefined;
    // Housekeeping that cannot be sent now is dropped: whoever it is for asks again.
    if (options.requestId === undefined) return undefined;
    if (unsent !== undefined) this.#unsentCount += 1;
    this.#waiting.set(sequence, {
      requestId: options.requestId,
      startedMs: options.nowMs,
      refuseWith: options.refuseWith,
      compactTo: options.compactTo,
      kind,
      unsent,
    });
    return undefined;
  }

  /** The entry of that id was applied here; undefined when nobody of this life waits for it. */
  settle(id: ProposalId, result: NonNullable<Applied["result"]>): Settled | undefined {
    if (id.origin !== this.#origin || id.incarnation !== this.#incarnation) return undefined;
    const waiting = this.#waiting.get(id.sequence);
    if (waiting?.requestId === undefined) return undefined;
    this.#waiting.delete(id.sequence);
    if (waiting.unsent !== undefined) this.#unsentCount -= 1;
    if (waiting.refuseWith !== undefined && result.ok) {
      return { requestId: waiting.requestId, result: { ok: false, refusal: waiting.refuseWith }, compactTo: undefined };
    }
    return { requestId: waiting.requestId, result, compactTo: result.ok ? waiting.compactTo : undefined };
  }

  /** The leader will not append the proposal of that sequence. */
  refused(sequence: number, refusal: RefusalName): Settled | undefined {
    const id = { origin: this.#origin, incarnation: this.#incarnation, sequence };
    return this.settle(id, { ok: false, refusal });
  }

  /** The client no longer waits; the write itself goes on. */
  forget(requestId: RequestId): void {
    for (const [sequence, waiting] of this.#waiting) {
      if (waiting.requestId !== requestId) continue;
      this.#waiting.delete(sequence);
      if (waiting.unsent !== undefined) this.#unsentCount -= 1;
      return;
    }
  }

  /** Sends what had no leader, and ends what waited too long. */
  tick(nowMs: number): readonly Settled[] {
    if (this.#unsentCount > 0) this.#sendUnsent();
    let ended: Settled[] | undefined;
    for (const [sequence, waiting] of this.#waiting) {
      // A change of members waits as long as its client does.
      if (waiting.kind === "configuration") continue;
      if (nowMs - waiting.startedMs < this.#config.requestTimeoutMs) break;
      this.#waiting.delete(sequence);
      if (waiting.unsent !== undefined) this.#unsentCount -= 1;
      if (waiting.requestId === undefined) continue;
      ended ??= [];
      this.failed += 1;
      const refusal = this.#timeoutRefusal(waiting);
      ended.push({ requestId: waiting.requestId, result: { ok: false, refusal }, compactTo: undefined });
    }
    return ended ?? nothing;
  }

  #sendUnsent(): void {
    if (this.#raft.leaderId === undefined) return;
    for (const waiting of this.#waiting.values()) {
      if (waiting.unsent === undefined) continue;
      // One that the leader has no room for now waits on: it came while there was none.
      if (this.#give(waiting.unsent, waiting.kind) !== "given") return;
      waiting.unsent = undefined;
      this.#unsentCount -= 1;
    }
  }

  #give(bytes: Uint8Array, kind: Waiting["kind"]): "given" | "later" | "dropped" {
    const raft = this.#raft;
    // Who takes over will take it; and a leader out of reach will have a successor, or be back.
    if (raft.transferee !== undefined || this.isLeaderLost) return "later";
    const outcome = kind === "command" ? raft.propose([bytes]) : raft.proposeConfiguration(bytes);
    if (outcome === "noLeader") return "later";
    return outcome === "dropped" ? "dropped" : "given";
  }

  #timeoutRefusal(waiting: Waiting): RefusalName {
    if (waiting.unsent !== undefined) return "deadlineExceeded";
    const grace = 2 * this.#config.electionTicks * this.#config.tickMs;
    const lostWithLeader = waiting.startedMs > this.#leaderSinceMs - grace && waiting.startedMs <= this.#leaderSinceMs;
    return lostWithLeader ? "timedOutLeaderFailed" : "timedOut";
  }
}

const isConfiguration = (request: CommandRequest): request is ConfigurationRequest =>
  request.type === "memberAdd" ||
  request.type === "memberRemove" ||
  request.type === "memberUpdate" ||
  request.type === "memberPromote" ||
  request.type === "memberReconfigure" ||
  request.type === "leaveJoint";

const nothing: readonly Settled[] = [];
