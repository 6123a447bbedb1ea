/*
 * fast-check arbitraries for what many rooms share: ids, bytes, log entries, configurations.
 */
import fc from "fast-check";
import { compareIds, indexOf, type MemberId, memberIdOf, type Term, termOf } from "../../core/ids.ts";
import type { Configuration, Entry, EntryKind } from "../../core/raft/message.ts";

/** Any 64-bit id, small ones often. */
const arbitraryMemberId: fc.Arbitrary<MemberId> = fc
  .oneof(fc.bigInt({ min: 1n, max: 9n }), fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }))
  .map(memberIdOf);

/** Bytes with many repetitions and borders, so that orders and prefixes are met. */
const arbitraryBytes = (lengthMax = 12): fc.Arbitrary<Uint8Array> =>
  fc
    .array(fc.oneof(fc.constantFrom(0, 1, 0x61, 0x62, 0xfe, 0xff), fc.integer({ min: 0, max: 255 })), {
      maxLength: lengthMax,
    })
    .map((bytes) => Uint8Array.from(bytes));

/** Up to `max` different ids in ascending order. */
const arbitraryIds = (max: number, id: fc.Arbitrary<MemberId> = arbitraryMemberId) =>
  fc.uniqueArray(id, { maxLength: max }).map((ids): readonly MemberId[] => [...ids].sort(compareIds));

/** A well-formed configuration with at least one voter, joint in every second case. */
export const arbitraryConfiguration = (id: fc.Arbitrary<MemberId> = arbitraryMemberId): fc.Arbitrary<Configuration> =>
  fc
    .record({
      voters: arbitraryIds(7, id).filter((ids) => ids.length > 0),
      outgoing: fc.oneof(fc.constant<readonly MemberId[]>([]), arbitraryIds(7, id)),
      learners: arbitraryIds(4, id),
    })
    .map(({ voters, outgoing, learners }) => ({
      voters,
      outgoing,
      learners: learners.filter((learner) => !voters.includes(learner) && !outgoing.includes(learner)),
    }));

/** Consecutive entries from `firstIndex`, terms never falling. */
export const arbitraryEntries = (options: {
  readonly firstIndex: number;
  readonly lengthMax: number;
  readonly leastTerm?: number;
}): fc.Arbitrary<readonly Entry[]> =>
  fc
    .array(
      fc.record({
        termStep: fc.constantFrom(0, 0, 0, 1, 2),
        kind: fc.constantFrom<EntryKind>("command", "command", "empty", "configuration"),
        data: arbitraryBytes(),
      }),
      { maxLength: options.lengthMax },
    )
    .map((steps) => {
      let term: Term = termOf(options.leastTerm ?? 1);
      return steps.map(({ termStep, kind, data }, position): Entry => {
        term = termOf(term + termStep);
        return { index: indexOf(options.firstIndex + position), term, kind, data };
      });
    });
