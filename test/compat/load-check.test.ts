/*
 * etcdctl's own checks of a cluster under load run to their verdict against a member of ours. The verdict itself depends
 * on the machine; that every request was answered does not.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { etcdctl, type RealCluster, startCluster, whyNoEtcdctl } from "../kit/real-members.ts";

const whyNot = whyNoEtcdctl();
const suite = whyNot === undefined ? describe : describe.skip;

suite(`etcdctl 3.4 check${whyNot === undefined ? "" : `: skipped, ${whyNot}`}`, () => {
  let cluster: RealCluster;
  beforeAll(async () => {
    cluster = await startCluster(1);
    await cluster.ready();
  });
  afterAll(() => cluster.close());

  test("check perf loads the member for a minute and judges what it saw", { timeout: 180_000 }, async () => {
    const { stdout, exitCode } = await etcdctl(cluster.endpoints, ["check", "perf", "--load", "s"]);
    expect(stdout).toMatch(/(PASS|FAIL): Throughput (is|too low:) \d+ writes\/s/);
    expect(stdout).toMatch(/(PASS: Slowest request took|Slowest request took too long:) [\d.]+s/);
    expect(stdout).toMatch(/(PASS: Stddev is|Stddev too high:) [\d.]+s/);
    expect(stdout).not.toContain("FAIL: too many errors");
    expect([0, 4]).toContain(exitCode);
  });

  test("check datascale fills the member, reads its memory from the metrics and cleans up", async () => {
    const { stdout, stderr, exitCode } = await etcdctl(cluster.endpoints, ["check", "datascale", "--load", "s"]);
    expect(stdout, stderr).toMatch(/(PASS|FAIL): Approximate system memory used (is|too high:)? ?: ?[\d.]+ MB/);
    expect([0, 4]).toContain(exitCode);
    const left = await etcdctl(cluster.endpoints, ["get", "--prefix", "/etcdctl-check", "--keys-only"]);
    expect(left.stdout).toBe("");
  });
});
