/*
 * What a member tells its world of itself, each change once: whom it follows, its role and term, whether it counts,
 * and the alarms that stand.
 */
import { type MemberId, noTerm, type Term } from "../ids.ts";
import type { RaftView, Role } from "../raft/ready.ts";
import type { AlarmRecord, MemberRecord } from "../request.ts";
import type { Outbox } from "./outbox.ts";
import { standingText } from "./standing.ts";

export interface Told {
  readonly raft: RaftView;
  readonly outbox: Outbox;
  readonly alarms: readonly AlarmRecord[];
}

export class News {
  readonly #raft: RaftView;
  readonly #outbox: Outbox;
  #role: Role = "follower";
  #term: Term = noTerm;
  #leaderId: MemberId | undefined;
  #standing: string | undefined;
  #alarms: readonly AlarmRecord[];

  constructor(told: Told) {
    this.#raft = told.raft;
    this.#outbox = told.outbox;
    this.#alarms = told.alarms;
  }

  /** Something is true of leader, role or term that was not at the last look. */
  get isDue(): boolean {
    const { leaderId, role, term } = this.#raft;
    return leaderId !== this.#leaderId || role !== this.#role || term !== this.#term;
  }

  /** True when another leader, or none, is known than at the last look. */
  lookForLeader(): boolean {
    const { leaderId, term } = this.#raft;
    if (leaderId === this.#leaderId) return false;
    this.#leaderId = leaderId;
    this.#outbox.event({ type: "leaderChanged", leaderId, term });
    return true;
  }

  /** The role of the last look when role or term changed since; undefined when neither did. */
  lookForRole(): Role | undefined {
    const { role, term } = this.#raft;
    if (role === this.#role && term === this.#term) return undefined;
    const before = this.#role;
    this.#role = role;
    this.#term = term;
    this.#outbox.event({ type: "roleChanged", role, term });
    return before;
  }

  lookForStanding(members: readonly MemberRecord[]): void {
    if (this.#raft.standing === "sound" && this.#standing === undefined) return;
    const text = standingText(this.#raft, members);
    if (text === this.#standing) return;
    this.#standing = text;
    if (text !== undefined) this.#outbox.log("warn", text);
    else this.#outbox.log("info", "this member has learned again what it had forgotten, and counts");
  }

  lookForAlarms(alarms: readonly AlarmRecord[]): void {
    if (alarms === this.#alarms) return;
    this.#alarms = alarms;
    this.#outbox.event({ type: "alarmsChanged", alarms });
  }
}
