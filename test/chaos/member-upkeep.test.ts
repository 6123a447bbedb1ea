/*
 * What a cluster of real processes does by itself.
 */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { EtcdClient } from "../../chaos/client/client.ts";
import { openBackend } from "../../chaos/member/backend.ts";
import { hexOf, leaseIdOf, memberIdOf, type Request } from "../../core/index.ts";
import { builtProgram } from "../kit/build.ts";
import { type RealCluster, RealMember, startCluster } from "../kit/real-members.ts";
import { putOf, rangeOf } from "../kit/requests.ts";
import { root } from "../tidy/sources.ts";

const clusters: RealCluster[] = [];
const clients: EtcdClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const cluster of clusters.splice(0)) await cluster.close();
});

async function start(size: number, args: readonly string[]): Promise<EtcdClient[]> {
  const cluster = await startCluster(size, args);
  clusters.push(cluster);
  await cluster.ready();
  const opened = cluster.clientPorts.map((port) => new EtcdClient({ endpoint: `127.0.0.1:${port}` }));
  clients.push(...opened);
  return opened;
}

/** What came of a call: "ok" or the status text. */
async function outcome(client: EtcdClient, request: Request): Promise<string> {
  const result = await client.call(request, { timeoutMs: 5_000 }).result;
  return result.type === "reply" ? "ok" : result.type === "status" ? result.text : result.type;
}

test("history beyond the retention is compacted without anybody asking, on every member", async () => {
  const members = await start(3, ["--auto-compaction-retention=1s"]);
  const [first] = members;
  if (first === undefined) throw new Error("no member");
  for (let round = 0; round < 20; round++) expect(await outcome(first, putOf("k", `${round}`))).toBe("ok");
  expect(await outcome(first, rangeOf("k", undefined, { revision: 5 }))).toBe("ok");
  const compacted = "etcdserver: mvcc: required revision has been compacted";
  for (const member of members) {
    await expect
      .poll(() => outcome(member, rangeOf("k", undefined, { revision: 5 })), { timeout: 15_000, interval: 200 })
      .toBe(compacted);
    expect(await outcome(member, rangeOf("k"))).toBe("ok");
  }
  const [cluster] = clusters;
  expect(cluster?.members.some((each) => each.log.includes("starting auto periodic compaction"))).toBe(true);
});

test("a lease goes on from its checkpoint when its leader is killed, and when all start again", async () => {
  const args = ["--feature-gates=LeaseCheckpoint=true", "--lease-checkpoint-interval=1s"];
  const members = await start(3, args);
  const [cluster] = clusters;
  if (cluster === undefined) throw new Error("no cluster");
  const leaseId = leaseIdOf(77n);
  const [any] = members;
  if (any === undefined) throw new Error("no member");
  expect(await outcome(any, { type: "leaseGrant", leaseId, ttlSeconds: 1_000 })).toBe("ok");
  const grantedMs = performance.now();
  const left = async (): Promise<number> => {
    for (;;) {
      for (const member of members) {
        const { result } = member.call({ type: "leaseTimeToLive", leaseId, keys: false }, { timeoutMs: 2_000 });
        const found = await result;
        if (found.type === "reply" && found.reply.answer.type === "leaseTimeToLive")
          return found.reply.answer.ttlSeconds;
      }
    }
  };
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  const leaderAt = cluster.members.findLastIndex((each) => /became leader at term/.test(each.log));
  await cluster.members[leaderAt]?.end("SIGKILL");
  // A leader may have been in office for a while without a checkpoint since its last one: 1 s, and a second of slack.
  const most = (): number => 1_000 - Math.floor((performance.now() - grantedMs) / 1_000) + 5;
  expect(await left()).toBeLessThanOrEqual(most());
  for (const each of cluster.members) await each.close();
  for (const each of cluster.members) each.start();
  const afterRestart = await left();
  expect(afterRestart).toBeLessThanOrEqual(997);
  expect(afterRestart).toBeGreaterThan(900);
});

test("a value that changed on one member's disk ends that member before it serves, or raises the alarm for it", async () => {
  const members = await start(3, ["--corrupt-check-time=1s"]);
  const [first] = members;
  const [cluster] = clusters;
  const victim = cluster?.members[2];
  if (first === undefined || cluster === undefined || victim === undefined) throw new Error("no member");
  for (let round = 0; round < 10; round++) expect(await outcome(first, putOf("k", `${round}`))).toBe("ok");
  await new Promise((resolve) => setTimeout(resolve, 500));
  await victim.end("SIGTERM");
  flipOnDisk(join(cluster.directory, victim.name, "member", "snap"));

  const checking = new RealMember({
    name: victim.name,
    logFile: join(cluster.directory, "checking.log"),
    args: [...victim.args, "--experimental-initial-corrupt-check"],
  });
  checking.start();
  expect((await checking.ended()).exitCode).not.toBe(0);
  expect(checking.log).toContain("found data inconsistency with peers");
  expect(checking.log).not.toContain("serving client traffic");

  victim.start();
  await expect
    .poll(() => outcome(first, putOf("k", "v")), { timeout: 20_000, interval: 200 })
    .toBe("etcdserver: corrupt cluster");
  expect(await outcome(first, rangeOf("k"))).toBe("ok");
  const { result } = first.call({ type: "alarm", action: "get", memberId: memberIdOf(0n), alarm: "none" });
  const found = await result;
  if (found.type !== "reply" || found.reply.answer.type !== "alarm") throw new Error(JSON.stringify(found));
  const own = /"local-member-id":"([0-9a-f]+)"/.exec(victim.log)?.[1];
  expect(found.reply.answer.alarms.map(({ memberId, alarm }) => `${hexOf(memberId)} ${alarm}`)).toEqual([
    `${own} corrupt`,
  ]);
});

test("a downgrade is judged by the cluster's version, lowers it, and shows in the status and in /version", async () => {
  const [member] = await start(1, ["--downgrade-check-time=200ms"]);
  const port = clusters[0]?.clientPorts[0];
  if (member === undefined) throw new Error("no member");
  const cluster = async (): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/version`);
    return ((await response.json()) as { etcdcluster: unknown }).etcdcluster;
  };
  await expect.poll(cluster, { timeout: 10_000, interval: 50 }).toBe("3.6.0");
  const downgrade = (action: "validate" | "enable" | "cancel", version: string): Promise<string> =>
    outcome(member, { type: "downgrade", action, version });
  expect(await downgrade("validate", "3.4")).toBe("etcdserver: invalid downgrade target version");
  expect(await downgrade("enable", "new")).toBe("etcdserver: wrong downgrade target version format");
  expect(await downgrade("enable", "3.5")).toBe("ok");
  expect(await downgrade("validate", "3.5")).toBe("etcdserver: cluster has a downgrade job in progress");
  const status = await member.call({ type: "status" }).result;
  expect(status).toMatchObject({ reply: { answer: { downgrade: { enabled: true, targetVersion: "3.5.0" } } } });
  await expect.poll(cluster, { timeout: 10_000, interval: 50 }).toBe("3.5.0");
  expect(await downgrade("cancel", "")).toBe("ok");
  await expect.poll(cluster, { timeout: 10_000, interval: 50 }).toBe("3.6.0");
});

test("a snapshot file has the hash its member gives", async () => {
  const [member] = await start(1, []);
  const [cluster] = clusters;
  if (member === undefined || cluster === undefined) throw new Error("no member");
  for (const key of ["a", "b", "a", "c"]) expect(await outcome(member, putOf(key, "v"))).toBe("ok");
  expect(await outcome(member, { type: "compact", revision: 3, physical: true })).toBe("ok");
  const hashed = await member.call({ type: "hashKv", revision: 0 }).result;
  if (hashed.type !== "reply" || hashed.reply.answer.type !== "hashKv") throw new Error(JSON.stringify(hashed));
  const { hash, hashRevision, compactRevision } = hashed.reply.answer;
  const file = join(cluster.directory, "saved.db");
  const ctl = (...args: string[]) => {
    const argv = [builtProgram, ...args];
    return spawnSync(process.execPath, argv, { cwd: root, encoding: "utf8" });
  };
  expect(ctl("etcdctl", "--endpoints", cluster.endpoints, "snapshot", "save", file).status).toBe(0);
  expect(ctl("etcdutl", "hashkv", file).stdout).toBe(`${hash}, ${hashRevision}, ${compactRevision}\n`);
  expect(ctl("etcdutl", "hashkv", file, "--rev", "99").stderr).toContain("required revision is a future revision");
});

/** Flips a bit of the first value in a backend nobody has open. */
function flipOnDisk(directory: string): void {
  const { backend } = openBackend(directory);
  backend.scan("key", { from: new Uint8Array(1), to: undefined }, (key, value) => {
    const flipped = value.slice();
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    backend.put("key", key, flipped);
    return false;
  });
  backend.commit();
  backend.close();
}
