/*
 * A follower has two writes under way. When the first is done, it may acknowledge the entry of the first, and not yet
 * that of the second: a crash now would lose the second.
 */
import { expect } from "vitest";
import { TestCluster } from "../../kit/cluster.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect();
  const [follower, away] = cluster.followers;
  if (follower === undefined || away === undefined) throw new Error("three members have two followers");
  away.isCutOff = true;
  follower.holdsWrites = true;
  const first = cluster.submit(leader, putOf("a", "1"));
  const second = cluster.submit(leader, putOf("b", "2"));
  expect(follower.writes.length).toBe(2);
  cluster.finishWrite(follower);
  expect(cluster.reply(leader, first)).toMatchObject({ ok: true });
  expect(cluster.reply(leader, second)).toBeUndefined();
  cluster.finishWrite(follower);
  expect(cluster.reply(leader, second)).toMatchObject({ ok: true });
}
