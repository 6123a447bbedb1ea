/*
 * Writes that become durable together are applied together, and each is answered with the revision it made.
 */
import { expect } from "vitest";
import { TestCluster } from "../../kit/cluster.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 1 });
  const member = cluster.elect();
  cluster.pass(1_000);
  member.holdsWrites = true;
  const asked = ["1", "2", "3"].map((value) => cluster.submit(member, putOf("k", value)));
  // The last write stands for those before it.
  member.writes.splice(0, member.writes.length - 1);
  cluster.finishWrite(member);
  const headers = asked.map((requestId) => {
    const reply = cluster.reply(member, requestId);
    return reply?.ok === true ? reply.header.revision : undefined;
  });
  expect(headers).toEqual([2, 3, 4]);
}
