/*
 * Room for what clients write: the quota, the disk, and the alarm that tells the whole cluster of either. Before a write
 * is proposed, its cost is held against what this member knows; when an entry is applied, only the alarms decide
 * (apply/quota.ts says why).
 *
 *   alarm active here          refused at once, without an entry: a full disk has none to spare
 *   own quota reached          the alarm goes through the log, and its entry is the answer
 *   own disk full              refused at once; the alarm is raised by this member, and again when it was taken away
 *
 * Deletes, compactions and everything else that frees or adds nothing go on: a world keeps room for their entries.
 * The alarm stays until an operator takes it away. Source: etcd v3 API, Alarm, NOSPACE.
 */
import type { CommandRequest } from "../apply/command.ts";
import type { Machine } from "../apply/machine.ts";
import { quotaCost } from "../apply/quota.ts";
import type { MemberConfig } from "../config.ts";
import type { Backend } from "../ports.ts";
import type { RaftView } from "../raft/ready.ts";
import type { Outbox } from "./outbox.ts";
import type { Proposals } from "./proposals.ts";

export interface SpaceOptions {
  readonly raft: RaftView;
  readonly machine: Machine;
  readonly backend: Backend;
  readonly config: MemberConfig;
  readonly proposals: Proposals;
  readonly outbox: Outbox;
}

/** What is to be done with a write: refuse it, have the alarm replicated in its place, or let it pass. */
export type RoomVerdict = "refuse" | "raiseAlarm" | "pass";

export class Space {
  readonly #options: SpaceOptions;
  /** Backend size as of the last tick: asking at every write costs more than it tells. */
  #sizeBytes: number;
  #isFull = false;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(options: SpaceOptions) {
    this.#options = options;
    this.#sizeBytes = options.backend.size().allocatedBytes;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** The world says whether the disk has room. */
  note(isFull: boolean, nowMs: number): void {
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    const text = isFull
      ? "the disk has no room left: writes that need any are refused; free some, then disarm the NOSPACE alarm"
      : "the disk has room again; writes go on once the NOSPACE alarm is disarmed";
    this.#options.outbox.log(isFull ? "error" : "info", text);
    this.#maybeRaiseAlarm(nowMs);
  }

  tick(nowMs: number): void {
    this.#sizeBytes = this.#options.backend.size().allocatedBytes;
    this.#maybeRaiseAlarm(nowMs);
  }

  roomFor(request: CommandRequest): RoomVerdict {
    const cost = quotaCost(request);
    if (cost === 0) return "pass";
    const { machine, config } = this.#options;
    if (this.#isFull || machine.alarms.refusalOf(request) === "noSpace") return "refuse";
    return config.quotaBytes >= 0 && this.#sizeBytes + cost >= config.quotaBytes ? "raiseAlarm" : "pass";
  }

  /**
   * Through the log, so that all members refuse alike; asked again every election timeout until it is there, and as long
   * after it went.
   */
  #maybeRaiseAlarm(nowMs: number): void {
    if (!this.#isFull) return;
    const { raft, machine, config, proposals } = this.#options;
    const isRaised = machine.alarms.records.some(({ memberId, alarm }) => memberId === raft.id && alarm === "noSpace");
    // Taken away while the disk was last seen full: room may have been made since. The world looks again before this asks.
    if (isRaised) this.#askedMs = nowMs;
    if (isRaised || raft.leaderId === undefined) return;
    if (nowMs - this.#askedMs < config.electionTicks * config.tickMs) return;
    this.#askedMs = nowMs;
    // A refused one comes up again.
    proposals.propose(
      { type: "alarm", action: "activate", memberId: raft.id, alarm: "noSpace" },
      { requestId: undefined, nowMs },
    );
  }
}
