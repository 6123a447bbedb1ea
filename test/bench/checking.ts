/*
 * How fast histories are judged. Prints figures, asserts none. Run: npx tsx test/bench/checking.ts [largest [--json]]
 * With --json: only the largest history with revisions, as one JSON object.
 * Each history comes from a seeded generator; processor time is taken around the check alone, first cold, then warm,
 * so that a busy machine does not count.
 */

import { readFileSync } from "node:fs";
import { allChecks } from "../../scenarios/check/all.ts";
import { parseHistory } from "../../scenarios/check/formats/parse.ts";
import { decideLinearizable } from "../../scenarios/check/linearizable.ts";
import { compileHistory } from "../../scenarios/check/operations.ts";
import { history, type Workload } from "./history-load.ts";

function time<Result>(work: () => Result): { readonly ms: number; readonly result: Result } {
  const start = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(start);
  return { ms: (user + system) / 1_000, result };
}

function measure(
  name: string,
  load: Workload,
  rounds: number,
): { readonly compileMs: number; readonly checkMs: number } {
  const events = history(7, load);
  let compileMs = Number.POSITIVE_INFINITY;
  let warmMs = Number.POSITIVE_INFINITY;
  let coldMs = 0;
  let verdict = "";
  for (let round = 0; round < rounds; round++) {
    const compiled = time(() => compileHistory(events));
    const decided = time(() => decideLinearizable(compiled.result, 1_000_000_000));
    if (round === 0) coldMs = decided.ms;
    compileMs = Math.min(compileMs, compiled.ms);
    warmMs = Math.min(warmMs, decided.ms);
    verdict = `${decided.result.verdict} (${decided.result.method})`;
  }
  if (json) return { compileMs, checkMs: warmMs };
  const row = [name.padEnd(44), verdict.padEnd(20), `compile ${compileMs.toFixed(1)} ms`.padEnd(20)];
  const rss = Math.round(process.memoryUsage().rss / 1024 / 1024);
  console.log(...row, `check ${warmMs.toFixed(1)} ms warm, ${coldMs.toFixed(1)} cold`.padEnd(36), `${rss} MiB`);
  return { compileMs, checkMs: warmMs };
}

const json = process.argv.includes("--json");

const plain: Workload = {
  operations: 10_000,
  clients: 10,
  keys: 100,
  unknownPermille: 0,
  watch: false,
  revisions: true,
  staleReads: 0,
};
const largest = Number(process.argv[2] ?? 1_000_000);
if (json) {
  const load = { ...plain, operations: largest, keys: Math.max(100, largest / 100) };
  process.stdout.write(`${JSON.stringify({ operations: largest, ...measure("", load, 5) })}\n`);
  process.exit(0);
}
const sizes = [10_000, 100_000, 1_000_000].filter((size) => size <= largest);

for (const operations of sizes) {
  const load = { ...plain, operations, keys: Math.max(100, operations / 100) };
  measure(`revisions, ${operations}, all known`, load, 5);
  measure(`revisions, ${operations}, 5 % unknown, watcher`, { ...load, unknownPermille: 50, watch: true }, 3);
  measure(`revisions, ${operations}, 1 % unknown, no watcher`, { ...load, unknownPermille: 10 }, 3);
}
measure("revisions, 10000, 5 % unknown, one stale read", { ...plain, unknownPermille: 50, staleReads: 1 }, 5);
measure("blind, 1000, 10 keys", { ...plain, operations: 1_000, keys: 10, revisions: false }, 20);
measure("blind, 10000, 10 keys", { ...plain, keys: 10, revisions: false }, 5);
measure("blind, 100000, 100 keys", { ...plain, operations: 100_000, revisions: false }, 3);

const simulated = history(11, { ...plain, operations: 6_000, keys: 20, unknownPermille: 20, watch: true });
for (const rounds of [1, 20]) {
  const { ms } = time(() => {
    for (let round = 0; round < rounds; round++) {
      for (const check of allChecks()) check.check(simulated, { steps: 1_000_000 });
    }
  });
  console.log(
    `all checks of 6,000 operations, 2 % unknown, watcher: ${(ms / rounds).toFixed(1)} ms each (${rounds} rounds)`,
  );
}
const folder = new URL("../check/histories/recorded-etcd/", import.meta.url);
const logs = Array.from({ length: 51 }, (_, at) =>
  readFileSync(new URL(`etcd_${String(at).padStart(3, "0")}.log`, folder), "utf8"),
);
for (let round = 0; round < 3; round++) {
  const { ms } = time(() => {
    for (const text of logs) {
      const parsed = parseHistory(text, "porcupine-etcd");
      if (parsed.type === "events") decideLinearizable(compileHistory(parsed.events), 10_000_000);
    }
  });
  console.log(`51 recorded logs of one register, sum: ${ms.toFixed(1)} ms`);
}
