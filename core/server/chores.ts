/*
 * What a member does without being asked, once it leads: it ends leases that are past their time and compacts history
 * that its retention no longer protects. All of it goes through the log like a client's write, so a chore that was refused or lost with its
 * leader simply comes up again at a later look.
 */
import type { CommandRequest } from "../apply/command.ts";
import type { Machine } from "../apply/machine.ts";
import type { MemberConfig } from "../config.ts";
import type { RaftView } from "../raft/ready.ts";
import { AutoCompaction } from "./auto-compaction.ts";
import type { Outbox } from "./outbox.ts";
import type { Proposals } from "./proposals.ts";

export interface ChoresOptions {
  readonly raft: RaftView;
  readonly machine: Machine;
  readonly config: MemberConfig;
  readonly proposals: Proposals;
  readonly outbox: Outbox;
  /** When this life of the member began. */
  readonly nowMs: number;
}

export class Chores {
  readonly #options: ChoresOptions;
  readonly #autoCompaction: AutoCompaction;
  #leasesCheckedMs = Number.NEGATIVE_INFINITY;

  constructor(options: ChoresOptions) {
    this.#options = options;
    this.#autoCompaction = new AutoCompaction(options.config, options.nowMs);
  }

  tick(nowMs: number): void {
    this.#revokeExpiredLeases(nowMs);
    this.#compact(nowMs);
  }

  #revokeExpiredLeases(nowMs: number): void {
    const { raft, machine, config } = this.#options;
    if (nowMs - this.#leasesCheckedMs < config.leaseCheckMs) return;
    this.#leasesCheckedMs = nowMs;
    if (raft.role !== "leader") return;
    for (const leaseId of machine.lessor.expired(nowMs, config.leaseRevokesPerCheckMax)) {
      this.#propose({ type: "leaseRevoke", leaseId }, nowMs);
    }
  }

  #compact(nowMs: number): void {
    const { raft, machine, outbox } = this.#options;
    const { currentRevision, compactRevision } = machine.store;
    const leads = raft.role === "leader";
    const wanted = this.#autoCompaction.tick({ nowMs, leads, currentRevision, compactRevision });
    if (wanted === undefined) return;
    const { revision, retention } = wanted;
    outbox.event({ type: "autoCompaction", revision, retention });
    this.#propose({ type: "compact", revision, physical: false }, nowMs);
  }

  /** A refused one comes up again at the next look. */
  #propose(request: CommandRequest, nowMs: number): void {
    this.#options.proposals.propose(request, { requestId: undefined, nowMs });
  }
}
