import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ConfigurationRequest, ReconfigureCommand } from "../../core/apply/command.ts";
import { type MemberId, memberIdOf } from "../../core/ids.ts";
import type { MemberRecord } from "../../core/request.ts";
import { memberRecord, TestMachine } from "../kit/member-kit.ts";
import { singleChanges } from "../kit/request-arbitraries.ts";

type SingleChange = Exclude<ConfigurationRequest, { type: "memberReconfigure" | "leaveJoint" }>;

/** The member list as a plain map: slow and obvious. */
class SlowMembers {
  readonly known = new Map<MemberId, MemberRecord>([[memberIdOf(1n), memberRecord(1n)]]);
  readonly removed = new Set<MemberId>();

  /** The refusal; undefined when the change was carried out. */
  apply(request: SingleChange): string | undefined {
    const { known, removed } = this;
    const old = known.get(request.memberId);
    const learners = [...known.values()].filter((record) => record.isLearner).length;
    const isTaken = (urls: readonly string[]) =>
      [...known.values()].some((other) => other !== old && other.peerUrls.some((url) => urls.includes(url)));
    if (removed.has(request.memberId)) return "memberNotFound";
    if (request.type === "memberAdd") {
      if (old !== undefined) return "memberExists";
      if (isTaken(request.peerUrls)) return "peerUrlExists";
      if (request.isLearner && learners >= request.learnersMax) return "tooManyLearners";
      const { memberId, peerUrls, isLearner } = request;
      known.set(memberId, { memberId, name: "", peerUrls, clientUrls: [], isLearner });
      return undefined;
    }
    if (old === undefined) return "memberNotFound";
    if (request.type === "memberUpdate") {
      if (isTaken(request.peerUrls)) return "peerUrlExists";
      known.set(old.memberId, { ...old, peerUrls: request.peerUrls });
    } else if (request.type === "memberPromote") {
      if (!old.isLearner) return "memberNotLearner";
      known.set(old.memberId, { ...old, isLearner: false });
    } else {
      if (!old.isLearner && known.size - learners === 1) return "notEnoughStarted";
      known.delete(old.memberId);
      removed.add(old.memberId);
    }
    return undefined;
  }
}

describe("the replicated member list", () => {
  test("changes as a plain map does, and comes back from the backend as it was", () => {
    fc.assert(
      fc.property(fc.array(singleChanges, { maxLength: 12 }), (requests) => {
        const member = new TestMachine();
        const slow = new SlowMembers();
        for (const request of requests) {
          expect(member.refusal(request)).toBe(slow.apply(request));
          const expected = [...slow.known.values()].sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
          expect(member.machine.membership.records).toEqual(expected);
          member.machine.reload();
          expect(member.machine.membership.records).toEqual(expected);
          for (const id of slow.removed) expect(member.machine.membership.isRemoved(id)).toBe(true);
          const { voters, learners } = member.machine.membership.configuration;
          expect([...voters, ...learners].sort((a, b) => (a < b ? -1 : 1))).toEqual(expected.map((r) => r.memberId));
        }
      }),
      { numRuns: 200 },
    );
  });

  test("a change is answered with the members after it, at no revision", () => {
    const member = new TestMachine();
    const { result, reconfigured } = member.do({
      type: "memberAdd",
      memberId: memberIdOf(7n),
      peerUrls: ["http://a:1"],
      isLearner: true,
      learnersMax: 1,
    });
    const added = memberRecord(7n, { peerUrls: ["http://a:1"], isLearner: true });
    expect(result).toEqual({
      ok: true,
      revision: 0,
      answer: { type: "memberAdd", member: added, members: [memberRecord(1n), added] },
    });
    expect(reconfigured).toBe(true);
    expect(member.do({ type: "memberRemove", memberId: memberIdOf(9n) }).reconfigured).toBe(false);
  });

  test("no alarm stands in the way of a change", () => {
    const member = new TestMachine();
    member.do({ type: "alarm", action: "activate", memberId: memberIdOf(1n), alarm: "corrupt" });
    expect(
      member.refusal({ type: "memberUpdate", memberId: memberIdOf(1n), peerUrls: ["http://a:1"] }),
    ).toBeUndefined();
  });

  describe("several changes in one step", () => {
    const id = (value: number) => memberIdOf(BigInt(value));
    const change = (parts: Partial<ReconfigureCommand>): ReconfigureCommand => {
      return { type: "memberReconfigure", add: [], remove: [], promote: [], demote: [], learnersMax: 1, ...parts };
    };
    const newcomer = (value: number, isLearner = false) => {
      return { memberId: id(value), peerUrls: [`http://n${value}:1`], isLearner };
    };
    /** Voters 1, 2, 3 and the learner 4. */
    function cluster(): TestMachine {
      const member = new TestMachine();
      for (const value of [2, 3]) member.do({ type: "memberAdd", ...newcomer(value), learnersMax: 1 });
      member.do({ type: "memberAdd", ...newcomer(4, true), learnersMax: 1 });
      return member;
    }

    test("old and new voters decide together until it is left; who goes is a member as long", () => {
      const member = cluster();
      const { membership } = member.machine;
      expect(
        member.refusal(change({ add: [newcomer(5)], remove: [id(3)], promote: [id(4)], demote: [id(2)] })),
      ).toBeUndefined();
      const joint = { voters: [id(1), id(4), id(5)], outgoing: [id(1), id(2), id(3)], learners: [id(2)] };
      expect(membership.configuration).toEqual(joint);
      expect(membership.get(id(3))).toBeDefined();
      member.machine.reload();
      expect(membership.configuration).toEqual(joint);
      expect(member.refusal({ type: "memberRemove", memberId: id(5) })).toBe("changeUnderWay");
      expect(member.refusal(change({ remove: [id(5)] }))).toBe("changeUnderWay");
      expect(member.refusal({ type: "memberUpdate", memberId: id(5), peerUrls: ["http://n5:2"] })).toBeUndefined();
      expect(member.refusal({ type: "leaveJoint" })).toBeUndefined();
      const left = { voters: [id(1), id(4), id(5)], outgoing: [], learners: [id(2)] };
      expect(membership.configuration).toEqual(left);
      expect(membership.isRemoved(id(3))).toBe(true);
      member.machine.reload();
      expect(membership.configuration).toEqual(left);
      expect(membership.isRemoved(id(3))).toBe(true);
      // Of a learner that voted that is remembered.
      expect([id(1), id(2), id(4)].map((one) => membership.get(one)?.wasVoter)).toEqual([undefined, true, undefined]);
      expect(member.refusal({ type: "leaveJoint" })).toBeUndefined();
      expect(membership.configuration).toEqual(left);
    });

    test("where no voter comes or goes nothing is joint", () => {
      const member = cluster();
      expect(member.refusal(change({ add: [newcomer(5, true)], remove: [id(4)] }))).toBeUndefined();
      const { configuration } = member.machine.membership;
      expect(configuration).toEqual({ voters: [id(1), id(2), id(3)], outgoing: [], learners: [id(5)] });
      expect(member.machine.membership.isRemoved(id(4))).toBe(true);
    });

    test.each<[string, Partial<ReconfigureCommand>, string]>([
      ["a member named twice", { remove: [id(2)], demote: [id(2)] }, "memberNamedTwice"],
      ["a newcomer that is there", { add: [newcomer(3)] }, "memberExists"],
      ["a newcomer at a taken address", { add: [{ ...newcomer(5), peerUrls: ["http://n2:1"] }] }, "peerUrlExists"],
      [
        "two newcomers at one address",
        { add: [newcomer(5), { ...newcomer(6), peerUrls: ["http://n5:1"] }] },
        "peerUrlExists",
      ],
      ["a stranger", { remove: [id(9)] }, "memberNotFound"],
      ["a voter to promote", { promote: [id(2)] }, "memberNotLearner"],
      ["a learner to demote", { demote: [id(4)] }, "memberNotVoter"],
      ["no voter left", { remove: [id(1), id(2)], demote: [id(3)] }, "notEnoughStarted"],
      ["too many learners", { demote: [id(3)] }, "tooManyLearners"],
    ])("%s is refused, and nothing of the change is made", (_name, parts, refusal) => {
      const member = cluster();
      const before = member.machine.membership.records;
      expect(member.refusal(change(parts))).toBe(refusal);
      expect(member.machine.membership.records).toEqual(before);
      expect(member.machine.membership.configuration.outgoing).toEqual([]);
    });
  });
});
