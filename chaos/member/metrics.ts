/*
 * Numbers for dashboards, under etcd's names. Gauges are read when asked for; only durations are recorded as they come.
 * Source: etcd v3 HTTP surface, metrics.
 */
import { readdirSync, readFileSync } from "node:fs";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { rpcCodeNumbers } from "../../core/index.ts";
import type { CallMeter, HandledCall } from "./call-meter.ts";
import { type Probe, probeChecks } from "./health.ts";

/** What a scrape looks at. */
export interface MetricsSource {
  readonly memberIdHex: string;
  readonly version: string;
  /** undefined until it is decided. */
  readonly clusterVersion: () => string | undefined;
  readonly quotaBytes: number;
  hasLeader(): boolean;
  isLeader(): boolean;
  isLearner(): boolean;
  committedIndex(): number;
  appliedIndex(): number;
  pendingCalls(): number;
  openStreams(): number;
  currentRevision(): number;
  compactRevision(): number;
  backendSize(): { readonly allocatedBytes: number; readonly usedBytes: number };
  /** Also how long each call of a client takes. */
  readonly extensive: boolean;
  /** Calls of clients so far. */
  readonly calls: () => CallMeter;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #fsyncSeconds: Histogram;
  readonly #commitSeconds: Histogram;
  readonly #leaderChanges: Counter;
  readonly #walBytes: Gauge;
  readonly #health: { readonly success: Counter; readonly failures: Counter };
  readonly #lastCheck: Gauge;
  readonly #checks: Counter;
  readonly #defragInflight: Gauge;
  readonly #defragSeconds: Histogram;
  readonly #snapshotSeconds: Histogram;
  /** Takes a call that ended; undefined: nobody counts them. */
  readonly noteHandled: ((call: HandledCall) => void) | undefined;

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
    gauge("etcd_server_is_learner", "1 when this member is a learner.", () => Number(source.isLearner()));
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
    const clusterGauge = new Gauge({
      name: "etcd_cluster_version",
      help: "1 for the version the cluster keeps to.",
      labelNames: ["cluster_version"],
      registers: [this.#registry],
      collect() {
        clusterGauge.reset();
        const version = source.clusterVersion();
        if (version !== undefined) clusterGauge.set({ cluster_version: version.split(".").slice(0, 2).join(".") }, 1);
      },
    });
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
    const counter = (name: string, help: string, labelNames: readonly string[] = []): Counter =>
      new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
    this.#health = {
      success: counter("etcd_server_health_success", "Answers of /health that said healthy."),
      failures: counter("etcd_server_health_failures", "Answers of /health that said unhealthy."),
    };
    this.#lastCheck = new Gauge({
      name: "etcd_server_healthcheck",
      help: "1 when the last run of that check passed.",
      labelNames: ["type", "name"],
      registers: [this.#registry],
    });
    this.#checks = counter("etcd_server_healthchecks_total", "Runs of checks.", ["type", "name", "status"]);
    for (const { probe, name } of probeChecks) {
      for (const status of ["success", "error"]) this.#checks.labels(probe, name, status).inc(0);
    }
    this.#defragInflight = new Gauge({
      name: "etcd_disk_defrag_inflight",
      help: "1 while the backend is defragmented.",
      registers: [this.#registry],
    });
    const seconds = (name: string, help: string, first: number, count: number): Histogram =>
      new Histogram({
        name,
        help,
        buckets: Array.from({ length: count }, (_none, power) => first * 2 ** power),
        registers: [this.#registry],
      });
    this.#defragSeconds = seconds("etcd_disk_backend_defrag_duration_seconds", "Time of a defragmentation.", 0.1, 13);
    this.#snapshotSeconds = seconds(
      "etcd_disk_backend_snapshot_duration_seconds",
      "Time of a snapshot sent.",
      0.01,
      17,
    );
    registerCalls(this.#registry, source.calls);
    this.noteHandled = source.extensive ? handlingSeconds(this.#registry) : undefined;
    registerHandles(this.#registry);
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

  /** Passes the work on, and records how long it took. */
  async noteDefragmentation(work: Promise<void>): Promise<void> {
    this.#defragInflight.set(1);
    const startedMs = performance.now();
    try {
      await work;
    } finally {
      this.#defragInflight.set(0);
      this.#defragSeconds.observe((performance.now() - startedMs) / 1_000);
    }
  }
  /** The same for one snapshot sent to a client. */
  async noteSnapshot(work: Promise<void>): Promise<void> {
    const startedMs = performance.now();
    await work;
    this.#snapshotSeconds.observe((performance.now() - startedMs) / 1_000);
  }

  noteHealth(healthy: boolean): void {
    (healthy ? this.#health.success : this.#health.failures).inc();
  }
  noteCheck(check: { readonly probe: Probe; readonly name: string; readonly passed: boolean }): void {
    this.#lastCheck.labels(check.probe, check.name).set(Number(check.passed));
    this.#checks.labels(check.probe, check.name, check.passed ? "success" : "error").inc();
  }

  /** The text of a scrape. */
  async text(): Promise<string> {
    return this.#registry.metrics();
  }
  get contentType(): string {
    return this.#registry.contentType;
  }
}

/** OK and every other code by the name gRPC's own metrics use. */
const codeNames: ReadonlyMap<number, string> = new Map([
  [0, "OK"],
  ...Object.entries(rpcCodeNumbers).map(([name, code]): [number, string] => [
    code,
    name === "CANCELLED"
      ? "Canceled"
      : name.toLowerCase().replace(/(^|_)(.)/g, (_all, _line, letter) => letter.toUpperCase()),
  ]),
]);

/** What was counted while calls ran, taken over at each scrape. */
function registerCalls(registry: Registry, calls: () => CallMeter): void {
  const labelNames = ["grpc_service", "grpc_method", "grpc_type"];
  const perMethod = (name: string, help: string, of: "started" | "received" | "sent"): void => {
    new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const [path, counts] of calls().counts) {
          const [, service = "", method = ""] = path.split("/");
          this.labels(service, method, counts.kind).inc(counts[of]);
        }
      },
    });
  };
  perMethod("grpc_server_started_total", "Calls begun.", "started");
  perMethod("grpc_server_msg_received_total", "Messages received.", "received");
  perMethod("grpc_server_msg_sent_total", "Messages sent.", "sent");
  new Counter({
    name: "grpc_server_handled_total",
    help: "Calls ended, by status.",
    labelNames: [...labelNames, "grpc_code"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [path, counts] of calls().counts) {
        const [, service = "", method = ""] = path.split("/");
        for (const [code, name] of codeNames) {
          this.labels(service, method, counts.kind, name).inc(counts.handled.get(code) ?? 0);
        }
      }
    },
  });
  new Counter({
    name: "etcd_server_client_requests_total",
    help: "Calls begun, by what the client said its API version is.",
    labelNames: ["type", "client_api_version"],
    registers: [registry],
    collect() {
      this.reset();
      for (const form of ["unary", "stream"] as const) {
        for (const [version, count] of calls().requests[form]) this.labels(form, version).inc(count);
      }
    },
  });
  for (const [name, help, of] of [
    ["etcd_network_client_grpc_received_bytes_total", "Bytes of messages from clients.", "bytesReceived"],
    ["etcd_network_client_grpc_sent_bytes_total", "Bytes of messages to clients.", "bytesSent"],
  ] as const) {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(calls()[of]);
      },
    });
  }
}

/** Seconds of every call, by method. */
function handlingSeconds(registry: Registry): (call: HandledCall) => void {
  const histogram = new Histogram({
    name: "grpc_server_handling_seconds",
    help: "Time of a call, from its first byte to its status.",
    labelNames: ["grpc_service", "grpc_method", "grpc_type"],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return ({ path, kind, seconds }) => {
    const [, service = "", method = ""] = path.split("/");
    histogram.labels(service, method, kind).observe(seconds);
  };
}

/** File descriptors, where the system shows them. */
function registerHandles(registry: Registry): void {
  const limit = handleLimit();
  if (limit === undefined) return;
  new Gauge({ name: "os_fd_limit", help: "Most file descriptors.", registers: [registry] }).set(limit);
  new Gauge({
    name: "os_fd_used",
    help: "Open file descriptors.",
    registers: [registry],
    collect() {
      this.set(readdirSync("/proc/self/fd").length);
    },
  });
}

/** Most file descriptors this process may open; undefined where the system does not say, or sets no bound. */
export function handleLimit(): number | undefined {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return found === null ? undefined : Number(found[1]);
  } catch {
    // Not Linux.
    return undefined;
  }
}
