import { describe, expect, test } from "vitest";
import { readCount } from "../../core/byte-io.ts";
import { utf8Encode } from "../../core/bytes.ts";
import { defaultMemberConfig } from "../../core/config.ts";
import { clusterIdOf, indexOf, memberIdOf } from "../../core/ids.ts";
import { blankHardState } from "../../core/raft/hard-state.ts";
import { startMember } from "../../core/start.ts";
import { createLog } from "../../core/storage/log-store.ts";
import { countingRandom, TestCluster } from "../kit/cluster.ts";
import { putOf } from "../kit/requests.ts";
import { MemoryDisk } from "../storage/log-kit.ts";

const identity = { name: "other", memberId: memberIdOf(9n), clusterId: clusterIdOf(78n), clientUrls: [] };

/** Starts member 9, of a cluster of such members, on the backend of a member of cluster 1, 2, 3. */
function startOnForeignBackend(founders: readonly bigint[]) {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect();
  cluster.call(cluster.leader, putOf("k", "v"));
  const each = cluster.member(1);
  const { term } = each.running.raft;
  const index = indexOf(readCount(each.backend.get("meta", utf8Encode("consistent_index")) ?? new Uint8Array(8), 0));
  cluster.stop(each);
  const disk = new MemoryDisk(false);
  const { store, operations } = createLog(identity, defaultMemberConfig);
  disk.carryOut([...operations, ...store.reset({ index, term }, { ...blankHardState, term })]);
  return startMember({
    identity,
    config: defaultMemberConfig,
    segments: disk.segments,
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
    expect(startOnForeignBackend([8n, 9n])).toEqual({
      ok: false,
      reason:
        "the backend belongs to another cluster: its members are 1, 2, 3, and 9 is none of them; put the backend of this member back, or remove the data directory and add this member anew",
    });
  });

  test("of a member that joined later and has not read of it yet goes by those who founded the cluster", () => {
    expect(startOnForeignBackend([1n, 2n])).toMatchObject({ ok: true });
  });
});
