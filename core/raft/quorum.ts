/*
 * Majority arithmetic, plain and joint. A joint configuration decides only what both of its halves decide; an empty
 * outgoing half decides nothing and so never holds the incoming one back. Learners are in neither half.
 * Source: Raft thesis §3.4, §3.6.2 (majorities), §4.3 (joint consensus).
 */
import { assert } from "../assert.ts";
import type { MemberId } from "../ids.ts";
import type { Configuration } from "./message.ts";

/** Members that make a majority of that many voters; 1 of none. */
export const majorityOf = (voters: number): number => Math.floor(voters / 2) + 1;

/**
 * Highest value that a majority has reached: the commit rule over match indexes, the read rule over confirmed rounds.
 *
 * @param values one per voter in any order, 0 for one not heard from
 * @returns Infinity for no voters, so that the other half of a joint configuration decides alone
 */
export function reachedByMajority(values: readonly number[]): number {
  const count = values.length;
  if (count === 0) return Number.POSITIVE_INFINITY;
  const needed = majorityOf(count);
  let reached = 0;
  for (let candidate = 0; candidate < count; candidate++) {
    const value = values[candidate] as number;
    if (value <= reached) continue;
    let supporters = 0;
    for (let voter = 0; voter < count; voter++) if ((values[voter] as number) >= value) supporters++;
    if (supporters >= needed) reached = value;
  }
  return reached;
}

/** Highest value that both halves have reached. `incoming` is never empty. */
export function reachedByQuorum(incoming: readonly number[], outgoing: readonly number[]): number {
  assert(incoming.length > 0, "a quorum of no voters was asked for");
  const reached = reachedByMajority(incoming);
  return outgoing.length === 0 ? reached : Math.min(reached, reachedByMajority(outgoing));
}

export type VoteOutcome = "won" | "lost" | "pending";

/**
 * What the votes gathered so far decide: won needs both halves, one lost half loses.
 *
 * @param votes answers so far; those of members that do not vote are not counted
 */
export function voteOutcome(configuration: Configuration, votes: ReadonlyMap<MemberId, boolean>): VoteOutcome {
  const incoming = outcomeOfHalf(configuration.voters, votes);
  const outgoing = configuration.outgoing.length === 0 ? "won" : outcomeOfHalf(configuration.outgoing, votes);
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return incoming === "won" && outgoing === "won" ? "won" : "pending";
}

function outcomeOfHalf(voters: readonly MemberId[], votes: ReadonlyMap<MemberId, boolean>): VoteOutcome {
  let granted = 0;
  let refused = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === true) granted++;
    else if (vote === false) refused++;
  }
  const needed = majorityOf(voters.length);
  if (granted >= needed) return "won";
  return voters.length - refused < needed ? "lost" : "pending";
}
