import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { type MemberId, memberIdOf } from "../../core/ids.ts";
import { majorityOf, reachedByMajority, reachedByQuorum, voteOutcome } from "../../core/raft/quorum.ts";
import { arbitraryConfiguration } from "../kit/arbitraries.ts";

/** Slow twin: the highest value for which a majority can be counted. */
function slowReached(values: readonly number[]): number {
  if (values.length === 0) return Number.POSITIVE_INFINITY;
  const sorted = [...values].sort((a, b) => b - a);
  return sorted[Math.floor(values.length / 2)] as number;
}

const values = fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 7 });
const fewIds = fc.bigInt({ min: 1n, max: 7n }).map(memberIdOf);

describe("quorum", () => {
  test.prop([fc.integer({ min: 1, max: 9 })])("two majorities of the same voters always share one", (voters) => {
    expect(2 * majorityOf(voters)).toBeGreaterThan(voters);
    expect(2 * (majorityOf(voters) - 1)).toBeLessThanOrEqual(voters);
  });

  test.prop([values])("what a majority reached is the middle of the sorted values", (reached) => {
    expect(reachedByMajority(reached)).toBe(slowReached(reached));
  });

  test.prop([values.filter((incoming) => incoming.length > 0), values])(
    "a joint configuration reaches what both halves reached, and an empty outgoing half decides nothing",
    (incoming, outgoing) => {
      expect(reachedByQuorum(incoming, outgoing)).toBe(Math.min(slowReached(incoming), slowReached(outgoing)));
    },
  );

  test("a quorum of no voters is never asked for", () => {
    expect(() => reachedByQuorum([], [1])).toThrow("a quorum of no voters");
  });

  test.prop([arbitraryConfiguration(fewIds), fc.array(fc.tuple(fewIds, fc.boolean()))])(
    "a vote is won, lost or open as counting every completion of it says",
    (configuration, answers) => {
      const votes = new Map<MemberId, boolean>(answers);
      const wonBy = (isGranted: (id: MemberId) => boolean): boolean =>
        [configuration.voters, configuration.outgoing].every(
          (half) => half.length === 0 || half.filter(isGranted).length > half.length / 2,
        );
      const wonNow = wonBy((id) => votes.get(id) === true);
      const winnable = wonBy((id) => votes.get(id) !== false);
      expect(voteOutcome(configuration, votes)).toBe(wonNow ? "won" : winnable ? "pending" : "lost");
    },
  );

  test("the votes of learners and strangers are not counted", () => {
    const configuration = { voters: [1n, 2n, 3n].map(memberIdOf), outgoing: [], learners: [memberIdOf(4n)] };
    const votes = new Map([1n, 4n, 5n, 6n].map((id) => [memberIdOf(id), true]));
    expect(voteOutcome(configuration, votes)).toBe("pending");
  });
});
