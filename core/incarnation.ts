/*
 * The number of a member's life: it tells one start of a member from every other, and the order of two numbers is taken
 * for the order of the lives. Normally that follows from the number that the disk kept of the life before. When the disk
 * is an old copy the clock stands in for the lives it does not know of. When the clock is wrong as well, nothing here
 * tells the order; then chance keeps the numbers apart, and those who met a later life say so (raft/lives.ts).
 */
import type { Random } from "./ports.ts";

/** Numbers a clock may choose from in one of its units. */
const perUnit = 2 ** 18;
/** Shorter than the time in which a process ends, its disk is put back and another one begins. */
const unitMs = 125;
/** From the year 2071 on the clock says nothing new, and each life adds to the one before it. */
const unitsMax = 3 * 2 ** 33;
/** So many numbers, on average half of them, a life is ahead of the one before it when the clock is of no use. */
const stepMax = 2 ** 24;

/** What is above was never a life: a clock gets to 3 · 2^51, and from there it takes 2 · 10^8 starts. */
export const incarnationMax = Number.MAX_SAFE_INTEGER - 2 ** 49;

/**
 * @param previous the life before this one as the disk knows it, 0 for none; or one that others have met
 * @param wallClockMs milliseconds since 1970, as far as the machine knows
 * @returns above `previous`; the same again for one disk and one clock once in 2^18 times, or 2^24 if the clock shows
 *   less than `previous`
 */
export function nextIncarnation(options: {
  readonly previous: number;
  readonly wallClockMs: number;
  readonly random: Random;
}): number {
  const { previous, wallClockMs, random } = options;
  const byClock = Math.min(Math.max(0, Math.floor(wallClockMs / unitMs)), unitsMax) * perUnit;
  return byClock > previous ? byClock + random.below(perUnit) : previous + 1 + random.below(stepMax);
}
