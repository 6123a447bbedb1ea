/*
 * Which life of a member is the latest. Whoever compares two of them takes the one with the higher number for the later
 * one: a leader its followers' words, a registration, a candidate its votes, a leader what was forwarded to it. The
 * number comes from the disk and the clock (core/incarnation.ts). What if both are wrong?
 *
 * 1. Member 3 lives its lives 10 and 20. An old copy of its disk is put back, which knows of neither, the clock is set
 *    back, and it begins its life 5. A leader that met life 20 hears nothing of life 5: a member less, for as long as
 *    that leader leads. One that registered life 20 never registers life 5: a member less, for ever.
 * 2. Others register life 5, and an acknowledgement or a vote of life 20 is still on its way: it would count.
 *
 * So whoever answers a question of a member says which of its lives it has met, a leader says it with everything it
 * sends, and a member that hears of a later life than its own begins anew with a number above that. That is as safe as
 * any other start; and once enough members have registered it, its number is above every number that enough members ever
 * registered, for two sets of members of which every quorum has one besides P have a member in common.
 *
 * What it cannot find: a life that none of those that answer remembers to have met. That takes an old copy, a wrong clock
 * and others that started again meanwhile, and then only words that are still on their way can harm.
 */

import type { MemberId } from "../ids.ts";
import { incarnationMax } from "../incarnation.ts";
import { registeredLife } from "./hard-state.ts";
import type { RaftMessage } from "./message.ts";
import type { RaftState } from "./state.ts";

/** The latest life of that member that this one has met or heard of; 0: none. */
export function latestLife(state: RaftState, id: MemberId): number {
  return Math.max(
    state.witnessOf(id)?.life ?? 0,
    state.leadership?.progressOf(id)?.incarnation ?? 0,
    registeredLife(state.registrations, id),
  );
}

/** What a message says of this member's own lives. */
export function noteOwnLives(state: RaftState, message: RaftMessage): void {
  switch (message.type) {
    case "append":
    case "heartbeat":
      // Leaders of terms that are over are not heard, here as elsewhere.
      if (message.term >= state.term) noteOwnLife(state, message.toIncarnation);
      return;
    case "helloReply":
      noteOwnLife(state, message.incarnation);
      return;
    default:
      return;
  }
}

function noteOwnLife(state: RaftState, life: number): void {
  if (life > state.incarnation && life > state.outlivedBy && life <= incarnationMax) state.outlivedBy = life;
}
