/*
 * Answers of the Cluster service from the replicated member list.
 */
import type { Machine } from "../apply/machine.ts";
import type { Answer } from "../request.ts";

export function clusterAnswer(machine: Machine): Extract<Answer, { type: "memberList" }> {
  return { type: "memberList", members: machine.membership.records };
}
