/*
 * Linearizability of a whole history. First the witness: where answers carry revisions the order is known but for the
 * unanswered operations. Where they carry none, and to tell lost data from a lying revision, the blind search. "Holds"
 * is said only of an order that verifyOrder has passed. Source: Herlihy and Wing 1990; etcd's KV API guarantees.
 */

import { type BlindResult, searchBlind } from "./blind.ts";
import { type ClaimFault, collectEvidence, type Evidence, isClaimFault } from "./evidence.ts";
import { opText } from "./op-text.ts";
import { type CompactHistory, mayWrite, type Op, type Step } from "./operations.ts";
import { orderByRank } from "./rank-order.ts";
import type { VerdictWord, Violation } from "./verdict.ts";
import { type Order, type OrderFault, verifyOrder } from "./verify-order.ts";
import { type Contradiction, placeOperations } from "./witness.ts";

export interface Decision {
  readonly verdict: VerdictWord;
  readonly method: "witness" | "search";
  readonly detail: string;
  readonly violations: readonly Violation[];
  /** Ordered operations that were answered, or may have taken effect. */
  readonly judged: number;
  /** The verified order; undefined unless the verdict is "holds". */
  readonly order: Order | undefined;
  readonly evidence: Evidence | undefined;
  readonly steps: number;
  /** Serializable reads contradict the order, and whether another one would fit them was not settled. */
  readonly readsUnsettled?: boolean;
}

/** Share of the budget that telling a lying revision from lost data may use. */
const classifyShare = 0.1;

export function decideLinearizable(history: CompactHistory, stepsMax: number): Decision {
  const judged = history.orderedCount;
  const base = { judged, order: undefined, evidence: undefined, violations: [], steps: 0 } as const;
  if (history.malformed !== undefined) {
    return { ...base, verdict: "unknown", method: "witness", detail: `not a history: ${history.malformed}` };
  }
  if (!history.revisioned) return { ...base, ...decideBlind(history, stepsMax) };
  const evidence = collectEvidence(history);
  if (isClaimFault(evidence)) {
    const violation = claimViolation(evidence);
    return { ...base, ...classified(history, violation, stepsMax), method: "witness" };
  }
  if (evidence.unclaimed === 0 && evidence.revokes.length === 0) {
    const order = orderByRank(history, evidence);
    if (verifyOrder(history, order, evidence.seenAt) === undefined) {
      return { ...base, evidence, order, verdict: "holds", method: "witness", detail: holdsText(judged, "revisions") };
    }
  }
  return { ...base, evidence, ...decideByPlacement(history, evidence, stepsMax), method: "witness" };
}

/**
 * Another order, which fits the serializable reads too, for one that does not; the same one when there is none. What was
 * seen may lie, so it is looked for with and without; but where it is the reads, or what else was seen, that is wrong,
 * nothing is unsettled any more.
 */
export function fitReads(history: CompactHistory, first: Decision, stepsMax: number): Decision {
  const { evidence } = first;
  // Of answered writes alone there is one order.
  if (evidence === undefined || (evidence.unclaimed === 0 && evidence.revokes.length === 0)) return first;
  let { steps } = first;
  for (const firmOnly of [false, true]) {
    const placed = placeOperations(history, evidence, { firmOnly, fitsReads: true, stepsMax: stepsMax - steps });
    steps += placed.steps;
    if (placed.type === "exhausted") return { ...first, steps, readsUnsettled: !firmOnly };
    if (placed.type === "order" && verifyOrder(history, placed.order, evidence.seenAt) === undefined)
      return { ...first, steps, order: placed.order };
  }
  return { ...first, steps };
}

type Partly = Pick<Decision, "verdict" | "detail" | "violations" | "steps"> & Partial<Pick<Decision, "order">>;

/** With everything that was seen first; where that contradicts itself, with what must be linearizable alone. */
function decideByPlacement(history: CompactHistory, evidence: Evidence, stepsMax: number): Partly {
  let steps = 0;
  let hints = evidence.scopes.size > 0;
  for (const facts of evidence.facts.values()) if (facts.some((fact) => !fact.firm)) hints = true;
  let contradiction: Contradiction | undefined;
  for (const firmOnly of hints ? [false, true] : [true]) {
    const placed = placeOperations(history, evidence, { firmOnly, fitsReads: false, stepsMax: stepsMax - steps });
    steps += placed.steps;
    if (placed.type === "exhausted") {
      const where = `the write of revision ${placed.revision} could not be settled within ${stepsMax} steps`;
      return {
        verdict: "unknown",
        detail: `${where}; a watch on all keys, or a read of it, would tell`,
        violations: [],
        steps,
      };
    }
    if (placed.type === "contradiction") {
      contradiction ??= placed.contradiction;
      continue;
    }
    const fault = verifyOrder(history, placed.order, evidence.seenAt);
    if (fault === undefined) {
      const judged = placed.order.entries.length;
      return { verdict: "holds", detail: holdsText(judged, "revisions"), violations: [], steps, order: placed.order };
    }
    const detail = `the order found did not pass its verification (${faultText(fault)}): this is a fault of the check`;
    return { verdict: "unknown", detail, violations: [], steps };
  }
  return classified(history, contradictionViolation(history, contradiction as Contradiction), stepsMax);
}

function decideBlind(history: CompactHistory, stepsMax: number): Partly & Pick<Decision, "method"> {
  const result = searchBlind(history, { stepsMax, ignoreReported: false });
  const { steps } = result;
  const base = { steps, violations: [], method: "search" } as const;
  switch (result.type) {
    case "order": {
      const fault = verifyOrder(history, result.order, []);
      if (fault !== undefined) {
        return { ...base, verdict: "unknown", detail: `the order found did not pass: ${faultText(fault)}` };
      }
      const detail = holdsText(result.order.entries.length, "a search over values");
      return { ...base, verdict: "holds", detail, order: result.order };
    }
    case "impossible": {
      const violation = blindViolation(result);
      return { ...base, verdict: "violated", detail: violation.text, violations: [violation] };
    }
    case "exhausted":
      return { ...base, verdict: "unknown", detail: `no order of ${result.where} within ${stepsMax} steps` };
  }
}

/** The violation stands; whether the values alone would pass only helps the reader. */
function classified(history: CompactHistory, violation: Violation, stepsMax: number): Partly {
  const result = searchBlind(history, { stepsMax: Math.ceil(stepsMax * classifyShare), ignoreReported: true });
  const label =
    result.type === "order"
      ? "; the data alone would be linearizable: it is the revision that lies"
      : result.type === "impossible"
        ? "; the data is wrong, revisions aside"
        : "";
  const text = violation.text + label;
  return { verdict: "violated", detail: text, violations: [{ ...violation, text }], steps: result.steps };
}

const holdsText = (count: number, by: string): string => `${count} operations in one legal order, found by ${by}`;

function claimViolation(fault: ClaimFault): Violation {
  const { op, other, revision, limit } = fault;
  const calls = idsOf([other, op]);
  switch (fault.rule) {
    case "claimed-twice":
      return {
        rule: "revision-claimed-twice",
        text: `${opText(other)} and ${opText(op)} both say that they wrote revision ${revision}; a revision is one write`,
        calls,
        watches: [],
      };
    case "revision-beyond-writes":
      return {
        rule: "revision-without-author",
        text: `revision ${revision} was reported, but all writes of the history together reach at most ${limit}`,
        calls,
        watches: [],
      };
    case "revision-before-start":
      return {
        rule: "revision-before-start",
        text: `${opText(op)} reports revision ${revision}; expected at least ${limit}`,
        calls,
        watches: [],
      };
  }
}

function contradictionViolation(history: CompactHistory, found: Contradiction): Violation {
  const { op, other, revision, expected, actual } = found;
  const calls = idsOf([other, op]);
  const tried = found.choices > 0 ? ", however the unanswered writes are placed" : "";
  const violation = (text: string): Violation => ({ rule: found.rule, text: text + tried, calls, watches: [] });
  switch (found.rule) {
    case "real-time":
      return violation(
        `${opText(op)} at revision ${op?.revision ?? revision} had returned before ${opText(other)} was called, which reports the older revision ${other?.revision ?? "(none)"}`,
      );
    case "wrong-answer":
      return violation(`${opText(op)} at revision ${revision}: expected ${expected}, actual ${actual}`);
    case "wrong-revision":
      return violation(`${opText(op)}: expected ${expected}, actual ${actual}`);
    case "seen-too-early":
      return violation(
        `revision ${revision} was seen before ${opText(op)} was called, which it contains or which came before it`,
      );
    case "revision-without-author":
      if (op === undefined || other === undefined) return violation(authorless(history, revision));
      return violation(
        `revision ${revision} can only be the write of ${opText(op)}, but ${opText(other)} shows its key unchanged behind it`,
      );
  }
}

function authorless(history: CompactHistory, revision: number): string {
  const evidence = collectEvidence(history);
  const facts = isClaimFault(evidence) ? [] : (evidence.facts.get(revision) ?? []);
  const fact = facts[0];
  if (fact === undefined) return `revision ${revision} exists, but no operation can have written it`;
  const key = fact.kv?.key ?? history.keys[fact.key] ?? "?";
  const what = fact.kv === undefined ? `deleted ${JSON.stringify(key)}` : `put ${JSON.stringify(fact.kv.value)}`;
  const refused = history.ops.find(
    (op) => op.outcome === "failed" && mayWrite(op.step) && fact.kv !== undefined && puts(op.step, fact.kv.value),
  );
  const hint =
    refused === undefined
      ? "no operation without an answer can have done that"
      : `only ${opText(refused)} would have, and it was refused`;
  return `revision ${revision} ${what} at ${JSON.stringify(key)} (seen by ${fact.source}), but ${hint}`;
}

const puts = (step: Step, value: string): boolean =>
  (step.kind === "put" && step.value === value) ||
  [...(step.txn?.success ?? []), ...(step.txn?.failure ?? [])].some((inner) => puts(inner, value));

function blindViolation(result: BlindResult & { readonly type: "impossible" }): Violation {
  const op = result.stuck;
  return {
    rule: "no-order",
    text: `no order of ${result.where} explains the answers; every order fails at ${opText(op)} or earlier`,
    calls: idsOf([op]),
    watches: [],
  };
}

const faultText = (fault: OrderFault): string => `${fault.rule}: ${opText(fault.op)} at revision ${fault.revision}`;

const idsOf = (ops: readonly (Op | undefined)[]): number[] => ops.filter((op) => op !== undefined).map((op) => op.id);
