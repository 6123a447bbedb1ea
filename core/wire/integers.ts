/*
 * The 64-bit edges of the protocol. Counts and revisions are numbers inside and int64 on the wire; what a client sends
 * beyond 2^53 − 1 saturates, so that it still compares as "in the future". Opaque ids stay bigint and never pass here.
 */
const greatest = BigInt(Number.MAX_SAFE_INTEGER);

/** An int64 as a number; beyond ±(2^53 − 1) it is that bound. */
export function numberFromInt64(value: bigint): number {
  if (value > greatest) return Number.MAX_SAFE_INTEGER;
  if (value < -greatest) return -Number.MAX_SAFE_INTEGER;
  return Number(value);
}

/** A whole number as int64 or uint64. */
export const int64FromNumber = (value: number): bigint => BigInt(value);
