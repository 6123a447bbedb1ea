/*
 * A learner that is gone or was never there becomes no voter, whoever is asked and whatever the leader does meanwhile: two
 * of four voters, or one of two, can decide nothing any more. Source: Raft thesis §4.2.1; etcd v3 API, MemberPromote.
 */
import { expect } from "vitest";
import { memberIdOf } from "../../../core/ids.ts";
import { TestCluster } from "../../kit/cluster.ts";
import { putOf } from "../../kit/requests.ts";

/** One voter, and a learner that caught up and is gone. */
function ofOneThatIsGone(): void {
  const cluster = withLearner(1);
  const learner = cluster.join();
  cluster.tellLinks();
  cluster.pass(2_000);
  cluster.stop(learner);
  cluster.tellLinks();
  for (let entry = 0; entry < 9; entry++) cluster.call(cluster.leader, putOf("k", "v"));
  cluster.submit(cluster.leader, { type: "memberPromote", memberId: memberIdOf(2n) });
  cluster.pass(1_000);
  expect(cluster.leader.running.raft.configuration.voters).toHaveLength(1);
}

/** Three voters of which the leader dies, and a learner that never started. */
function whileNobodyLeads(): void {
  const cluster = withLearner(3);
  const asked = cluster.followers;
  cluster.stop(cluster.leader);
  cluster.tellLinks();
  // Whichever of them leads next would put its own into the log.
  for (const each of asked) cluster.submit(each, { type: "memberPromote", memberId: memberIdOf(4n) });
  cluster.pass(4_000);
  for (const each of asked) expect(each.running.raft.configuration.voters).toHaveLength(3);
}

function withLearner(voters: number): TestCluster {
  const cluster = new TestCluster({ size: voters });
  cluster.elect();
  cluster.connect();
  const memberId = memberIdOf(BigInt(voters + 1));
  const added = cluster.call(cluster.leader, {
    type: "memberAdd",
    memberId,
    peerUrls: ["http://learner:1"],
    isLearner: true,
  });
  expect(added?.ok).toBe(true);
  return cluster;
}

export function witness(): void {
  ofOneThatIsGone();
  whileNobodyLeads();
}
