/*
 * The members named at the start found a cluster, once. A member that has data belongs to the cluster its data names,
 * however old the names are that it is started with.
 */
import { expect } from "vitest";
import { Machine } from "../../../core/apply/machine.ts";
import { defaultMemberConfig } from "../../../core/config.ts";
import { memberIdOf } from "../../../core/ids.ts";
import { memberRecord, TestMachine } from "../../kit/member-kit.ts";

export function witness(): void {
  const member = new TestMachine();
  const peerUrls = ["http://127.0.0.1:2"];
  member.answer({ type: "memberAdd", memberId: memberIdOf(2n), peerUrls, isLearner: false, learnersMax: 1 });
  member.backend.sync();
  const bootstrapMembers = [memberRecord(1n), memberRecord(9n)];
  const again = new Machine({ backend: member.backend, config: defaultMemberConfig, bootstrapMembers });
  expect(again.membership.configuration.voters).toEqual([1n, 2n]);
}
