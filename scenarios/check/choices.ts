/*
 * Choices of the witness, and which of them to think over when the order that follows from them fails: the latest that
 * can have to do with the failure. What happens in one group of keys says nothing about another (key-groups.ts), so a
 * failure in one passes over the choices of the others. Not here: what the candidates are, and whether they fit.
 * Source: backjumping by conflicts, as in Prosser, Hybrid Algorithms for the Constraint Satisfaction Problem (1993).
 */
import { KeyGroups } from "./key-groups.ts";
import { type CompactHistory, compareText, type Op } from "./operations.ts";
import type { StoreMark } from "./replay-store.ts";

/** Whom a failure concerns: nobody (it fits), every choice made so far, or one group of keys. */
export const nobody = -1;
export const all = -2;
export const nothing = KeyGroups.none;
/** Groups are ≥ KeyGroups.none; 0 is free for "not known yet". */
const groupOffset = 4;

/** What can stand at a revision without author. */
export type Candidate =
  | { readonly type: "op"; readonly op: Op; readonly priority: number; readonly due: number }
  | { readonly type: "expiry"; readonly lease: string; readonly priority: number; readonly due: number };

/** The most promising first. */
export function candidateOrder(a: Candidate, b: Candidate): number {
  if (a.priority !== b.priority) return a.priority - b.priority;
  if (a.due !== b.due) return a.due - b.due;
  if (a.type !== b.type) return a.type === "op" ? -1 : 1;
  if (a.type === "op" && b.type === "op") return a.op.index - b.op.index;
  return a.type === "expiry" && b.type === "expiry" ? compareText(a.lease, b.lease) : 0;
}

export interface Choice {
  readonly revision: number;
  /** The one before `next` stands there now. */
  readonly candidates: Candidate[];
  next: number;
  /** Groups of keys whose failures led back here. */
  readonly reasons: Set<number>;
  /** A candidate was wrong here, not only another one needed. */
  harmful: boolean;
  readonly mark: StoreMark;
  readonly length: number;
  readonly expiries: number;
  readonly latest: Op | undefined;
}

export class Choices {
  readonly #history: CompactHistory;
  readonly #standing: Choice[] = [];
  #knownGroups: KeyGroups | undefined;
  readonly #groupOfOp: Int32Array;
  /** Choices there ever were between several candidates. */
  made = 0;

  constructor(history: CompactHistory) {
    this.#history = history;
    this.#groupOfOp = new Int32Array(history.ops.length);
  }

  /** The first candidate stands there from now on. */
  push(choice: Omit<Choice, "next" | "reasons" | "harmful">): void {
    if (choice.candidates.length > 1) this.made++;
    this.#standing.push({ ...choice, next: 1, reasons: new Set(), harmful: false });
  }

  /**
   * The latest choice that can matter to a failure, for the caller to set back to; undefined when none is left. A failure
   * of a group of keys stays whatever stands at revisions none of whose candidates touches the group: those are passed
   * over. Where one does, only candidates that touch the group can help, unless the one that stands there did the harm:
   * then any other might, also one that is used elsewhere now, and nothing can be passed over any more.
   */
  backTo(blame: number): Choice | undefined {
    let everything = blame === all;
    let reasons = new Set([blame]);
    for (;;) {
      const choice = this.#standing.at(-1);
      if (choice === undefined) return undefined;
      if (everything) choice.harmful = true;
      else if (choice.candidates.some((candidate) => this.#touches(candidate, reasons))) {
        for (const reason of reasons) choice.reasons.add(reason);
        if (this.#touches(choice.candidates[choice.next - 1] as Candidate, reasons)) choice.harmful = true;
        else {
          const helpful = choice.candidates.splice(choice.next).filter((other) => this.#touches(other, reasons));
          choice.candidates.push(...helpful);
        }
      } else {
        this.#standing.pop();
        continue;
      }
      if (choice.next < choice.candidates.length) return choice;
      everything = choice.harmful;
      reasons = choice.reasons;
      this.#standing.pop();
    }
  }

  /** The group of keys that the operation touches. */
  groupOf(op: Op): number {
    const known = this.#groupOfOp[op.index] as number;
    if (known !== 0) return known - groupOffset;
    const group = this.#groups.ofStep(op.step);
    this.#groupOfOp[op.index] = group + groupOffset;
    return group;
  }

  #touches(candidate: Candidate, groups: ReadonlySet<number>): boolean {
    if (candidate.type === "expiry") return groups.has(this.#groups.ofLease(candidate.lease));
    return groups.has(this.groupOf(candidate.op));
  }

  get #groups(): KeyGroups {
    this.#knownGroups ??= new KeyGroups(this.#history);
    return this.#knownGroups;
  }
}
