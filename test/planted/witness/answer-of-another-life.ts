/*
 * A member that starts again counts its requests from the beginning. What an earlier life proposed may still commit, and
 * answers nobody then.
 */
import { expect } from "vitest";
import { TestCluster } from "../../kit/cluster.ts";
import { deleteOf, putOf } from "../../kit/requests.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect();
  cluster.pass(1_000);
  const [follower, other] = cluster.followers;
  if (follower === undefined || other === undefined) throw new Error("three members have two followers");
  other.isCutOff = true;
  follower.holdsWrites = true;
  // Appended by the leader, and by the follower too: it only says so when its write is done.
  cluster.submit(follower, deleteOf("k"));
  cluster.stop(follower);
  follower.holdsWrites = false;
  follower.writes.length = 0;
  follower.isCutOff = true;
  cluster.start(follower);
  const asked = Array.from({ length: 20 }, (_, number) => cluster.submit(follower, putOf("k", `${number}`)));
  follower.isCutOff = false;
  cluster.pass(3_000);
  const types = asked.map((requestId) => {
    const reply = cluster.reply(follower, requestId);
    return reply?.ok === true ? reply.answer.type : reply?.refusal;
  });
  expect(new Set(types)).toEqual(new Set(["put"]));
}
