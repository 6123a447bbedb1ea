/*
 * Metrics that etcd has of parts there are none of here, and that dashboards and alerts ask for all the same: always 0,
 * as in an etcd that does not use those parts. Source: etcd v3 HTTP surface, §5.2 and §5.4.
 */
import { type Family, histogram, labelled, plain, powers, Tally } from "./exposition.ts";

const seconds = powers(0.001, 2, 14);

const store = "The v2 store, which is not here.";
const proxy = "A gRPC proxy, which a member is not.";
const snapshotFile = "Snapshot files beside the backend, of which there are none: the backend is the snapshot.";
const tree = "A step of bbolt's commit; the backend here is LMDB, which has no such step of its own.";

export const absentFamilies: readonly Family[] = [
  ...["reads_total", "reads_failed_total", "writes_total", "writes_failed_total"].map((name) =>
    labelled("counter", `etcd_debugging_store_${name}`, store, () => []),
  ),
  plain("counter", "etcd_debugging_store_expires_total", store, () => 0),
  plain("counter", "etcd_debugging_store_watch_requests_total", store, () => 0),
  plain("gauge", "etcd_debugging_store_watchers", store, () => 0),
  ...["cache_hits", "cache_keys", "cache_misses", "watchers_coalescing"].map((name) =>
    plain("gauge", `etcd_grpc_proxy_${name}_total`, proxy, () => 0),
  ),
  plain("counter", "etcd_grpc_proxy_events_coalescing_total", proxy, () => 0),
  ...["etcd_snap_fsync", "etcd_snap_db_fsync", "etcd_debugging_snap_save_total"].map((name) =>
    histogram(`${name}_duration_seconds`, snapshotFile, new Tally(seconds)),
  ),
  histogram("etcd_debugging_snap_save_marshalling_duration_seconds", snapshotFile, new Tally(seconds)),
  histogram("etcd_snap_db_save_total_duration_seconds", snapshotFile, new Tally(powers(0.1, 2, 10))),
  ...["rebalance", "spill"].map((step) =>
    histogram(`etcd_debugging_disk_backend_commit_${step}_duration_seconds`, tree, new Tally(seconds)),
  ),
  histogram(
    "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
    "Compaction of the index alone; here it is part of each piece of a compaction.",
    new Tally(powers(0.5, 2, 14)),
  ),
];
