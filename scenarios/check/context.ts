/*
 * What all checks of one history share: the compact form, the linearizability decision and the log of revisions, each
 * made at most once.
 */
import type { HistoryEvent } from "../history.ts";
import { type Decision, decideLinearizable, fitReads } from "./linearizable.ts";
import { type CompactHistory, compileHistory } from "./operations.ts";
import { buildLog, type RevisionLog } from "./revision-log.ts";
import { isWrongState, judgeReads, staleReadsOf } from "./stale-reads.ts";
import type { CheckBudget, CheckResult, Violation } from "./verdict.ts";

/** Parameters of the checks; every one has a default that suits the default member configuration. */
export interface CheckOptions {
  /** Election timeout of the members. Default 1,000. */
  readonly electionTimeoutMs?: number;
  /** Some write must be acknowledged within this once the liveness phase has begun. Default 20,000. */
  readonly progressBoundMs?: number;
  /**
   * How much earlier than its time to live a lease may seem to end: clock drift and the resolution of timestamps.
   * Default 0. After a clock jump, or a drift without a slack here, early ends are not judged.
   */
  readonly leaseEarlySlackMs?: number;
  /** How much later than allowed (TTL + election timeout after the last renewal, leader or fault). Default 3,000. */
  readonly leaseLateSlackMs?: number;
  /** Longest time between two checkpoints of a lease; 0: none are made, and new leaders start leases anew. Default 0. */
  readonly leaseCheckpointMs?: number;
  /** An open watch must have brought what was acknowledged so long before the end of the final phase. Default 3,000. */
  readonly watchDelayMs?: number;
  /** Keys under this prefix are locks: "prefix/name/holder". Default "lock/". */
  readonly lockPrefix?: string;
}
export const defaultCheckOptions: Required<CheckOptions> = {
  electionTimeoutMs: 1_000,
  progressBoundMs: 20_000,
  leaseEarlySlackMs: 0,
  leaseLateSlackMs: 3_000,
  leaseCheckpointMs: 0,
  watchDelayMs: 3_000,
  lockPrefix: "lock/",
};

export interface Compaction {
  readonly revision: number;
  /** Position of the event that asked for it. */
  readonly at: number;
}

function compactionsOf(events: readonly HistoryEvent[], history: CompactHistory): Compaction[] {
  const found: Compaction[] = [];
  for (const op of history.ops) {
    if (op.step.kind === "compact" && op.outcome !== "failed") found.push({ revision: op.step.revision, at: op.call });
  }
  for (const [at, event] of events.entries()) {
    if (event.type === "autoCompaction") found.push({ revision: event.revision, at });
  }
  return found;
}

export class CheckContext {
  readonly events: readonly HistoryEvent[];
  readonly options: Required<CheckOptions>;
  readonly budget: CheckBudget;
  #history: CompactHistory | undefined;
  #decision: Decision | undefined;
  #log: RevisionLog | undefined;
  #compactions: readonly Compaction[] | undefined;

  constructor(events: readonly HistoryEvent[], options: Required<CheckOptions>, budget: CheckBudget) {
    this.events = events;
    this.options = options;
    this.budget = budget;
  }

  get history(): CompactHistory {
    this.#history ??= compileHistory(this.events);
    return this.#history;
  }

  get decision(): Decision {
    this.#decision ??= this.#decide();
    return this.#decision;
  }

  /** Where several orders are legal, and one fits what serializable reads showed too, it is that one. */
  #decide(): Decision {
    const { history, budget } = this;
    const first = decideLinearizable(history, budget.steps);
    const reads = staleReadsOf(history);
    if (first.order === undefined || first.evidence === undefined || reads.length === 0) return first;
    const log = buildLog(history, first);
    const decision = judgeReads(reads, log).some(isWrongState) ? fitReads(history, first, budget.steps) : first;
    if (decision.order === first.order) this.#log = log;
    return decision;
  }

  /** Every compaction that may have happened: by clients whose call did not fail, and by members on their own. */
  get compactions(): readonly Compaction[] {
    this.#compactions ??= compactionsOf(this.events, this.history);
    return this.#compactions;
  }

  get log(): RevisionLog {
    const { decision } = this;
    // The decision may have needed it.
    this.#log ??= buildLog(this.history, decision);
    return this.#log;
  }
}

export const violationsMax = 10;

/** Holds, or violated with the first few violations. */
export function resultOf(
  name: string,
  violations: readonly Violation[],
  judged: number,
  holdsDetail: string,
): CheckResult {
  const first = violations[0];
  if (first === undefined) return { name, verdict: "holds", detail: holdsDetail, violations: [], judged };
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  return {
    name,
    verdict: "violated",
    detail: first.text + more,
    violations: violations.slice(0, violationsMax),
    judged,
  };
}
