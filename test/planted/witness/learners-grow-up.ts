/*
 * Learners become voters by themselves once they have caught up, if that was asked for; one that is away does not.
 */
import { expect } from "vitest";
import { memberIdOf } from "../../../core/ids.ts";
import { TestCluster } from "../../kit/cluster.ts";

export function witness(): void {
  const cluster = new TestCluster({ size: 2, learners: 2, config: { promoteLearners: true, strictReconfig: false } });
  const [, , near, far] = cluster.members;
  if (near === undefined || far === undefined) throw new Error("there are two learners");
  far.isCutOff = true;
  cluster.elect();
  cluster.pass(5_000);
  const votersNow = () => cluster.leader.running.raft.configuration.voters;
  expect(votersNow()).toEqual([memberIdOf(1n), memberIdOf(2n), memberIdOf(3n)]);
  far.isCutOff = false;
  cluster.pass(5_000);
  expect(votersNow()).toHaveLength(4);
}
