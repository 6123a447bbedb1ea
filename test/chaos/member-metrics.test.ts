/*
 * What metrics say, beside what happened: keys, leases, watches, alarms, peers, the disk. That none of etcd's is
 * missing is in test/compat/metrics.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exposed, histogram, labelled, Tally } from "../../chaos/member/metrics/exposition.ts";
import { type RealCluster, startCluster } from "../kit/real-members.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

test("a family is its help, its type and its samples; a histogram counts all up to each bound", () => {
  const tally = new Tally([1, 2, 4]);
  for (const value of [0.5, 1, 1.5, 9]) tally.observe(value);
  const families = [
    histogram("h", "Two\nlines.", tally),
    labelled("gauge", "g", "With labels.", () => [{ labels: { a: 'x"\\', b: "y" }, value: 2 ** 60 }]),
    labelled("counter", "c", "Of nothing yet.", () => []),
  ];
  expect(exposed(families)).toBe(
    [
      "# HELP h Two\\nlines.",
      "# TYPE h histogram",
      'h_bucket{le="1"} 2',
      'h_bucket{le="2"} 3',
      'h_bucket{le="4"} 3',
      'h_bucket{le="+Inf"} 4',
      "h_sum 12",
      "h_count 4",
      "# HELP g With labels.",
      "# TYPE g gauge",
      'g{a="x\\"\\\\",b="y"} 1152921504606847000',
      "# HELP c Of nothing yet.",
      "# TYPE c counter",
      "",
    ].join("\n"),
  );
});

describe("metrics of a member of three", () => {
  let cluster: RealCluster;

  beforeAll(async () => {
    cluster = await startCluster(3, ["--warning-apply-duration=1ns"]);
    await cluster.ready();
  });
  afterAll(() => cluster.close());

  const url = (path: string): string => `http://127.0.0.1:${cluster.clientPorts[0]}${path}`;
  const post = async (path: string, body: unknown): Promise<{ [field: string]: unknown }> => {
    const response = await fetch(url(path), { method: "POST", body: JSON.stringify(body) });
    return (await response.json()) as { [field: string]: unknown };
  };
  /** By name and labels as they are written. */
  const scrape = async (): Promise<(sample: string) => number> => {
    const text = await (await fetch(url("/metrics"))).text();
    const samples = new Map<string, number>();
    for (const line of text.split("\n")) {
      const end = line.lastIndexOf(" ");
      if (!line.startsWith("#") && end > 0) samples.set(line.slice(0, end), Number(line.slice(end + 1)));
    }
    return (sample) => {
      const exact = samples.get(sample);
      if (exact !== undefined) return exact;
      // Summed over the labels that are not given.
      const fitting = [...samples].filter(([name]) => name.startsWith(`${sample}{`));
      if (fitting.length === 0) throw new Error(`there is no ${sample}`);
      return fitting.reduce((sum, [, value]) => sum + value, 0);
    };
  };

  test("operations on keys are counted one by one, inside transactions too", async () => {
    const before = await scrape();
    await post("/v3/kv/put", { key: base64("a"), value: base64("123") });
    await post("/v3/kv/txn", {
      success: [
        { request_put: { key: base64("b"), value: base64("4") } },
        { request_range: { key: base64("a") } },
        { request_delete_range: { key: base64("nothing") } },
      ],
    });
    await post("/v3/kv/range", { key: base64("a") });
    await post("/v3/kv/deleterange", { key: base64("b") });
    await post("/v3/kv/put", { key: base64("a"), lease: "404" });
    const then = await scrape();
    const more = (name: string): number => then(name) - before(name);
    expect(more("etcd_mvcc_put_total")).toBe(2);
    expect(more("etcd_mvcc_range_total")).toBe(2);
    expect(more("etcd_mvcc_delete_total")).toBe(2);
    expect(more("etcd_mvcc_txn_total")).toBe(1);
    expect(more("etcd_debugging_mvcc_put_total")).toBe(2);
    expect(more("etcd_debugging_mvcc_total_put_size_in_bytes")).toBe(6);
    expect(then("etcd_debugging_mvcc_keys_total")).toBe(2);
    const applied = (op: string, success: string): number =>
      then(`etcd_server_apply_duration_seconds_count{version="v3",op="${op}",success="${success}"}`);
    expect(applied("Put", "true")).toBeGreaterThanOrEqual(1);
    expect(applied("Put", "false")).toBe(1);
    expect(applied("Txn", "true")).toBe(1);
    expect(then("etcd_server_slow_apply_total")).toBeGreaterThanOrEqual(4);
    expect(cluster.members[0]?.log).toContain("apply request took too long");
    expect(then(`etcd_server_range_duration_seconds_count{success="true"}`)).toBe(1);
  });

  test("leases are counted when they are granted and when they go", async () => {
    await post("/v3/lease/grant", { TTL: "100", ID: "7" });
    await post("/v3/lease/grant", { TTL: "5000", ID: "8" });
    await post("/v3/lease/keepalive", { ID: "7" });
    await post("/v3/lease/revoke", { ID: "7" });
    const now = await scrape();
    expect(now("etcd_debugging_lease_granted_total")).toBe(2);
    expect(now("etcd_debugging_lease_revoked_total")).toBe(1);
    expect(now(`etcd_debugging_lease_ttl_total_bucket{le="128"}`)).toBe(1);
    expect(now(`etcd_debugging_lease_ttl_total_bucket{le="8192"}`)).toBe(2);
    expect(now("etcd_debugging_lease_ttl_total_sum")).toBe(5_100);
  });

  test("watches count while they are there, and the events they were sent", async () => {
    const abort = new AbortController();
    const body = `{"create_request":{"key":"${base64("w")}"}}{"create_request":{"key":"${base64("v")}"}}`;
    const response = await fetch(url("/v3/watch"), { method: "POST", body, signal: abort.signal });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const read = async (until: RegExp): Promise<void> => {
      while (!until.test(text)) text += (await reader?.read())?.value ?? "";
    };
    await read(/"created":true.*\n.*"created":true/);
    await post("/v3/kv/put", { key: base64("w") });
    await read(/"events"/);
    const open = await scrape();
    abort.abort();
    expect(open("etcd_debugging_mvcc_watch_stream_total")).toBe(1);
    expect(open("etcd_debugging_mvcc_watcher_total")).toBe(2);
    expect(open("etcd_debugging_mvcc_slow_watcher_total")).toBe(0);
    expect(open("etcd_debugging_mvcc_events_total")).toBe(1);
  });

  test("alarms, users, compactions and hashes show", async () => {
    const memberID = "255";
    await post("/v3/maintenance/alarm", { action: "ACTIVATE", memberID, alarm: "CORRUPT" });
    expect((await scrape())(`etcd_debugging_server_alarms{server_id="ff",alarm_type="CORRUPT"}`)).toBe(1);
    await post("/v3/maintenance/alarm", { action: "DEACTIVATE", memberID, alarm: "CORRUPT" });
    const revision = (await scrape())("etcd_debugging_auth_revision");
    await post("/v3/auth/role/add", { name: "r" });
    const { header } = await post("/v3/kv/put", { key: base64("a") });
    const newest = (header as { revision: string }).revision;
    await post("/v3/kv/compaction", { revision: newest, physical: true });
    await post("/v3/maintenance/hashkv", {});
    const now = await scrape();
    expect(() => now("etcd_debugging_server_alarms")).toThrow("there is no");
    expect(now("etcd_debugging_auth_revision")).toBe(revision + 1);
    expect(now("etcd_debugging_mvcc_compact_revision")).toBe(Number(newest));
    expect(now("etcd_debugging_mvcc_db_compaction_keys_total")).toBeGreaterThan(0);
    expect(now("etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds_count")).toBeGreaterThan(0);
    expect(now("etcd_debugging_mvcc_db_compaction_last")).toBeGreaterThan(1.7e9);
    expect(now("etcd_mvcc_hash_rev_duration_seconds_count")).toBe(1);
  });

  test("the other members are known by what goes to and fro", async () => {
    const now = await scrape();
    expect(now("etcd_network_known_peers")).toBe(2);
    expect(now("etcd_network_active_peers")).toBe(2);
    expect(now("etcd_network_peer_sent_bytes_total")).toBeGreaterThan(0);
    expect(now("etcd_network_peer_received_bytes_total")).toBeGreaterThan(0);
    expect(now("etcd_network_peer_round_trip_time_seconds_count")).toBeGreaterThan(0);
    expect(now("etcd_server_leader_changes_seen_total")).toBeGreaterThan(0);
    expect(now("etcd_disk_wal_write_duration_seconds_count")).toBeGreaterThan(0);
    expect(now(`etcd_server_feature_enabled{name="LeaseCheckpoint",stage="ALPHA"}`)).toBe(0);
  });
});
