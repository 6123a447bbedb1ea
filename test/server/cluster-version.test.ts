/*
 * The release a cluster keeps to: the lowest of its members', and lower only when an operator asks for it.
 */
import { describe, expect, test } from "vitest";
import type { DowngradeRequest } from "../../core/request.ts";
import { TestCluster } from "../kit/cluster.ts";
import { accepted } from "../kit/requests.ts";

/** A cluster of members of those releases, long enough after its start to have decided. */
function clusterOf(...versions: string[]): TestCluster {
  const cluster = new TestCluster({ size: versions.length, config: { versionCheckMs: 500 }, versions });
  cluster.elect();
  cluster.pass(3_000);
  return cluster;
}

function restartAs(cluster: TestCluster, position: number, version: string): void {
  const each = cluster.member(position);
  cluster.stop(each);
  cluster.versions[position - 1] = version;
  cluster.start(each);
  cluster.elect();
  cluster.pass(5_000);
}

const versionsAt = (cluster: TestCluster) => cluster.members.map((each) => each.running.clusterVersion);

function ask(cluster: TestCluster, action: DowngradeRequest["action"], version = ""): string {
  const reply = cluster.call(cluster.leader, { type: "downgrade", action, version });
  if (!reply.ok) return reply.refusal;
  return reply.answer.type === "downgrade" ? reply.answer.version : reply.answer.type;
}

describe("the cluster's version", () => {
  test("is the lowest of the members' releases, the same on all, and survives a restart", () => {
    const cluster = clusterOf("3.6.14", "3.5.9", "3.6.1");
    expect(versionsAt(cluster)).toEqual(["3.5.0", "3.5.0", "3.5.0"]);
    for (const each of cluster.members) cluster.stop(each);
    for (const each of cluster.members) cluster.start(each);
    expect(versionsAt(cluster)).toEqual(["3.5.0", "3.5.0", "3.5.0"]);
  });

  test("is not decided before every member has said what it runs", () => {
    const cluster = new TestCluster({ size: 3, config: { versionCheckMs: 500 } });
    cluster.stop(cluster.member(3));
    cluster.elect();
    cluster.pass(5_000);
    expect(cluster.leader.running.clusterVersion).toBeUndefined();
    expect(ask(cluster, "validate", "3.5")).toBe("clusterVersionUnavailable");
    cluster.start(cluster.member(3));
    cluster.pass(3_000);
    expect(versionsAt(cluster)).toEqual(["3.6.0", "3.6.0", "3.6.0"]);
  });

  test("rises when the last old member is replaced by a newer one", () => {
    const cluster = clusterOf("3.6.14", "3.5.9", "3.6.14");
    restartAs(cluster, 2, "3.6.14");
    expect(versionsAt(cluster)).toEqual(["3.6.0", "3.6.0", "3.6.0"]);
  });

  test("keeps a member of a lower release from starting", () => {
    const cluster = clusterOf("3.6.14", "3.6.14", "3.6.14");
    expect(() => restartAs(cluster, 2, "3.5.9")).toThrow(
      "invalid downgrade; server version is lower than determined cluster version",
    );
  });
});

describe("a downgrade", () => {
  test("is refused by its target's form and distance, while one is under way, and for an unknown action", () => {
    const cluster = clusterOf("3.6.14");
    expect(ask(cluster, "validate", "three")).toBe("wrongDowngradeVersion");
    expect(ask(cluster, "enable", "3.5.x")).toBe("wrongDowngradeVersion");
    for (const target of ["3.6", "3.4", "2.5", "4.5"]) {
      expect(ask(cluster, "validate", target)).toBe("invalidDowngradeTarget");
    }
    expect(ask(cluster, "unknown")).toBe("unknownMethod");
    expect(ask(cluster, "validate", "3.5")).toBe("3.6");
    expect(ask(cluster, "validate", "3.5.0")).toBe("3.6");
    expect(ask(cluster, "enable", "3.5")).toBe("3.6");
    expect(ask(cluster, "enable", "3.5")).toBe("downgradeInProcess");
    expect(ask(cluster, "validate", "3.5")).toBe("downgradeInProcess");
  });

  test("lowers the version, lets members start with the older release, and ends when all run it", () => {
    const cluster = clusterOf("3.6.14", "3.6.14", "3.6.14");
    expect(ask(cluster, "enable", "3.5.0")).toBe("3.6");
    cluster.pass(2_000);
    expect(versionsAt(cluster)).toEqual(["3.5.0", "3.5.0", "3.5.0"]);
    const status = () => accepted(cluster.call(cluster.leader, { type: "status" }));
    expect(status()).toMatchObject({ downgrade: { enabled: true, targetVersion: "3.5.0" } });
    for (const position of [1, 2, 3]) restartAs(cluster, position, "3.5.9");
    expect(status()).not.toHaveProperty("downgrade");
    expect(versionsAt(cluster)).toEqual(["3.5.0", "3.5.0", "3.5.0"]);
  });

  test("that is cancelled lets the version rise again, and without one there is nothing to cancel", () => {
    const cluster = clusterOf("3.6.14", "3.6.14", "3.6.14");
    expect(ask(cluster, "cancel")).toBe("3.6");
    ask(cluster, "enable", "3.5");
    cluster.pass(2_000);
    expect(ask(cluster, "cancel")).toBe("3.5");
    cluster.pass(2_000);
    expect(versionsAt(cluster)).toEqual(["3.6.0", "3.6.0", "3.6.0"]);
  });
});

test("a member whose own version cannot be read does not start", () => {
  expect(() => new TestCluster({ size: 1, versions: ["newest"] })).toThrow("newest is no version such as 3.6.14");
});
