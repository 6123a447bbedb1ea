import { describe, expect, test } from "vitest";
import { defaultMemberConfig } from "../../core/config.ts";
import { clusterIdOf, memberIdOf } from "../../core/ids.ts";
import { startMember } from "../../core/start.ts";
import { countingRandom, TestCluster } from "../kit/cluster.ts";
import { putOf } from "../kit/requests.ts";

/** Starts a member of that id, of a cluster of such members, with the backend of a member of cluster 1, 2, 3. */
function startOnForeignBackend(memberId: bigint, founders: readonly bigint[]) {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect();
  cluster.call(cluster.leader, putOf("k", "v"));
  const each = cluster.member(1);
  cluster.stop(each);
  return startMember({
    identity: { name: "other", memberId: memberIdOf(memberId), clusterId: clusterIdOf(77n), clientUrls: [] },
    config: defaultMemberConfig,
    segments: [...each.segments].map(([name, bytes]) => ({ name, bytes })),
    backend: each.backend,
    members: founders.map((id) => ({
      memberId: memberIdOf(id),
      name: "",
      peerUrls: [`http://127.0.0.1:${id}`],
      clientUrls: [],
      isLearner: false,
    })),
    random: countingRandom(1),
    incarnation: 1,
    nowMs: 0,
  });
}

describe("a start", () => {
  test("on a backend whose members are all strangers is refused as one of another cluster", () => {
    expect(startOnForeignBackend(9n, [8n, 9n])).toEqual({
      ok: false,
      reason:
        "the backend belongs to another cluster: its members are 1, 2, 3, and 9 is none of them; put the backend of this member back, or remove the data directory and add this member anew",
    });
  });

  test("of a member that joined later goes by those who founded the cluster, and then by the log", () => {
    expect(startOnForeignBackend(9n, [1n, 2n, 3n])).toMatchObject({
      ok: false,
      reason: expect.stringContaining("the write-ahead log belongs to member 1 of cluster 4d, not to member 9"),
    });
  });
});
