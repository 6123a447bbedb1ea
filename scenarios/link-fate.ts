/*
 * What a link does to its n-th message: a pure function of (seed, link, n), so that one message more or less, or a
 * fault removed, changes the fate of no other message. Integer arithmetic only: the same on every machine.
 */
import type { LinkLaw } from "./faults.ts";

export interface MessageFate {
  readonly lost: boolean;
  /** One whole number of milliseconds for each copy that arrives; empty when lost. */
  readonly delaysMs: readonly number[];
}

export function messageFate(message: {
  readonly seed: number;
  /** Positions in the plan's members. */
  readonly from: number;
  readonly to: number;
  /** How many messages this link has carried before, this direction. */
  readonly count: number;
  readonly law: LinkLaw;
}): MessageFate {
  return { lost: false, delaysMs: [message.law.minDelayMs] };
}
