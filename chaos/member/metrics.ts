/*
 * Numbers for dashboards, under etcd's names. Gauges are read when asked for; only durations are recorded as they come.
 * Source: etcd v3 HTTP surface, metrics.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** What a scrape looks at. */
export interface MetricsSource {
  readonly memberIdHex: string;
  readonly version: string;
  readonly clusterVersion: string;
  readonly quotaBytes: number;
  hasLeader(): boolean;
  isLeader(): boolean;
  committedIndex(): number;
  appliedIndex(): number;
  pendingCalls(): number;
  openStreams(): number;
  currentRevision(): number;
  compactRevision(): number;
  backendSize(): { readonly allocatedBytes: number; readonly usedBytes: number };
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #fsyncSeconds: Histogram;
  readonly #commitSeconds: Histogram;
  readonly #leaderChanges: Counter;
  readonly #walBytes: Gauge;

  constructor(source: MetricsSource) {
    collectDefaultMetrics({ register: this.#registry });
    const gauge = (name: string, help: string, value: () => number): void => {
      new Gauge({
        name,
        help,
        registers: [this.#registry],
        collect() {
          this.set(value());
        },
      });
    };
    const label = (name: string, labelName: string, value: string): void => {
      new Gauge({ name, help: `1, labelled with ${labelName}.`, labelNames: [labelName], registers: [this.#registry] })
        .labels(value)
        .set(1);
    };
    gauge("etcd_server_has_leader", "1 when a leader is known.", () => Number(source.hasLeader()));
    gauge("etcd_server_is_leader", "1 when this member leads.", () => Number(source.isLeader()));
    gauge("etcd_server_is_learner", "1 when this member is a learner.", () => 0);
    gauge("etcd_server_proposals_committed_total", "Last committed index.", () => source.committedIndex());
    gauge("etcd_server_proposals_applied_total", "Last applied index.", () => source.appliedIndex());
    gauge("etcd_server_proposals_pending", "Calls under way.", () => source.pendingCalls());
    gauge("etcd_server_quota_backend_bytes", "Quota of the backend.", () => source.quotaBytes);
    gauge("etcd_mvcc_db_total_size_in_bytes", "Allocated by the backend.", () => source.backendSize().allocatedBytes);
    gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Used in the backend.", () => source.backendSize().usedBytes);
    gauge("etcd_debugging_mvcc_current_revision", "Current revision.", () => source.currentRevision());
    gauge("etcd_debugging_mvcc_compact_revision", "Last compacted revision.", () => source.compactRevision());
    gauge("etcd_debugging_mvcc_watch_stream_total", "Open client streams.", () => source.openStreams());
    label("etcd_server_id", "server_id", source.memberIdHex);
    label("etcd_server_version", "server_version", source.version);
    label("etcd_cluster_version", "cluster_version", source.clusterVersion.split(".").slice(0, 2).join("."));
    this.#leaderChanges = new Counter({
      name: "etcd_server_leader_changes_seen_total",
      help: "Leader changes seen.",
      registers: [this.#registry],
    });
    this.#walBytes = new Gauge({
      name: "etcd_disk_wal_write_bytes_total",
      help: "Bytes written to the log.",
      registers: [this.#registry],
    });
    const buckets = Array.from({ length: 14 }, (_none, power) => 0.001 * 2 ** power);
    this.#fsyncSeconds = new Histogram({
      name: "etcd_disk_wal_fsync_duration_seconds",
      help: "Time of one sync of the log.",
      buckets,
      registers: [this.#registry],
    });
    this.#commitSeconds = new Histogram({
      name: "etcd_disk_backend_commit_duration_seconds",
      help: "Time of one commit of the backend.",
      buckets,
      registers: [this.#registry],
    });
  }

  noteFsync(batch: { readonly syncMs: number; readonly bytes: number }): void {
    this.#fsyncSeconds.observe(batch.syncMs / 1_000);
    this.#walBytes.inc(batch.bytes);
  }
  noteCommit(durationMs: number): void {
    this.#commitSeconds.observe(durationMs / 1_000);
  }
  noteLeaderChange(): void {
    this.#leaderChanges.inc();
  }

  /** The text of a scrape. */
  async text(): Promise<string> {
    return this.#registry.metrics();
  }
  get contentType(): string {
    return this.#registry.contentType;
  }
}
