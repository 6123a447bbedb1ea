/*
 * One member's disk is full: all members refuse writes, go on with everything else, and write again when there is room
 * and an operator has taken the alarm away. Taken away too early it comes back.
 */
import { expect } from "vitest";
import { TestCluster } from "../../kit/cluster.ts";
import { accepted, putOf, rangeOf } from "../../kit/requests.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect();
  const [full, other] = cluster.followers;
  if (full === undefined || other === undefined) throw new Error("three members have two followers");
  accepted(cluster.call(other, putOf("k", "before")));
  cluster.tellSpace(full, true);
  cluster.pass(200);
  const alarm = { memberId: full.running.raft.id, alarm: "noSpace" } as const;
  const refused = { ok: false, refusal: "noSpace" };
  for (const each of cluster.members) {
    expect(each.running.alarms).toEqual([alarm]);
    expect(cluster.call(each, putOf("k", "meanwhile"))).toMatchObject(refused);
    expect(cluster.call(each, rangeOf("k"))).toMatchObject({ ok: true });
  }
  accepted(cluster.call(other, { type: "alarm", action: "deactivate", ...alarm }));
  cluster.pass(2_000);
  expect(cluster.call(other, putOf("k", "too early"))).toMatchObject(refused);
  cluster.tellSpace(full, false);
  expect(cluster.call(other, putOf("k", "still"))).toMatchObject(refused);
  accepted(cluster.call(other, { type: "alarm", action: "deactivate", ...alarm }));
  cluster.pass(2_000);
  for (const each of cluster.members) accepted(cluster.call(each, putOf("k", "after")));
}
