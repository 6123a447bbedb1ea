/*
 * What a member does without being asked, once it leads: it ends leases that are past their time, writes down how much
 * long ones have left, compacts history that its retention no longer protects, decides which release the cluster keeps
 * to, and, where that is wanted, promotes learners that have caught up. All of it goes through the log like a client's
 * write, so a chore that was refused or lost with its leader simply comes up again at a later look.
 */
import { compareReleases, releaseOf, releaseText } from "../apply/cluster-version.ts";
import type { CommandRequest } from "../apply/command.ts";
import type { Machine } from "../apply/machine.ts";
import type { MemberConfig } from "../config.ts";
import type { RefusalName } from "../errors.ts";
import type { Raft } from "../raft/raft.ts";
import { AutoCompaction } from "./auto-compaction.ts";
import { refusalOfPromote } from "./cluster.ts";
import type { Outbox } from "./outbox.ts";
import type { PeerLinks } from "./peer-links.ts";
import type { Proposals } from "./proposals.ts";

export interface ChoresOptions {
  readonly raft: Raft;
  readonly links: PeerLinks;
  readonly machine: Machine;
  readonly config: MemberConfig;
  readonly proposals: Proposals;
  readonly outbox: Outbox;
  /** The release this member runs. */
  readonly version: string;
  /** When this life of the member began. */
  readonly nowMs: number;
}

/** What was said and is not applied is said again after so long. */
const versionTellMs = 1_000;

export class Chores {
  readonly #options: ChoresOptions;
  readonly #autoCompaction: AutoCompaction;
  #versionsCheckedMs = Number.NEGATIVE_INFINITY;
  #versionToldMs = Number.NEGATIVE_INFINITY;
  #versionSetMs = Number.NEGATIVE_INFINITY;
  #leasesCheckedMs = Number.NEGATIVE_INFINITY;
  #promotedMs = Number.NEGATIVE_INFINITY;

  constructor(options: ChoresOptions) {
    this.#options = options;
    this.#autoCompaction = new AutoCompaction(options.config, options.nowMs);
  }

  tick(nowMs: number): void {
    this.#lookAtLeases(nowMs);
    this.#compact(nowMs);
    if (this.#options.config.promoteLearners) this.#promoteLearner(nowMs);
    this.#lookAtVersions(nowMs);
  }

  /**
   * One at a time, under the rules an operator is held to; and it must be there now, and be sent the log as it grows: a
   * voter that is gone again costs more than a learner that waits.
   */
  #promoteLearner(nowMs: number): void {
    const { raft, links, machine, config } = this.#options;
    // Time for the one before to be committed.
    if (nowMs - this.#promotedMs < config.electionTicks * config.tickMs) return;
    if (raft.role !== "leader" || raft.transferee !== undefined || raft.configuration.outgoing.length > 0) return;
    const { records } = machine.membership;
    const ready = records.find(({ memberId, isLearner, name }) => {
      if (!isLearner || name === "") return false;
      const progress = raft.progressOf(memberId);
      if (progress?.state !== "replicate" || !progress.recentActive) return false;
      return refusalOfPromote(memberId, { raft, links, records, isStrict: config.strictReconfig }) === undefined;
    });
    if (ready === undefined) return;
    this.#promotedMs = nowMs;
    this.#propose({ type: "memberPromote", memberId: ready.memberId }, nowMs);
  }

  /** Every member says what it runs until that is known; the leader decides what all of them can. */
  #lookAtVersions(nowMs: number): void {
    const { raft, machine, config, version } = this.#options;
    const { cluster, membership } = machine;
    // Until it is decided there is a look every tick, so that clients need not wait for it.
    const everyMs = cluster.version === undefined ? config.tickMs : config.versionCheckMs;
    if (config.versionCheckMs === 0 || nowMs - this.#versionsCheckedMs < everyMs) return;
    this.#versionsCheckedMs = nowMs;
    const own = releaseOf(version);
    const known = cluster.memberVersion(raft.id);
    const isKnown = own !== undefined && known !== undefined && compareReleases(own, known) === 0;
    if (!isKnown && raft.leaderId !== undefined && nowMs - this.#versionToldMs >= versionTellMs) {
      this.#versionToldMs = nowMs;
      this.#propose({ type: "memberVersion", memberId: raft.id, version }, nowMs);
    }
    if (raft.role !== "leader" || !machine.lessor.isPrimary) return;
    const members = membership.records.map((record) => record.memberId);
    const decided = cluster.decide(members);
    if (decided !== undefined && nowMs - this.#versionSetMs >= versionTellMs) {
      this.#versionSetMs = nowMs;
      this.#propose({ type: "clusterVersion", version: releaseText(decided) }, nowMs);
    }
    if (cluster.isDowngradeOver(members)) {
      this.#propose({ type: "downgradeInfo", enabled: false, targetVersion: "" }, nowMs);
    }
  }

  #lookAtLeases(nowMs: number): void {
    const { raft, machine, config } = this.#options;
    if (nowMs - this.#leasesCheckedMs < config.leaseCheckMs) return;
    this.#leasesCheckedMs = nowMs;
    // While leadership is handed over nothing is proposed here; who takes over looks for itself.
    if (raft.role !== "leader" || raft.transferee !== undefined) return;
    for (const leaseId of machine.lessor.expired(nowMs, config.leaseRevokesPerCheckMax)) {
      if (this.#propose({ type: "leaseRevoke", leaseId }, nowMs) === undefined) machine.lessor.counts.expired += 1;
    }
    const checkpoints = machine.lessor.checkpointsDue(nowMs, config.leaseCheckpointsPerCheckMax);
    if (checkpoints.length === 0) return;
    if (this.#propose({ type: "leaseCheckpoint", checkpoints }, nowMs) === undefined) return;
    for (const { leaseId } of checkpoints) machine.lessor.checkpointRefused(leaseId, nowMs);
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
  #propose(request: CommandRequest, nowMs: number): RefusalName | undefined {
    return this.#options.proposals.propose(request, { requestId: undefined, nowMs });
  }
}
