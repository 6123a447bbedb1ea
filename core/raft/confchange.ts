/*
 * Reading a configuration: who is in it, who votes, and what a well-formed one looks like. How one configuration
 * follows another is not here. Source: Raft thesis §4.2.1 (learners), §4.3 (joint consensus).
 */
import { assert } from "../assert.ts";
import { compareIds, type MemberId } from "../ids.ts";
import type { Configuration } from "./message.ts";

/** Everyone named in any part, each once, in id order. */
export function membersOf(configuration: Configuration): readonly MemberId[] {
  return mergeIds([configuration.voters, configuration.outgoing, configuration.learners]);
}

/** Everyone whose vote counts in either half, each once, in id order. */
export function votersOf(configuration: Configuration): readonly MemberId[] {
  return mergeIds([configuration.voters, configuration.outgoing]);
}

export function isSameConfiguration(one: Configuration, other: Configuration): boolean {
  const isSame = (a: readonly MemberId[], b: readonly MemberId[]): boolean =>
    a.length === b.length && a.every((id, position) => id === b[position]);
  return (
    isSame(one.voters, other.voters) && isSame(one.outgoing, other.outgoing) && isSame(one.learners, other.learners)
  );
}

/** Throws unless every list ascends without repeats and no learner votes in the incoming half. */
export function assertConfiguration(configuration: Configuration): void {
  assertAscending(configuration.voters);
  assertAscending(configuration.outgoing);
  assertAscending(configuration.learners);
  for (const learner of configuration.learners) {
    assert(!configuration.voters.includes(learner), "a learner is also a voter", learner);
  }
}

function assertAscending(ids: readonly MemberId[]): void {
  for (let position = 1; position < ids.length; position++) {
    const id = ids[position] as MemberId;
    assert((ids[position - 1] as MemberId) < id, "ids of a configuration do not ascend", id);
  }
}

function mergeIds(lists: readonly (readonly MemberId[])[]): readonly MemberId[] {
  const merged = lists.flat().sort(compareIds);
  return merged.filter((id, position) => position === 0 || id !== merged[position - 1]);
}
