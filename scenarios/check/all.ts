/*
 * Every check by name. Checks made by one call share what they work out of the same history, so that judging a run by
 * all of them decides linearizability once.
 */
import type { HistoryEvent } from "../history.ts";
import { CheckContext, type CheckOptions, defaultCheckOptions } from "./context.ts";
import { checkCorruption } from "./corruption.ts";
import { checkDurable } from "./durable.ts";
import { checkLeases } from "./leases.ts";
import { checkLocks } from "./locks.ts";
import { checkProgress } from "./progress.ts";
import { checkReplicas } from "./replicas.ts";
import { checkRetention } from "./retention.ts";
import { checkRights } from "./rights.ts";
import { checkSerializable } from "./serializable.ts";
import type { Check, CheckBudget, CheckResult } from "./verdict.ts";
import { checkWatches } from "./watch.ts";

export type { CheckOptions } from "./context.ts";

interface Judge {
  readonly name: string;
  readonly meaning: string;
  readonly judge: (context: CheckContext) => CheckResult;
}

function checkLinearizable(context: CheckContext): CheckResult {
  const { verdict, detail, violations, method, judged } = context.decision;
  return { name: "linearizable", verdict, detail, violations, method, judged };
}

const judges: readonly Judge[] = [
  {
    name: "linearizable",
    meaning: "Every answer fits one order of all operations that respects time, revisions included.",
    judge: checkLinearizable,
  },
  {
    name: "watch",
    meaning: "Watches bring every matching change once, in order, whole revisions at a time, and nothing else.",
    judge: checkWatches,
  },
  {
    name: "leases",
    meaning: "No lease ends before its time to live, lives on past its bound, or is renewed after its end.",
    judge: checkLeases,
  },
  {
    name: "serializable",
    meaning: "A serializable read shows the state at the revision it reports, never one from the future.",
    judge: checkSerializable,
  },
  {
    name: "replicas",
    meaning: "Members at the same revision have the same hash, and all end at the same revision.",
    judge: checkReplicas,
  },
  {
    name: "durable",
    meaning: "Every acknowledged write is in the final reads, or something later took its place.",
    judge: checkDurable,
  },
  {
    name: "progress",
    meaning: "After healing some write is acknowledged within the bound.",
    judge: checkProgress,
  },
  {
    name: "locks",
    meaning: "No two clients are told that they hold one lock: fencing revisions never fall.",
    judge: checkLocks,
  },
  {
    name: "rights",
    meaning: "Calls are accepted and refused as their users' rights say; no token outlives its password.",
    judge: checkRights,
  },
  {
    name: "retention",
    meaning: "Automatic compaction leaves readable what its retention protects.",
    judge: checkRetention,
  },
  {
    name: "corruption",
    meaning: "Members whose data was changed under them get the alarm, no others do, and then no write is accepted.",
    judge: checkCorruption,
  },
];

export const checkNames: readonly string[] = judges.map((judge) => judge.name);

/** All checks, in a fixed order, sharing their work. */
export function allChecks(options: CheckOptions = {}): readonly Check[] {
  return checksByNames(checkNames, options) ?? [];
}

/** @returns undefined when there is no check of that name */
export function checkByName(name: string, options: CheckOptions = {}): Check | undefined {
  return checksByNames([name], options)?.[0];
}

/** Checks that share their work; undefined when a name is unknown. */
export function checksByNames(names: readonly string[], options: CheckOptions = {}): readonly Check[] | undefined {
  const complete = { ...defaultCheckOptions, ...options };
  let shared: CheckContext | undefined;
  let length = -1;
  const contextOf = (history: readonly HistoryEvent[], budget: CheckBudget): CheckContext => {
    const fits = shared?.events === history && length === history.length && shared.budget.steps === budget.steps;
    if (shared === undefined || !fits) {
      shared = new CheckContext(history, complete, budget);
      length = history.length;
    }
    return shared;
  };
  const checks: Check[] = [];
  for (const name of names) {
    const judge = judges.find((other) => other.name === name);
    if (judge === undefined) return undefined;
    checks.push({
      name,
      meaning: judge.meaning,
      check: (history, budget) => judge.judge(contextOf(history, budget)),
    });
  }
  return checks;
}
