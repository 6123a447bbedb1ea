/*
 * What a check says of a history: holds, violated with the smallest evidence, or unknown because a budget ran out.
 * Unknown is never green.
 */
import type { HistoryEvent } from "../history.ts";

export type VerdictWord = "holds" | "violated" | "unknown";

/** One thing that is wrong, small enough to re-check by hand. */
export interface Violation {
  /** Constant name of the broken rule, for example "real-time" or "watch-gap". */
  readonly rule: string;
  /** A sentence with the values: expected and actual. */
  readonly text: string;
  /** Ids of the calls and watches it speaks of, in history order. */
  readonly calls: readonly number[];
  readonly watches: readonly number[];
}

export interface CheckResult {
  readonly name: string;
  readonly verdict: VerdictWord;
  /** One sentence for people: what was checked, or what was found. */
  readonly detail: string;
  readonly violations: readonly Violation[];
  /** How it was decided, for checks with more than one way. */
  readonly method?: "witness" | "search";
  /** How many operations or events were judged; 0 makes `holds` say little. */
  readonly judged: number;
  /** Of a check that is meant to fail (meant.ts): whether it did, and in how many seeds it must have, once. */
  readonly meant?: { readonly wasSeen: boolean; readonly withinSeeds: number };
}

/** Bounds of a check, in steps, never in time, so that a history gives one verdict everywhere. */
export interface CheckBudget {
  readonly steps: number;
}

export interface Check {
  readonly name: string;
  /** What it promises, one sentence. */
  readonly meaning: string;
  check(history: readonly HistoryEvent[], budget: CheckBudget): CheckResult;
}

/** Worst of several: violated, else unknown, else holds. */
export function worstVerdict(words: readonly VerdictWord[]): VerdictWord {
  return words.includes("violated") ? "violated" : words.includes("unknown") ? "unknown" : "holds";
}
