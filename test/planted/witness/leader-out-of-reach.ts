/*
 * A member that knows its connection to the leader to be gone keeps a write until somebody can be reached who leads: sent
 * now it would be lost, and its client would wait for nothing.
 */
import { expect } from "vitest";
import { TestCluster } from "../../kit/cluster.ts";
import { putOf } from "../../kit/requests.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect();
  cluster.connect();
  const [asked] = cluster.followers;
  if (asked === undefined) throw new Error("no follower");
  cluster.stop(leader);
  cluster.tellLinks();
  const requestId = cluster.submit(asked, putOf("k", "v"));
  cluster.pass(4_000);
  expect(cluster.reply(asked, requestId)).toMatchObject({ ok: true });
}
