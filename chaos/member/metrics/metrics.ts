/*
 * Numbers for dashboards, under etcd's names: what is read from the member when asked for, beside what is recorded
 * because it takes time. The process itself is measured by prom-client. Source: etcd v3 HTTP surface, metrics.
 */
import { readdirSync } from "node:fs";
import { collectDefaultMetrics, Registry } from "prom-client";
import type { MemberId } from "../../../core/index.ts";
import type { CallMeter, HandledCall } from "../call-meter.ts";
import { handleLimit, systemLimit } from "../handles.ts";
import { type Probe, probeChecks } from "../health.ts";
import type { PeerTraffic } from "../peer-traffic.ts";
import { absentFamilies } from "./absent-families.ts";
import { CallFamilies } from "./call-families.ts";
import { exposed, type Family, histogram, labelled, plain, powers, Tally, TallyTable } from "./exposition.ts";
import { PeerFamilies } from "./peer-families.ts";
import { type StateSource, stateFamilies } from "./state-families.ts";

/** What a scrape looks at. */
export interface MetricsSource extends StateSource {
  readonly memberId: MemberId;
  readonly tickMs: number;
  /** An entry whose application takes longer is slow. */
  readonly slowApplyMs: number;
  /** Also how long each call of a client takes. */
  readonly extensive: boolean;
  /** Calls of clients so far. */
  readonly calls: () => CallMeter;
  readonly traffic: PeerTraffic;
}

const diskBounds = powers(0.001, 2, 14);

export class Metrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #source: MetricsSource;
  readonly #process = new Registry();
  readonly #families: readonly Family[];
  readonly #peers: PeerFamilies;
  readonly #fsync = new Tally(diskBounds);
  readonly #logWrite = new Tally(diskBounds);
  readonly #commit = new Tally(diskBounds);
  readonly #defrag = new Tally(powers(0.1, 2, 13));
  readonly #snapshot = new Tally(powers(0.01, 2, 17));
  readonly #apply = new TallyTable(powers(0.0001, 2, 20), ["version", "op", "success"]);
  readonly #compactionPiece = new Tally(powers(1, 2, 13));
  readonly #compaction = new Tally(powers(100, 2, 14));
  readonly #heartbeats = new Map<MemberId, number>();
  readonly #checks = new Map<
    string,
    { readonly probe: Probe; readonly name: string; last?: boolean; passed: number; failed: number }
  >();
  #leaderChanges = 0;
  #heartbeatsLate = 0;
  #slowApplies = 0;
  #appliedAtMs = 0;
  #logBytes = 0;
  #defragmenting = 0;
  #compactingSinceMs: number | undefined;
  #compactedAtSeconds = 0;
  #pieces = 0;
  #healthy = 0;
  #unhealthy = 0;
  #scrapes = 0;
  /** Takes a call that ended. */
  readonly noteHandled: (call: HandledCall) => void;

  constructor(source: MetricsSource) {
    this.#source = source;
    collectDefaultMetrics({ register: this.#process });
    for (const { probe, name } of probeChecks)
      this.#checks.set(`${probe}/${name}`, { probe, name, passed: 0, failed: 0 });
    const calls = new CallFamilies(source);
    this.noteHandled = calls.note;
    this.#peers = new PeerFamilies({
      memberId: source.memberId,
      traffic: source.traffic,
      counts: () => source.member.counts,
    });
    this.#families = [
      ...stateFamilies(source),
      ...calls.families,
      ...this.#peers.families,
      ...this.#ownFamilies(),
      ...absentFamilies,
    ];
  }

  #ownFamilies(): readonly Family[] {
    const checks = (): Iterable<{
      readonly probe: Probe;
      readonly name: string;
      last?: boolean;
      passed: number;
      failed: number;
    }> => this.#checks.values();
    return [
      plain("counter", "etcd_server_leader_changes_seen_total", "Leaders seen.", () => this.#leaderChanges),
      plain(
        "counter",
        "etcd_server_heartbeat_send_failures_total",
        "Heartbeats sent late, because this member or its disk was busy.",
        () => this.#heartbeatsLate,
      ),
      plain("counter", "etcd_server_slow_apply_total", "Entries whose application took long.", () => this.#slowApplies),
      this.#apply.family("etcd_server_apply_duration_seconds", "Time to apply an entry."),
      plain("counter", "etcd_server_health_success", "Answers of /health that said healthy.", () => this.#healthy),
      plain("counter", "etcd_server_health_failures", "Answers of /health that said unhealthy.", () => this.#unhealthy),
      labelled("gauge", "etcd_server_healthcheck", "1 when the last run of that check passed.", function* () {
        for (const { probe, name, last } of checks()) {
          if (last !== undefined) yield { labels: { type: probe, name }, value: Number(last) };
        }
      }),
      labelled("counter", "etcd_server_healthchecks_total", "Runs of checks.", function* () {
        for (const { probe, name, passed, failed } of checks()) {
          yield { labels: { type: probe, name, status: "success" }, value: passed };
          yield { labels: { type: probe, name, status: "error" }, value: failed };
        }
      }),
      histogram("etcd_disk_wal_fsync_duration_seconds", "Time of one sync of the log.", this.#fsync),
      histogram("etcd_disk_wal_write_duration_seconds", "Time of one write to the log.", this.#logWrite),
      plain("gauge", "etcd_disk_wal_write_bytes_total", "Bytes written to the log.", () => this.#logBytes),
      histogram("etcd_disk_backend_commit_duration_seconds", "Time of one commit of the backend.", this.#commit),
      histogram(
        "etcd_debugging_disk_backend_commit_write_duration_seconds",
        "The same: a commit of LMDB is one step.",
        this.#commit,
      ),
      histogram("etcd_disk_backend_defrag_duration_seconds", "Time of a defragmentation.", this.#defrag),
      plain("gauge", "etcd_disk_defrag_inflight", "1 while the backend is defragmented.", () => this.#defragmenting),
      histogram("etcd_disk_backend_snapshot_duration_seconds", "Time of a snapshot sent.", this.#snapshot),
      histogram(
        "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
        "Time of one piece of a compaction.",
        this.#compactionPiece,
      ),
      histogram(
        "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
        "Time of a whole compaction, in ticks.",
        this.#compaction,
      ),
      plain(
        "gauge",
        "etcd_debugging_mvcc_db_compaction_last",
        "When a compaction last ended, in seconds since 1970.",
        () => this.#compactedAtSeconds,
      ),
      labelled("counter", "promhttp_metric_handler_requests_total", "Scrapes, by HTTP status.", () => [
        { labels: { code: "200" }, value: this.#scrapes },
        { labels: { code: "500" }, value: 0 },
        { labels: { code: "503" }, value: 0 },
      ]),
      plain("gauge", "promhttp_metric_handler_requests_in_flight", "Scrapes under way, this one included.", () => 1),
      ...handleFamilies(),
    ];
  }

  // ---- what happens --------------------------------------------------------------------------------------------

  /** A step of the member begins; what it applies is timed from here. */
  noteStep(nowMs: number): void {
    this.#appliedAtMs = nowMs;
  }

  /**
   * The member applied an operation: since the last one, or since its step began.
   *
   * @returns ms it took
   */
  noteApplied(operation: string, ok: boolean): number {
    const nowMs = performance.now();
    const tookMs = nowMs - this.#appliedAtMs;
    this.#appliedAtMs = nowMs;
    if (tookMs >= this.#source.slowApplyMs) this.#slowApplies += 1;
    this.#tallyOf(operation, ok).observe(tookMs / 1_000);
    // One that is short is over with the tick it begins in.
    if (ok && operation === "compact") this.#compactingSinceMs ??= nowMs;
    return tookMs;
  }

  readonly #applyTallies = { ok: new Map<string, Tally>(), refused: new Map<string, Tally>() };
  #tallyOf(operation: string, ok: boolean): Tally {
    const known = ok ? this.#applyTallies.ok : this.#applyTallies.refused;
    let tally = known.get(operation);
    if (tally === undefined) {
      tally = this.#apply.of("v3", operationName(operation), String(ok));
      known.set(operation, tally);
    }
    return tally;
  }

  /** A tick's step is over: what it did to a compaction shows in the counts. */
  noteTick(nowMs: number, tookMs: number): void {
    this.#peers.tick(nowMs);
    const { counts } = this.#source.member;
    if (counts.compactionPieces > this.#pieces) {
      this.#pieces = counts.compactionPieces;
      this.#compactionPiece.observe(tookMs);
    }
    if (counts.isCompacting) this.#compactingSinceMs ??= nowMs;
    else if (this.#compactingSinceMs !== undefined) {
      this.#compaction.observe(nowMs - this.#compactingSinceMs);
      this.#compactingSinceMs = undefined;
      this.#compactedAtSeconds = Date.now() / 1_000;
    }
  }

  /** A heartbeat leaves; two intervals after the one before it, it is late. */
  noteHeartbeat(to: MemberId): void {
    const nowMs = performance.now();
    const before = this.#heartbeats.get(to);
    if (before !== undefined && nowMs - before > 2 * this.#source.tickMs) this.#heartbeatsLate += 1;
    this.#heartbeats.set(to, nowMs);
  }

  noteLeader(isKnown: boolean): void {
    if (isKnown) this.#leaderChanges += 1;
    this.#heartbeats.clear();
  }

  noteFsync(batch: { readonly writeMs: number; readonly syncMs: number; readonly bytes: number }): void {
    this.#logWrite.observe(batch.writeMs / 1_000);
    this.#fsync.observe(batch.syncMs / 1_000);
    this.#logBytes += batch.bytes;
  }
  noteCommit(durationMs: number): void {
    this.#commit.observe(durationMs / 1_000);
  }

  /** Passes the work on, and records how long it took. */
  async noteDefragmentation(work: Promise<void>): Promise<void> {
    this.#defragmenting = 1;
    const startedMs = performance.now();
    try {
      await work;
    } finally {
      this.#defragmenting = 0;
      this.#defrag.observe((performance.now() - startedMs) / 1_000);
    }
  }
  /** The same for one snapshot sent to a client. */
  async noteSnapshot(work: Promise<void>): Promise<void> {
    const startedMs = performance.now();
    await work;
    this.#snapshot.observe((performance.now() - startedMs) / 1_000);
  }

  noteHealth(healthy: boolean): void {
    if (healthy) this.#healthy += 1;
    else this.#unhealthy += 1;
  }
  noteCheck(check: { readonly probe: Probe; readonly name: string; readonly passed: boolean }): void {
    const counts = this.#checks.get(`${check.probe}/${check.name}`);
    if (counts === undefined) return;
    counts.last = check.passed;
    if (check.passed) counts.passed += 1;
    else counts.failed += 1;
  }

  /** The text of a scrape. */
  async text(): Promise<string> {
    const text = `${exposed(this.#families)}${await this.#process.metrics()}`;
    this.#scrapes += 1;
    return text;
  }
}

/** An operation of core by the name etcd's metrics have for it. */
function operationName(operation: string): string {
  if (operation === "compact") return "Compaction";
  const name = `${operation.slice(0, 1).toUpperCase()}${operation.slice(1)}`;
  return /^(User|Role)/.test(name) ? `Auth${name}` : name;
}

/** File descriptors and memory this process may have, where the system shows them. */
function handleFamilies(): Family[] {
  const limit = handleLimit();
  if (limit === undefined) return [];
  // Unlimited is as much as 64 bits can say.
  const memory = systemLimit("Max address space") ?? 2 ** 64;
  return [
    plain("gauge", "process_virtual_memory_max_bytes", "Most memory this process may map.", () => memory),
    plain("gauge", "os_fd_limit", "Most file descriptors.", () => limit),
    plain("gauge", "os_fd_used", "Open file descriptors.", () => readdirSync("/proc/self/fd").length),
  ];
}
