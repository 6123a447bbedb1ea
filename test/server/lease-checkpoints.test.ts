/*
 * Checkpointed leases in a cluster: leaders come and go, restart and hand over, and a lease neither starts anew with
 * each nor ends before the time its client was promised.
 */
import { expect, test } from "vitest";
import { leaseIdOf } from "../../core/ids.ts";
import { TestCluster, type TestMember } from "../kit/cluster.ts";
import { accepted } from "../kit/requests.ts";

const lease = leaseIdOf(7n);
const checkpointing = { leaseCheckpoints: true, leaseCheckpointMs: 5_000 };

function clusterOf(config = {}): TestCluster {
  const cluster = new TestCluster({ size: 3, config: { ...checkpointing, ...config } });
  cluster.elect();
  return cluster;
}

function grant(cluster: TestCluster, ttlSeconds: number): void {
  accepted(cluster.call(cluster.leader, { type: "leaseGrant", leaseId: lease, ttlSeconds }));
}

/** Seconds left; undefined: there is no such lease. */
function left(cluster: TestCluster, each: TestMember = cluster.leader): number | undefined {
  const answer = accepted(cluster.call(each, { type: "leaseTimeToLive", leaseId: lease, keys: false }));
  if (answer.type !== "leaseTimeToLive") throw new Error(answer.type);
  return answer.ttlSeconds < 0 ? undefined : answer.ttlSeconds;
}

/** The time to live the member was answered with, without time passing. */
function renew(cluster: TestCluster, each: TestMember): number | undefined {
  const { id, stream } = cluster.openStream(each, "leaseKeepAlive");
  cluster.send(each, id, { type: "leaseKeepAlive", leaseId: lease });
  const reply = stream.replies[0];
  return reply?.type === "leaseKeepAlive" ? reply.ttlSeconds : undefined;
}

/** The leader's process ends; returns when another leads. The old one stays down. */
function loseLeader(cluster: TestCluster): TestMember {
  const old = cluster.leader;
  cluster.stop(old);
  cluster.elect();
  cluster.pass(cluster.config.tickMs);
  return old;
}

test("a new leader goes on from the last checkpoint instead of starting the lease anew", () => {
  const cluster = clusterOf();
  grant(cluster, 60);
  cluster.pass(31_000);
  loseLeader(cluster);
  expect(left(cluster)).toBeGreaterThanOrEqual(28);
  expect(left(cluster)).toBeLessThanOrEqual(60 - 31 + 5 + 2);
});

test("without checkpoints a new leader starts the lease anew", () => {
  const cluster = clusterOf({ leaseCheckpoints: false });
  grant(cluster, 60);
  cluster.pass(31_000);
  loseLeader(cluster);
  expect(left(cluster)).toBeGreaterThanOrEqual(59);
});

test("a lease nobody renews ends although leaders change more often than it lives", () => {
  const cluster = clusterOf();
  grant(cluster, 30);
  let waitedS = 0;
  for (; left(cluster) !== undefined; waitedS += 10) {
    expect(waitedS).toBeLessThan(100);
    const old = loseLeader(cluster);
    cluster.start(old);
    cluster.pass(10_000);
  }
  expect(waitedS).toBeGreaterThanOrEqual(30);
});

test("a renewal undoes the checkpoint before it is answered, at the leader and at a follower", () => {
  for (const pick of [(cluster: TestCluster) => cluster.leader, (cluster: TestCluster) => cluster.followers[0]]) {
    const cluster = clusterOf();
    grant(cluster, 60);
    cluster.pass(41_000);
    const each = pick(cluster);
    if (each === undefined) throw new Error("no follower");
    expect(renew(cluster, each)).toBe(60);
    loseLeader(cluster);
    expect(left(cluster)).toBeGreaterThanOrEqual(58);
  }
});

test("a renewal is not answered while its checkpoint cannot be undone", () => {
  const cluster = clusterOf({ checkQuorum: false });
  grant(cluster, 60);
  cluster.pass(41_000);
  const { leader } = cluster;
  for (const each of cluster.followers) each.isCutOff = true;
  expect(renew(cluster, leader)).toBeUndefined();
});

test("checkpoints survive a restart of all members", () => {
  const cluster = clusterOf();
  grant(cluster, 60);
  cluster.pass(31_000);
  for (const each of cluster.members) cluster.stop(each);
  for (const each of cluster.members) cluster.start(each);
  cluster.elect();
  cluster.pass(cluster.config.tickMs);
  expect(left(cluster)).toBeLessThanOrEqual(60 - 31 + 5 + 2);
});

test("an unrenewed lease is checkpointed by every leader in turn", () => {
  const cluster = clusterOf();
  grant(cluster, 100);
  let before = 100;
  for (let leaders = 0; leaders < 4; leaders++) {
    cluster.pass(12_000);
    const old = loseLeader(cluster);
    const now = left(cluster) ?? 0;
    expect(now).toBeLessThanOrEqual(before - 5);
    before = now;
    cluster.start(old);
  }
});
