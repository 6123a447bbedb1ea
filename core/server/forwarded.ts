/*
 * Commands that other members forwarded and that nobody will append: whoever made them is told, so that its client
 * learns at once that they had no effect.
 */

import { type CommandRequest, decodeCommand, isCommand } from "../apply/command.ts";
import type { Machine } from "../apply/machine.ts";
import type { MemberConfig } from "../config.ts";
import type { RefusalName } from "../errors.ts";
import type { MemberId } from "../ids.ts";
import type { PeerMessage } from "../input.ts";
import type { ForwardedConfiguration } from "../raft/message.ts";
import type { Raft } from "../raft/raft.ts";
import { refusalOfPromote, refusalOfPromotions } from "./cluster.ts";
import type { Outbox } from "./outbox.ts";
import type { PeerLinks } from "./peer-links.ts";

export interface Forwarding {
  readonly memberId: MemberId;
  readonly raft: Raft;
  readonly links: PeerLinks;
  readonly machine: Machine;
  readonly config: Pick<MemberConfig, "strictReconfig">;
  readonly outbox: Outbox;
}

export class Forwarded {
  readonly #forwarding: Forwarding;

  constructor(forwarding: Forwarding) {
    this.#forwarding = forwarding;
  }

  /** What makes a forwarded message one that no member sends; in the log its commands would stop every member for good. */
  impossibility(message: PeerMessage): string | undefined {
    if (this.#forwarding.raft.role !== "leader") return undefined;
    const isSound =
      message.type === "propose"
        ? message.commands.every(isCommand)
        : message.type !== "proposeConfiguration" || isCommand(message.command);
    return isSound ? undefined : "forwards what is no command";
  }

  /** Only the leader knows how far a learner is, so it is the leader that refuses to promote one too early. */
  refusesConfiguration(message: ForwardedConfiguration): boolean {
    const { raft } = this.#forwarding;
    if (raft.role !== "leader" || message.term !== raft.term) return false;
    const refusal = this.#refusalOfPromotion(decodeCommand(message.command).request);
    if (refusal === undefined) return false;
    this.refuse(message.command, refusal);
    return true;
  }

  refuse(command: Uint8Array, refusal: RefusalName): void {
    const { origin, incarnation, sequence } = decodeCommand(command).id;
    const { memberId: from, outbox } = this.#forwarding;
    outbox.send({ type: "proposalRefused", from, to: origin, incarnation, proposal: sequence, refusal });
  }

  #refusalOfPromotion(request: CommandRequest): RefusalName | undefined {
    const { raft, links, machine, config } = this.#forwarding;
    if (request.type === "memberReconfigure") return refusalOfPromotions(request, { raft, links });
    if (request.type !== "memberPromote") return undefined;
    const { records } = machine.membership;
    return refusalOfPromote(request.memberId, { raft, links, records, isStrict: config.strictReconfig });
  }
}
