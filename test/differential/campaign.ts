/*
 * Many sequences, one after the other, until so many requests were compared: which kinds there are, and what a failing
 * one is shrunk to. A seed gives the same sequences again.
 */
import * as fc from "fast-check";
import { authSequences } from "./auth-arbitraries.ts";
import { clusterSequences } from "./cluster-arbitraries.ts";
import { dataSequences } from "./data-arbitraries.ts";
import type { Lane } from "./lane.ts";
import { printed } from "./messages.ts";
import { queueSequences } from "./queue-arbitraries.ts";
import type { Sequence, Step } from "./steps.ts";

interface Family {
  readonly name: string;
  /** Of a campaign's requests, beside those of the others. */
  readonly share: number;
  readonly sequences: fc.Arbitrary<Sequence>;
}

export const families: readonly Family[] = [
  { name: "data", share: 70, sequences: dataSequences(80) },
  { name: "auth", share: 20, sequences: authSequences },
  { name: "queue", share: 10, sequences: queueSequences },
  { name: "cluster", share: 10, sequences: clusterSequences },
];

export interface CampaignOptions {
  readonly lane: Lane;
  readonly seed: number;
  readonly requests: number;
  readonly families: readonly Family[];
  /** Where in a draw a known failure is: the draw's own seed is then `seed`. */
  readonly path?: string;
  readonly onProgress?: (requests: number) => void;
  /** Looked at between two draws: somebody else has seen enough. */
  readonly isOver?: () => boolean;
}

export interface CampaignResult {
  readonly requests: number;
  readonly sequences: number;
  /** Differences by the entry that explains them. */
  readonly explained: ReadonlyMap<string, number>;
  /** The first failing sequence, shrunk, and where the answers differ; undefined when all agreed. */
  readonly failure: string | undefined;
}

/** Sequences drawn under one seed. */
const sequencesPerDraw = 20;
const rounds = 10;
/** A draw, shrinking included, goes on for so long; what was found by then is shown. */
const drawMs = 90_000;

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { lane, path } = options;
  const shares = options.families.reduce((sum, { share }) => sum + share, 0);
  const explained = new Map<string, number>();
  let requests = 0;
  let sequences = 0;
  // In rounds over all families, so that one that is ended early has met them all.
  const states = options.families.map((family) => ({ family, seed: options.seed, done: 0 }));
  for (let round = 1; round <= rounds; round++) {
    for (const state of states) {
      const { name, share, sequences: arbitrary } = state.family;
      const goal = Math.ceil((options.requests * share * round) / (shares * rounds));
      for (; state.done < goal && options.isOver?.() !== true; state.seed++) {
        const { seed } = state;
        const endMs = performance.now() + drawMs;
        const property = fc.asyncProperty(arbitrary, async (sequence) => {
          // Not by interrupting: what was under way would still be at the targets when the next sequence comes.
          if (performance.now() > endMs) return;
          const verdict = await compare(lane, sequence);
          if (verdict.unexplained !== undefined) throw new Error(verdict.unexplained);
          const count = requestsIn(sequence);
          state.done += count;
          requests += count;
          sequences += 1;
          for (const [entry, times] of verdict.explained) explained.set(entry, (explained.get(entry) ?? 0) + times);
          options.onProgress?.(requests);
        });
        const place = path === undefined ? {} : { path };
        const settings = { seed, numRuns: sequencesPerDraw, ...place };
        const result = await fc.check(property, settings);
        if (result.failed) {
          const again = `--family ${name} --seed ${seed} --path ${result.counterexamplePath ?? "0"}`;
          const error: unknown = result.errorInstance;
          const why = error instanceof Error ? error.message : String(error);
          const [sequence] = result.counterexample ?? [[]];
          return { requests, sequences, explained, failure: `${again}\n${describe(sequence)}\n${why}` };
        }
        if (path !== undefined) return { requests, sequences, explained, failure: undefined };
      }
    }
  }
  return { requests, sequences, explained, failure: undefined };
}

/** What a target must never do ends up as a failure too; the next sequence then finds fresh ones. */
async function compare(lane: Lane, sequence: Sequence): ReturnType<Lane["compare"]> {
  try {
    return await lane.compare(sequence);
  } catch (error) {
    await lane.restart();
    throw error;
  }
}

function requestsIn(sequence: Sequence): number {
  return sequence.flat().reduce((sum, step) => sum + weightOf(step), 0);
}

function weightOf(step: Step): number {
  if (step.do === "keepAlive") return step.leases.length;
  return step.do === "pass" ? 0 : 1;
}

const describe = (sequence: Sequence): string =>
  sequence
    .flat()
    .map((step, position) => `  ${position + 1} ${printed(step)}`)
    .join("\n");
