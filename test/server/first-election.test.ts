/*
 * When a member that is alone elects itself: at once, or like everybody else.
 */
import { expect, test } from "vitest";
import { TestCluster } from "../kit/cluster.ts";

test("a sole voter leads after its first tick; where it may not hurry, after an election timeout and within two", () => {
  const hasty = new TestCluster({ size: 1 });
  hasty.pass(hasty.config.tickMs);
  expect(hasty.member(1).running.raft.role).toBe("leader");
  const patient = new TestCluster({ size: 1, config: { soleVoterAtOnce: false } });
  const { tickMs, electionTicks } = patient.config;
  patient.pass((electionTicks - 1) * tickMs);
  expect(patient.member(1).running.raft.role).toBe("follower");
  patient.pass((electionTicks + 1) * tickMs);
  expect(patient.member(1).running.raft.role).toBe("leader");
});
