import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ConfigurationRequest } from "../../core/apply/command.ts";
import { type MemberId, memberIdOf } from "../../core/ids.ts";
import type { MemberRecord } from "../../core/request.ts";
import { memberRecord, TestMachine } from "../kit/member-kit.ts";
import { configurationRequests } from "../kit/request-arbitraries.ts";

/** The member list as a plain map: slow and obvious. */
class SlowMembers {
  readonly known = new Map<MemberId, MemberRecord>([[memberIdOf(1n), memberRecord(1n)]]);
  readonly removed = new Set<MemberId>();

  /** The refusal; undefined when the change was carried out. */
  apply(request: ConfigurationRequest): string | undefined {
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
      fc.property(fc.array(configurationRequests, { maxLength: 12 }), (requests) => {
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
});
