/*
 * Leader completeness as the Raft thesis has it (§3.6.3): who leads a term holds what was committed in earlier terms,
 * and need not hold what was committed in later ones, be the entries ever so old.
 */
import { expect, test } from "vitest";
import { type Entry, indexOf, type RaftView, termOf } from "../../core/index.ts";
import { Invariants, type Watched } from "../../sim/invariants.ts";

/** @param terms of its entries, from the first on */
function memberOf(options: {
  readonly term: number;
  readonly role: "leader" | "follower";
  readonly terms: readonly number[];
  readonly commitIndex: number;
}): Watched {
  const entryAt = (index: number): Entry | undefined => {
    const term = options.terms[index - 1];
    return term === undefined
      ? undefined
      : { index: indexOf(index), term: termOf(term), kind: "empty", data: new Uint8Array(0) };
  };
  const raft: Partial<RaftView> = {
    term: termOf(options.term),
    role: options.role,
    votedFor: undefined,
    commitIndex: indexOf(options.commitIndex),
    firstIndex: indexOf(1),
    lastIndex: indexOf(options.terms.length),
    termAt: (index) => entryAt(index)?.term,
    entryAt,
  };
  return {
    raft: raft as RaftView,
    appliedIndex: 0,
    currentRevision: 1,
    compactRevision: 0,
    hashKv: () => ({ ok: false }),
    authHash: () => 0,
    runningHash: () => ({ hash: 0, compactRevision: 0, hashRevision: 0 }),
  };
}

function brokenBy(lateLeader: { readonly term: number; readonly terms: readonly number[] }): string | undefined {
  const invariants = new Invariants(["a", "b"]);
  // Entry 2 is of term 4, and is committed in term 6.
  invariants.afterStep(0, memberOf({ term: 6, role: "leader", terms: [1, 4, 6], commitIndex: 3 }));
  invariants.afterStep(1, memberOf({ ...lateLeader, role: "leader", commitIndex: 1 }));
  return invariants.broken?.rule;
}

test("votes of term 5 that are counted late make a leader that lacks what was committed in term 6", () => {
  expect(brokenBy({ term: 5, terms: [1, 5] })).toBeUndefined();
});

test("a leader of term 7 that lacks it is incomplete", () => {
  expect(brokenBy({ term: 7, terms: [1, 5, 7] })).toBe("leader-incomplete");
});

test("so is one of term 5 that lacks what was committed in term 4", () => {
  const invariants = new Invariants(["a", "b"]);
  invariants.afterStep(0, memberOf({ term: 4, role: "leader", terms: [1, 4], commitIndex: 2 }));
  invariants.afterStep(1, memberOf({ term: 5, role: "leader", terms: [1, 3, 5], commitIndex: 1 }));
  expect(invariants.broken?.rule).toBe("leader-incomplete");
});
