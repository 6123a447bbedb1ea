/*
 * Data that changes under a member: found by comparison, blamed on that member, and then nothing is written any more.
 */
import { describe, expect, test } from "vitest";
import type { MemberConfig } from "../../core/config.ts";
import { TestCluster, type TestMember } from "../kit/cluster.ts";
import { accepted, deleteOf, putOf, rangeOf } from "../kit/requests.ts";

function clusterOf(config: Partial<MemberConfig>, size = 3): TestCluster {
  const cluster = new TestCluster({ size, config });
  cluster.elect();
  for (let round = 1; round <= 10; round++) accepted(cluster.call(cluster.leader, putOf(`k${round}`, `${round}`)));
  cluster.pass(200);
  return cluster;
}

/** Flips a bit of the n-th stored entry under the member. */
function flip(each: TestMember, number: number): void {
  let place = 0;
  let found: readonly [Uint8Array, Uint8Array] | undefined;
  each.backend.scan("key", { from: new Uint8Array(1), to: undefined }, (key, value) => {
    place += 1;
    found = [key, value];
    return place < number;
  });
  if (found === undefined) throw new Error("nothing is stored");
  const value = found[1].slice();
  value[value.length - 1] = (value.at(-1) ?? 0) ^ 1;
  each.backend.put("key", found[0], value);
}

const alarmsAt = (each: TestMember): readonly string[] =>
  each.events.flatMap((event) =>
    event.type === "alarmsChanged" ? event.alarms.map(({ memberId, alarm }) => `${memberId} ${alarm}`) : [],
  );

describe("the leader", () => {
  test("raises the alarm for the member whose data changed, itself included, and for no other", () => {
    for (const pick of [(cluster: TestCluster) => cluster.leader, (cluster: TestCluster) => cluster.followers[1]]) {
      const cluster = clusterOf({ corruptCheckMs: 1_000 });
      const victim = pick(cluster);
      if (victim === undefined) throw new Error("no such member");
      flip(victim, 3);
      cluster.pass(1_500);
      for (const each of cluster.members) expect(alarmsAt(each)).toEqual([`${victim.running.raft.id} corrupt`]);
      const corrupt = { ok: false, refusal: "corrupt" };
      expect(cluster.call(cluster.leader, putOf("k", "v"))).toEqual(corrupt);
      expect(cluster.call(cluster.leader, deleteOf("k1"))).toEqual(corrupt);
      accepted(cluster.call(cluster.leader, rangeOf("k1")));
    }
  });

  test("raises nothing while all agree, through writes, compactions and members that come back", () => {
    const cluster = clusterOf({ corruptCheckMs: 300, compactHashCheckMs: 300, compactionEntriesPerTickMax: 3 });
    for (let round = 1; round <= 40; round++) {
      accepted(cluster.call(cluster.leader, putOf(`k${round % 7}`, `${round}`)));
      if (round % 10 === 0) {
        accepted(cluster.call(cluster.leader, { type: "compact", revision: round, physical: false }));
        const [down] = cluster.followers;
        if (down !== undefined) cluster.stop(down);
        cluster.pass(400);
        if (down !== undefined) cluster.start(down);
      }
      cluster.pass(200);
    }
    for (const each of cluster.members) expect(alarmsAt(each)).toEqual([]);
  });

  test("does not ask where it is not told to", () => {
    const cluster = clusterOf({});
    const [victim] = cluster.followers;
    if (victim === undefined) throw new Error("no follower");
    flip(victim, 3);
    cluster.pass(10_000);
    expect(alarmsAt(cluster.leader)).toEqual([]);
  });

  test("names nobody where two of two differ", () => {
    const cluster = clusterOf({ corruptCheckMs: 1_000 }, 2);
    flip(cluster.leader, 3);
    cluster.pass(1_500);
    expect(alarmsAt(cluster.leader)).toEqual(["0 corrupt"]);
  });

  test("finds by the hashes of compactions what a member kept otherwise", () => {
    const cluster = clusterOf({ compactHashCheckMs: 1_000 });
    const [victim] = cluster.followers;
    if (victim === undefined) throw new Error("no follower");
    flip(victim, 3);
    cluster.pass(3_000);
    expect(alarmsAt(cluster.leader)).toEqual([]);
    accepted(cluster.call(cluster.leader, { type: "compact", revision: 8, physical: false }));
    cluster.pass(2_000);
    for (const each of cluster.members) expect(alarmsAt(each)).toEqual([`${victim.running.raft.id} corrupt`]);
  });
});

describe("before it serves", () => {
  const published = (each: TestMember): number => each.events.filter((event) => event.type === "published").length;

  test("a member whose data changed while it was down ends, naming the inconsistency", () => {
    const cluster = clusterOf({ initialCorruptCheck: true });
    const [victim] = cluster.followers;
    if (victim === undefined) throw new Error("no follower");
    cluster.stop(victim);
    flip(victim, 3);
    expect(() => {
      cluster.start(victim);
      cluster.pass(1_000);
    }).toThrow(/found data inconsistency with peers/);
  });

  test("a sound member serves, also beside one whose data changed", () => {
    const cluster = clusterOf({ initialCorruptCheck: true });
    const [victim, sound] = cluster.followers;
    if (victim === undefined || sound === undefined) throw new Error("no followers");
    flip(victim, 3);
    cluster.stop(sound);
    cluster.start(sound);
    cluster.pass(2_000);
    expect(published(sound)).toBe(2);
  });

  test("all members of a cluster that starts again serve", () => {
    const cluster = clusterOf({ initialCorruptCheck: true });
    for (const each of cluster.members) cluster.stop(each);
    for (const each of cluster.members) cluster.start(each);
    cluster.elect();
    cluster.pass(2_000);
    expect(cluster.members.map(published)).toEqual([2, 2, 2]);
  });
});
