/*
 * Hundreds of thousands of leases in one lessor: what a tick costs with nothing due, what grants, renewals and revokes
 * cost, and that looks for ended and checkpointed leases are bounded however many are due.
 *
 *   node --import tsx test/bench/leases.ts [LEASES]
 */
import { defaultMemberConfig } from "../../core/config.ts";
import { leaseIdOf } from "../../core/ids.ts";
import { Lessor } from "../../core/lease/lessor.ts";
import { MemoryBackend } from "../kit/memory-backend.ts";

const count = Number(process.argv[2] ?? 300_000);
const config = { ...defaultMemberConfig, leaseCheckpoints: true };
const { leaseCheckMs, leaseRevokesPerCheckMax, leaseCheckpointsPerCheckMax, leaseCheckpointMs } = config;
const lessor = new Lessor(new MemoryBackend({ crashes: false }), config);
const ids = Array.from({ length: count }, (_, number) => leaseIdOf(BigInt(number) * 7_919n + 1n));

function timed(what: string, pieces: number, body: () => void): void {
  const startedMs = performance.now();
  body();
  const ms = performance.now() - startedMs;
  const each = ((ms * 1_000) / pieces).toFixed(2);
  console.log(`${what.padEnd(46)} ${ms.toFixed(1).padStart(9)} ms  ${each.padStart(8)} µs each`);
}

/** Looks until nothing is due; prints the dearest look. */
function looks(what: string, fromMs: number, look: (nowMs: number) => number): number {
  let nowMs = fromMs;
  let dearestMs = 0;
  let total = 0;
  let made = 0;
  for (let idle = 0; idle < 3; made++, nowMs += leaseCheckMs) {
    const startedMs = performance.now();
    const found = look(nowMs);
    dearestMs = Math.max(dearestMs, performance.now() - startedMs);
    total += found;
    if (total > 0) idle = found === 0 ? idle + 1 : 0;
  }
  console.log(`${what.padEnd(46)} ${total} leases in ${made} looks, dearest look ${dearestMs.toFixed(2)} ms`);
  return nowMs;
}

console.log(`${count.toLocaleString("en")} leases, one lessor`);
lessor.promote(0, 0);
timed("grant", count, () => {
  for (const leaseId of ids) lessor.grant(leaseId, 3_600, 0);
});
timed("renew, in another order", count, () => {
  for (let number = 0; number < count; number++) {
    const leaseId = ids[(number * 7_907) % count];
    if (leaseId !== undefined) lessor.renew(leaseId, 1_000);
  }
});
timed("look with nothing due", 100_000, () => {
  for (let look = 0; look < 100_000; look++) {
    lessor.expired(2_000, leaseRevokesPerCheckMax);
    lessor.checkpointsDue(2_000, leaseCheckpointsPerCheckMax);
  }
});
const afterMs = looks("checkpoints, all due at once", 1_000 + leaseCheckpointMs, (nowMs) => {
  const due = lessor.checkpointsDue(nowMs, leaseCheckpointsPerCheckMax);
  for (const { leaseId, remainingTtlSeconds } of due) lessor.checkpoint(leaseId, remainingTtlSeconds);
  if (due.length > leaseCheckpointsPerCheckMax) throw new Error("a look is not bounded");
  // One round is enough to see.
  return nowMs > 1_000 + 2 * leaseCheckpointMs ? 0 : due.length;
});
timed("promote", count, () => lessor.promote(afterMs, 1_000));
looks("ends, after the promotion", afterMs + 3_000_000, (nowMs) => {
  const due = lessor.expired(nowMs, leaseRevokesPerCheckMax);
  for (const leaseId of due) lessor.remove(leaseId);
  if (due.length > leaseRevokesPerCheckMax) throw new Error("a look is not bounded");
  return due.length;
});
