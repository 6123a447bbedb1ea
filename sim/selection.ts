/*
 * Which runs a command line asks for: scenarios by name, seeds, and the share of one machine among many.
 *
 * One seed given: every chosen scenario runs with it. A range of seeds and several scenarios: seed s runs scenario
 * s mod count alone, so that a longer range is more seeds of each, and the budget is what the range says. A seed belongs
 * to shard s mod n, whatever runs it.
 */
import type { Scenario } from "../scenarios/scenario.ts";

export interface SeedRange {
  readonly from: number;
  readonly to: number;
}
/** `index` counts from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}
export interface ChosenRun {
  readonly scenario: Scenario;
  readonly seed: number;
}

const seedMax = 2 ** 40;

/** `100` is 1..100; undefined: neither a count nor a range. */
export function parseSeeds(text: string): SeedRange | undefined {
  const found = /^(?:(\d+)\.\.)?(\d+)$/.exec(text.trim());
  if (found === null) return undefined;
  const from = found[1] === undefined ? 1 : Number(found[1]);
  const to = Number(found[2]);
  return from <= to && to <= seedMax ? { from, to } : undefined;
}

/** `2/8`: the second of eight. */
export function parseShard(text: string): Shard | undefined {
  const found = /^(\d+)\/(\d+)$/.exec(text.trim());
  const index = Number(found?.[1]);
  const count = Number(found?.[2]);
  return found !== null && index >= 1 && index <= count && count <= 1_000_000 ? { index, count } : undefined;
}

/** Variables in which runners say which of how many machines this is, and the number they begin to count from. */
const runnerVariables = [
  { runner: "GitLab", index: "CI_NODE_INDEX", count: "CI_NODE_TOTAL", first: 1 },
  { runner: "CircleCI", index: "CIRCLE_NODE_INDEX", count: "CIRCLE_NODE_TOTAL", first: 0 },
  { runner: "Buildkite", index: "BUILDKITE_PARALLEL_JOB", count: "BUILDKITE_PARALLEL_JOB_COUNT", first: 0 },
  { runner: "Kubernetes", index: "JOB_COMPLETION_INDEX", count: "JOB_COMPLETIONS", first: 0 },
] as const;

/** The share a CI runner gives this machine; undefined outside of such runners. */
export function shardOfRunner(
  variables: Readonly<Record<string, string | undefined>>,
): (Shard & { readonly runner: string }) | undefined {
  for (const { runner, index, count, first } of runnerVariables) {
    const [indexText, countText] = [variables[index], variables[count]];
    if (indexText === undefined || countText === undefined) continue;
    const shard = parseShard(`${Number(indexText) - first + 1}/${countText}`);
    if (shard !== undefined && shard.count > 1) return { ...shard, runner };
  }
  return undefined;
}

export function chooseRuns(wish: {
  readonly scenarios: readonly Scenario[];
  readonly seeds: SeedRange | { readonly seed: number };
  readonly shard: Shard | undefined;
}): readonly ChosenRun[] {
  const { scenarios, seeds, shard } = wish;
  const mine = (seed: number): boolean => shard === undefined || seed % shard.count === shard.index - 1;
  if ("seed" in seeds) return mine(seeds.seed) ? scenarios.map((scenario) => ({ scenario, seed: seeds.seed })) : [];
  const runs: ChosenRun[] = [];
  for (let seed = seeds.from; seed <= seeds.to; seed++) {
    const scenario = scenarios[seed % scenarios.length];
    if (scenario !== undefined && mine(seed)) runs.push({ scenario, seed });
  }
  return runs;
}

/** Known names that a mistyped one may have meant, nearest first, at most three. */
export function namesNear(name: string, known: readonly string[]): readonly string[] {
  return known
    .map((candidate) => ({ candidate, far: distanceOf(name, candidate) }))
    .filter(({ candidate, far }) => far <= Math.max(2, candidate.length >> 2) || candidate.includes(name))
    .sort((a, b) => a.far - b.far || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

/** How many letters must be put in, taken out or changed. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_none, position) => position);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
