import { expect, test } from "vitest";
import { indexOf, memberIdOf } from "../../core/ids.ts";
import { type HashSample, somebody, wrongMembers } from "../../core/server/hash-verdict.ts";

const id = (value: number) => memberIdOf(BigInt(value));
const sample = (member: number, hash: number | undefined, more: Partial<HashSample> = {}): HashSample => ({
  memberId: id(member),
  appliedIndex: indexOf(50),
  currentRevision: 20,
  compactRevision: -1,
  hash,
  compactions: [],
  ...more,
});
const wrong = (samples: readonly HashSample[], memberCount = 3, revision = 20) =>
  wrongMembers(samples, { revision, memberCount });

test("members that agree are all right", () => {
  expect(wrong([sample(1, 7), sample(2, 7), sample(3, 7)])).toEqual([]);
});

test("whoever differs from a majority of all members is wrong, also the one that asked", () => {
  expect(wrong([sample(1, 7), sample(2, 8), sample(3, 7)])).toEqual([id(2)]);
  expect(wrong([sample(1, 8), sample(2, 7), sample(3, 7)])).toEqual([id(1)]);
  expect(wrong([sample(1, 7), sample(2, 7), sample(3, 7), sample(4, 8), sample(5, 9)], 5)).toEqual([id(4), id(5)]);
});

test("without a majority nobody is wrong before all have spoken, and then somebody is", () => {
  expect(wrong([sample(1, 7), sample(2, 8)])).toEqual([]);
  expect(wrong([sample(1, 7), sample(2, 8)], 2)).toEqual([somebody]);
  expect(wrong([sample(1, 7), sample(2, 8), sample(3, 9)])).toEqual([somebody]);
});

test("hashes after different compactions are not compared", () => {
  const later = { appliedIndex: indexOf(51), compactRevision: 5 };
  expect(wrong([sample(1, 7), sample(2, 8, later), sample(3, 8, later)])).toEqual([]);
});

test("a member that lost revisions, or has more than there can be, is wrong", () => {
  expect(wrong([sample(1, 7), sample(2, undefined, { currentRevision: 19 }), sample(3, 7)])).toEqual([id(2)]);
  expect(wrong([sample(1, 7), sample(2, 7, { currentRevision: 21 }), sample(3, 7)])).toEqual([id(2)]);
});

test("what a compaction left is compared by its revision, of those who remember it", () => {
  const left = (hash: number) => ({ compactions: [{ revision: 10, hash }] });
  const none = sample(3, undefined);
  expect(wrong([sample(1, undefined, left(1)), sample(2, undefined, left(2)), none], 3, 0)).toEqual([]);
  const samples = [sample(1, undefined, left(1)), sample(2, undefined, left(2)), sample(3, undefined, left(2))];
  expect(wrong(samples, 3, 0)).toEqual([id(1)]);
});
