/*
 * What a link does to its n-th message: a pure function of (seed, link, n), so that one message more or less, or a
 * fault removed, changes the fate of no other message. Integer arithmetic only: the same on every machine.
 */
import type { LinkLaw } from "./faults.ts";

export interface MessageFate {
  readonly lost: boolean;
  /** One whole number of milliseconds for each copy that arrives, one or two; empty when lost. */
  readonly delaysMs: readonly number[];
}

/** Overtaken messages are delayed by up to so many times the longest usual delay. */
const reorderFactor = 10;
const ppm = 1_000_000;
const lostFate: MessageFate = { lost: true, delaysMs: [] };

/**
 * The fate of one message. A law that loses or repeats nothing costs one draw.
 *
 * @param message.from, message.to positions in the plan's members
 * @param message.count how many messages this link has carried before, in this direction; below 2^32
 */
export function messageFate(message: {
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly law: LinkLaw;
}): MessageFate {
  const { seed, law } = message;
  const link = Math.imul(message.from + 1, 0x9e3779b1) ^ Math.imul(message.to + 1, 0x85ebca77);
  const high = (seed / 0x1_0000_0000) | 0;
  const base = mix(mix((seed | 0) ^ Math.imul(high, 0xc2b2ae3d) ^ link) ^ Math.imul(message.count, 0x27d4eb2f));
  if (law.lossPpm > 0 && below(mix(base ^ 0x165667b1), ppm) < law.lossPpm) return lostFate;
  const first = delayOf(base, law);
  if (law.duplicatePpm > 0 && below(mix(base ^ 0x2545f491), ppm) < law.duplicatePpm) {
    return { lost: false, delaysMs: [first, delayOf(mix(base ^ 0x6a09e667), law)] };
  }
  return { lost: false, delaysMs: [first] };
}

function delayOf(base: number, law: LinkLaw): number {
  const { minDelayMs, maxDelayMs, reorderPpm } = law;
  const overtaken = reorderPpm > 0 && below(mix(base ^ 0x3c6ef372), ppm) < reorderPpm;
  const mostMs = overtaken ? maxDelayMs * reorderFactor : maxDelayMs;
  return minDelayMs + below(mix(base ^ 0x510e527f), mostMs - minDelayMs + 1);
}

/** Spreads 32 bits over 32 bits, one to one (the finishing step of a well-known hash, with its published constants). */
function mix(bits: number): number {
  let mixed = bits;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** 32 bits to 0..bound − 1 by multiplying, exact in doubles: the product stays below 2^53 for bounds below 2^21. */
function below(bits: number, bound: number): number {
  return Math.floor((bits * bound) / 0x1_0000_0000);
}
