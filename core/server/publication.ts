/*
 * Clients are served only once the cluster knows this member by name and by the addresses clients find it at. Both go
 * through the log, and are asked for again until they are in it.
 */
import type { MemberConfig } from "../config.ts";
import type { MemberId } from "../ids.ts";
import type { RaftView } from "../raft/ready.ts";
import type { Outbox } from "./outbox.ts";
import type { Proposals } from "./proposals.ts";

export interface Publishing {
  readonly raft: Pick<RaftView, "leaderId">;
  readonly config: Pick<MemberConfig, "electionTicks" | "tickMs">;
  readonly proposals: Proposals;
  readonly outbox: Outbox;
  /** What is published. */
  readonly identity: { readonly memberId: MemberId; readonly name: string; readonly clientUrls: readonly string[] };
}

export class Publication {
  readonly #publishing: Publishing;
  #done = false;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(publishing: Publishing) {
    this.#publishing = publishing;
  }

  tick(nowMs: number): void {
    const { raft, config, proposals, outbox, identity } = this.#publishing;
    if (this.#done || raft.leaderId === undefined) return;
    if (nowMs - this.#askedMs < config.electionTicks * config.tickMs) return;
    this.#askedMs = nowMs;
    const { memberId, name, clientUrls } = identity;
    const refusal = proposals.propose(
      { type: "publishMember", memberId, name, clientUrls },
      { requestId: undefined, nowMs },
    );
    if (refusal !== undefined) outbox.log("warn", "publishing this member was refused", { refusal });
  }

  /** The entry that this life proposed was applied. */
  applied(): void {
    if (this.#done) return;
    this.#done = true;
    this.#publishing.outbox.event({ type: "published" });
  }
}
