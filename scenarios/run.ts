/*
 * What a world hands back after a run, and what reports read.
 */
import type { CheckResult, VerdictWord } from "./check/verdict.ts";
import type { HistoryEvent } from "./history.ts";
import type { Plan } from "./plan.ts";

export interface RunResult {
  readonly scenario: string;
  readonly seed: number;
  readonly world: "sim" | "real";
  readonly target: string;
  /** Absent: links of a drill went through a proxy. */
  readonly network?: "netns";
  readonly plan: Plan;
  readonly history: readonly HistoryEvent[];
  readonly checks: readonly CheckResult[];
  readonly verdict: VerdictWord;
  /** 64-bit hash over every event of a simulated run, 16 hex digits. */
  readonly digest?: string;
  readonly events?: number;
  readonly simulatedMs?: number;
  readonly wallMs: number;
  /** Calls made by clients. */
  readonly operations: number;
  /** Longest time without an acknowledged write, drills only. */
  readonly unavailableMs?: number;
}

/** verdict.json of a run directory. */
export type RunSummary = Omit<RunResult, "plan" | "history"> & { readonly tool: string };
