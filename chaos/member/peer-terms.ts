/*
 * Terms that no elections reach. Whoever hears of a higher term follows, and terms have an end: one message of a member
 * that lost its mind would leave all of them at the last term there is, with no election ever after, over every restart.
 */
import type { PeerMessage } from "../../core/index.ts";

/** Elections that no member can have missed: a thousand a second, for thirty years. */
export const termsMissedMax = 2 ** 40;

/**
 * What is wrong with the term a message is of.
 *
 * @param ownTerm 0: this member has heard of nothing yet, and of its cluster least of all
 */
export function termProblem(message: PeerMessage, ownTerm: number): string | undefined {
  if (ownTerm === 0 || !("term" in message) || message.term - ownTerm <= termsMissedMax) return undefined;
  return `a message is of term ${message.term}, which no elections lead to from term ${ownTerm}`;
}
