/*
 * Entries that are committed are never cut off, whoever asks for it: a leader that contradicts them is a broken promise,
 * and the member stops.
 */
import { expect } from "vitest";
import { indexOf, noIndex, noTerm, termOf } from "../../../core/ids.ts";
import { RaftLog } from "../../../core/raft/log.ts";
import { entry } from "../../storage/log-kit.ts";

export function witness(): void {
  const log = new RaftLog({
    baseIndex: noIndex,
    baseTerm: noTerm,
    entries: [entry(1, 1), entry(2, 1), entry(3, 1)],
    commitIndex: indexOf(2),
    appliedIndex: noIndex,
  });
  expect(() => log.merge([entry(2, 2)])).toThrow("a committed entry would be overwritten");
  expect({ commit: log.commitIndex, term: log.termAt(indexOf(2)) }).toEqual({ commit: 2, term: termOf(1) });
  log.merge([entry(3, 2)]);
  expect(log.termAt(indexOf(3))).toBe(2);
}
