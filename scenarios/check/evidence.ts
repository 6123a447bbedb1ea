/*
 * What answers and watches tell about the writes behind them: who claims which revision, when each revision was seen
 * first, and what is known to have happened at revisions that nobody claims. All of it is advice for the placement; only
 * the verified order counts.
 */
import type { HistoryKeyValue, OperationAnswer } from "../history.ts";
import { type CompactHistory, fates, keyInterval, never, type Op, type Step, type Watch } from "./operations.ts";

/** Something known about a revision without author: that key got that value there (undefined: was deleted). */
export interface Fact {
  readonly key: number;
  readonly kv: HistoryKeyValue | undefined;
  /** It comes from an answer that has to be linearizable itself, not from a watch or a stale read. */
  readonly firm: boolean;
  /** Id of the call or watch that showed it. */
  readonly source: string;
}

/** What a watch makes of a revision without author: of its keys exactly these changed. A watch may lie; a hint. */
export interface Scope {
  readonly low: number;
  readonly high: number;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly keys: readonly number[];
}

export interface Evidence {
  /** Largest revision that anybody saw. */
  readonly maxRevision: number;
  /** Position of the operation that claims to have written that revision, or −1. */
  readonly author: Int32Array;
  /** Answered revokes: whether they wrote depends on the state. */
  readonly revokes: readonly Op[];
  /** See verifyOrder. */
  readonly seenAt: Int32Array;
  /** deadline[m]: earliest return of anything that stands behind write m. */
  readonly deadline: Int32Array;
  readonly facts: ReadonlyMap<number, readonly Fact[]>;
  readonly scopes: ReadonlyMap<number, readonly Scope[]>;
  readonly unclaimed: number;
}
export interface ClaimFault {
  readonly rule: "claimed-twice" | "revision-beyond-writes" | "revision-before-start";
  readonly op: Op | undefined;
  readonly other: Op | undefined;
  readonly revision: number;
  readonly limit: number;
}

export function collectEvidence(history: CompactHistory): Evidence | ClaimFault {
  const { ops, startRevision } = history;
  const { fate, ret, revision: revisions } = history.columns;
  let maxRevision = startRevision;
  let top: Op | undefined;
  for (let index = 0; index < revisions.length; index++) {
    const revision = revisions[index] as number;
    if (revision <= maxRevision) continue;
    maxRevision = revision;
    top = ops[index];
  }
  for (const watch of history.watches) {
    for (const { reply } of watch.replies) if (reply.revision > maxRevision) maxRevision = reply.revision;
  }
  const limit = startRevision + history.writesMax;
  if (maxRevision > limit) {
    return { rule: "revision-beyond-writes", op: top, other: undefined, revision: maxRevision, limit };
  }
  const author = new Int32Array(maxRevision + 2).fill(-1);
  const seenAt = new Int32Array(maxRevision + 2).fill(never);
  const deadline = new Int32Array(maxRevision + 2).fill(never);
  const revokes: Op[] = [];
  let claimed = startRevision;
  for (let index = 0; index < fate.length; index++) {
    const kind = fate[index] as number;
    if (kind < fates.kept) continue;
    const revision = revisions[index] as number;
    const returned = ret[index] as number;
    if (kind === fates.aside) {
      // A header proves that the revision existed when the answer came.
      if (revision > startRevision && returned < (seenAt[revision] as number)) seenAt[revision] = returned;
      continue;
    }
    if (revision < startRevision) return claimFault("revision-before-start", ops[index], undefined, startRevision);
    if (kind === fates.revoked) revokes.push(ops[index] as Op);
    else if (kind === fates.wrote) {
      const other = author[revision] as number;
      if (other >= 0) return claimFault("claimed-twice", ops[index], ops[other], startRevision);
      if (revision === startRevision) {
        return claimFault("revision-before-start", ops[index], undefined, startRevision + 1);
      }
      author[revision] = index;
      claimed++;
    }
    // Rank 2R+1 stands behind write R, rank 2R behind write R−1.
    const behind = kind === fates.kept ? revision : revision - 1;
    if (behind > 0 && returned < (deadline[behind] as number)) deadline[behind] = returned;
  }
  for (const watch of history.watches) {
    for (const { at, reply } of watch.replies) {
      if (reply.revision > 0 && at < (seenAt[reply.revision] as number)) seenAt[reply.revision] = at;
      for (const event of reply.events) {
        const revision = event.kv.modRevision;
        if (revision <= maxRevision && revision > 0 && at < (seenAt[revision] as number)) seenAt[revision] = at;
      }
    }
  }
  let earliest = never;
  for (let revision = maxRevision; revision >= 0; revision--) {
    earliest = Math.min(earliest, deadline[revision] as number, seenAt[revision] as number);
    deadline[revision] = earliest;
  }
  const unclaimed = maxRevision - claimed;
  const facts = unclaimed > 0 ? collectFacts(history, author, maxRevision) : new Map<number, Fact[]>();
  const scopes = unclaimed > 0 ? collectScopes(history, author, maxRevision) : new Map<number, Scope[]>();
  return {
    maxRevision,
    author,
    revokes,
    seenAt,
    deadline,
    facts,
    scopes,
    unclaimed,
  };
}

const claimFault = (
  rule: ClaimFault["rule"],
  op: Op | undefined,
  other: Op | undefined,
  limit: number,
): ClaimFault => ({
  rule,
  op,
  other,
  revision: op?.revision ?? 0,
  limit,
});

export const isClaimFault = (value: Evidence | ClaimFault): value is ClaimFault => "rule" in value;

function collectFacts(history: CompactHistory, author: Int32Array, maxRevision: number): Map<number, Fact[]> {
  const { startRevision } = history;
  const facts = new Map<number, Fact[]>();
  const add = (revision: number, key: string, fact: Omit<Fact, "key">): void => {
    if (revision <= startRevision || revision > maxRevision || author[revision] !== -1) return;
    const number = history.keyNumbers.get(key);
    const list = facts.get(revision);
    const full = { key: number ?? -1, ...fact };
    if (list === undefined) facts.set(revision, [full]);
    else if (!list.some((other) => other.key === full.key && other.firm === full.firm)) list.push(full);
  };
  const learn = (kv: HistoryKeyValue | undefined, firm: boolean, seen: Op | Watch): void => {
    if (kv === undefined || author[kv.modRevision] !== -1) return;
    add(kv.modRevision, kv.key, { kv, firm, source: sourceText(seen) });
  };
  const learnAnswer = (answer: OperationAnswer, step: Step, firm: boolean, source: Op): void => {
    switch (answer.op) {
      case "range":
        if (step.source.op === "range" && step.source.keysOnly === true) return;
        for (const kv of answer.kvs) learn(kv, firm, source);
        return;
      case "put":
        learn(answer.prevKv, firm, source);
        return;
      case "deleteRange":
        for (const kv of answer.prevKvs ?? []) learn(kv, firm, source);
        return;
      case "txn": {
        const branch = answer.succeeded ? step.txn?.success : step.txn?.failure;
        answer.responses.forEach((response, position) => {
          const inner = branch?.[position];
          if (inner !== undefined) learnAnswer(response, inner, firm, source);
        });
        return;
      }
      default:
        return;
    }
  };
  for (const op of history.ops) {
    if (op.answer !== undefined) learnAnswer(op.answer, op.step, op.role === "ordered", op);
  }
  for (const watch of history.watches) {
    for (const { reply } of watch.replies) {
      for (const event of reply.events) {
        const { modRevision, key } = event.kv;
        if (event.type === "put") learn(event.kv, false, watch);
        else if (author[modRevision] === -1) {
          add(modRevision, key, { kv: undefined, firm: false, source: sourceText(watch) });
        }
        learn(event.prevKv, false, watch);
      }
    }
  }
  return facts;
}

const sourceText = (seen: Op | Watch): string => ("open" in seen ? `watch ${seen.open.watch}` : `call ${seen.id}`);

/** A watch that brought something later, or a progress notice, says what it did not bring, too. */
function collectScopes(history: CompactHistory, author: Int32Array, maxRevision: number): Map<number, Scope[]> {
  const scopes = new Map<number, Scope[]>();
  const unclaimed: number[] = [];
  for (let revision = history.startRevision + 1; revision <= maxRevision; revision++) {
    if (author[revision] === -1) unclaimed.push(revision);
  }
  for (const watch of history.watches) {
    const { open } = watch;
    const { low, high } = keyInterval(history.keys, open.key, open.rangeEnd);
    const brought = new Map<number, number[]>();
    let start = open.startRevision ?? 0;
    let covered = 0;
    for (const { reply } of watch.replies) {
      if (reply.created && start <= 0) start = reply.revision + 1;
      if (reply.progress) covered = Math.max(covered, reply.revision);
      for (const event of reply.events) {
        const revision = event.kv.modRevision;
        covered = Math.max(covered, revision);
        if (author[revision] !== -1) continue;
        const keys = brought.get(revision) ?? [];
        keys.push(history.keyNumbers.get(event.kv.key) ?? -1);
        brought.set(revision, keys);
      }
    }
    if (start <= 0) continue;
    for (let at = firstAtLeast(unclaimed, start); at < unclaimed.length; at++) {
      const revision = unclaimed[at] as number;
      if (revision > covered) break;
      const list = scopes.get(revision) ?? [];
      const { noPut, noDelete } = open;
      const known = list.some(
        (other) => other.low === low && other.high === high && other.noPut === noPut && other.noDelete === noDelete,
      );
      if (!known) list.push({ low, high, noPut, noDelete, keys: brought.get(revision) ?? [] });
      scopes.set(revision, list);
    }
  }
  return scopes;
}

function firstAtLeast(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
