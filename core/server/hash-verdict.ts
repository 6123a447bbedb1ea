/*
 * Who is wrong when members that should hold the same do not. Each sample is a list of facts; a fact has a name, and all
 * members that state it must state the same. A strict majority of all members decides who is wrong; where all of them
 * have spoken and none has a majority, somebody is, and nobody knows who.
 */
import { compareIds, type LogIndex, type MemberId, memberIdOf } from "../ids.ts";
import type { CompactionHash } from "../mvcc/hash.ts";

/** What one member says of itself. */
export interface HashSample {
  readonly memberId: MemberId;
  readonly appliedIndex: LogIndex;
  readonly currentRevision: number;
  /** −1 when never compacted. */
  readonly compactRevision: number;
  /** Of the revision asked for; undefined where that is compacted, or never was. */
  readonly hash: number | undefined;
  readonly compactions: readonly CompactionHash[];
}

/** Stands for somebody, nobody knows who; also the member of the alarm that is raised then. */
export const somebody: MemberId = memberIdOf(0n);

/**
 * @param revision whose hash was asked for; 0: none
 * @param memberCount of the whole cluster, silent ones included
 * @returns in id order; empty when all agree, or when more have to speak first
 */
export function wrongMembers(
  samples: readonly HashSample[],
  { revision, memberCount }: { readonly revision: number; readonly memberCount: number },
): readonly MemberId[] {
  const facts = new Map<string, Map<string, MemberId[]>>();
  for (const sample of samples) {
    for (const [name, stated] of factsOf(sample, revision)) {
      const byStatement = facts.get(name) ?? new Map<string, MemberId[]>();
      facts.set(name, byStatement);
      byStatement.set(stated, [...(byStatement.get(stated) ?? []), sample.memberId]);
    }
  }
  const wrong = new Set<MemberId>();
  for (const byStatement of facts.values()) {
    if (byStatement.size > 1) for (const memberId of wrongAbout(byStatement, memberCount)) wrong.add(memberId);
  }
  // Where it is known who is wrong, that explains the rest.
  if (wrong.size > 1) wrong.delete(somebody);
  return [...wrong].sort(compareIds);
}

function* wrongAbout(byStatement: ReadonlyMap<string, readonly MemberId[]>, memberCount: number): Generator<MemberId> {
  const groups = [...byStatement.values()];
  const right = groups.find((group) => 2 * group.length > memberCount);
  if (right !== undefined) {
    for (const group of groups) if (group !== right) yield* group;
  } else if (groups.reduce((sum, group) => sum + group.length, 0) === memberCount) yield somebody;
}

function* factsOf(sample: HashSample, revision: number): Generator<readonly [string, string]> {
  const { appliedIndex, currentRevision, compactRevision, hash, compactions } = sample;
  yield [`revisions after entry ${appliedIndex}`, `${currentRevision}, compacted to ${compactRevision}`];
  if (hash !== undefined) yield [`revision ${revision} compacted to ${compactRevision}`, String(hash)];
  // It has applied what made that revision, and yet there is none.
  else if (revision > currentRevision) yield [`revision ${revision} compacted to ${compactRevision}`, "absent"];
  for (const compaction of compactions) yield [`compaction to ${compaction.revision}`, String(compaction.hash)];
}
