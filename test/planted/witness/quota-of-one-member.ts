/*
 * A member that reached its quota has the alarm replicated: every member has it, and all refuse alike from then on.
 */
import { expect } from "vitest";
import { memberIdOf } from "../../../core/ids.ts";
import { TestCluster } from "../../kit/cluster.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 3, config: { quotaBytes: 200_000 } });
  const leader = cluster.elect();
  cluster.pass(1_000);
  const value = "v".repeat(10_000);
  const refusalAt = (number: number): string | undefined => {
    const reply = cluster.call(leader, putOf(`k${number}`, value));
    return reply.ok ? undefined : reply.refusal;
  };
  let refusal: string | undefined;
  for (let number = 0; number < 40 && refusal === undefined; number++) {
    refusal = refusalAt(number);
    cluster.pass(100);
  }
  expect(refusal).toBe("noSpace");
  const get = { type: "alarm", action: "get", memberId: memberIdOf(0n), alarm: "noSpace" } as const;
  for (const each of cluster.members) {
    const reply = cluster.call(each, get);
    expect(reply.ok && reply.answer.type === "alarm" ? reply.answer.alarms.length : 0, each.name).toBe(1);
  }
}
