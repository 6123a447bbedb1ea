/*
 * What a scrape reads from the member itself: agreement, keys, leases, watches, alarms, users. Nothing is recorded for
 * these but what core counts anyway. Source: etcd v3 HTTP surface, §5.1 and §5.4.
 */
import { hexOf, type MemberCounts, type MemberRecord, ttlPowerMax } from "../../../core/index.ts";
import { type Family, labelled, plain, powers, Tally } from "./exposition.ts";

/** The part of a member that is looked at. */
export interface MeteredMember {
  readonly counts: MemberCounts;
  readonly appliedIndex: number;
  readonly currentRevision: number;
  readonly compactRevision: number;
  /** undefined until it is decided. */
  readonly clusterVersion: string | undefined;
  readonly members: readonly MemberRecord[];
  readonly alarms: readonly { readonly memberId: bigint; readonly alarm: "none" | "noSpace" | "corrupt" }[];
  readonly raft: {
    readonly leaderId: bigint | undefined;
    readonly role: string;
    readonly commitIndex: number;
    readonly configuration: { readonly learners: readonly bigint[] };
  };
}

export interface StateSource {
  readonly member: MeteredMember;
  readonly memberId: bigint;
  readonly version: string;
  readonly quotaBytes: number;
  readonly features: readonly { readonly name: string; readonly stage: string; readonly enabled: boolean }[];
  readonly backend: {
    size(): { readonly allocatedBytes: number; readonly usedBytes: number };
    readonly openViews: number;
  };
}

export function stateFamilies(source: StateSource): readonly Family[] {
  return [...serverFamilies(source), ...keyFamilies(source), ...leaseFamilies(source), ...watchFamilies(source)];
}

const one = (labels: { readonly [name: string]: string }) => [{ labels, value: 1 }];

function serverFamilies({ member, memberId, version, quotaBytes, features }: StateSource): Family[] {
  const { raft } = member;
  const id = hexOf(memberId);
  return [
    plain("gauge", "etcd_server_has_leader", "1 when a leader is known.", () => Number(raft.leaderId !== undefined)),
    plain("gauge", "etcd_server_is_leader", "1 when this member leads.", () => Number(raft.role === "leader")),
    plain("gauge", "etcd_server_is_learner", "1 when this member is a learner.", () =>
      Number(raft.configuration.learners.includes(memberId)),
    ),
    plain("gauge", "etcd_server_proposals_committed_total", "Last committed index.", () => raft.commitIndex),
    plain("gauge", "etcd_server_proposals_applied_total", "Last applied index.", () => member.appliedIndex),
    plain("gauge", "etcd_server_proposals_pending", "Writes under way.", () => member.counts.writes.waiting),
    plain(
      "counter",
      "etcd_server_proposals_failed_total",
      "Writes that were dropped or ran out of time.",
      () => member.counts.writes.failed,
    ),
    plain(
      "counter",
      "etcd_server_slow_read_indexes_total",
      "Proofs of leadership for reads that had to be asked for again.",
      () => member.counts.reads.slow,
    ),
    plain(
      "counter",
      "etcd_server_read_indexes_failed_total",
      "Linearizable reads that ran out of time.",
      () => member.counts.reads.failed,
    ),
    plain("gauge", "etcd_server_snapshot_apply_in_progress_total", "1 while a snapshot is put in place.", () =>
      Number(member.counts.isInstalling),
    ),
    plain("gauge", "etcd_server_quota_backend_bytes", "Quota of the backend.", () => quotaBytes),
    labelled("gauge", "etcd_server_id", "1 for this member's id.", () => one({ server_id: id })),
    labelled("gauge", "etcd_server_version", "1 for the version this member runs.", () =>
      one({ server_version: version }),
    ),
    labelled("gauge", "etcd_server_go_version", "1 for what runs this member, which is not Go.", () =>
      one({ server_go_version: `node ${process.version}` }),
    ),
    labelled("gauge", "etcd_cluster_version", "1 for the version the cluster keeps to.", () => {
      const { clusterVersion } = member;
      return clusterVersion === undefined
        ? []
        : one({ cluster_version: clusterVersion.split(".").slice(0, 2).join(".") });
    }),
    labelled("gauge", "etcd_server_feature_enabled", "1 for a feature that is on.", () =>
      features.map(({ name, stage, enabled }) => ({
        labels: { name, stage: stage.toUpperCase() },
        value: Number(enabled),
      })),
    ),
    labelled("gauge", "etcd_debugging_server_alarms", "1 for an alarm that stands.", () =>
      member.alarms.map((each) => ({
        labels: {
          server_id: hexOf(each.memberId),
          alarm_type: each.alarm.toUpperCase(),
        },
        value: 1,
      })),
    ),
    plain("gauge", "etcd_debugging_auth_revision", "Revision of users and roles.", () => member.counts.authRevision),
  ];
}

function keyFamilies({ member, backend }: StateSource): Family[] {
  const keys = (): MemberCounts["keys"] => member.counts.keys;
  const operations = (
    [
      ["range", "Ranges", () => keys().ranges],
      ["put", "Puts", () => keys().puts],
      ["delete", "Deletions", () => keys().deletes],
      ["txn", "Requests of more than one operation", () => keys().txns],
    ] as const
  ).flatMap(([name, what, value]) =>
    // Dashboards of older releases ask under the other name.
    ["etcd_mvcc", "etcd_debugging_mvcc"].map((prefix) =>
      plain("counter", `${prefix}_${name}_total`, `${what} carried out by this member.`, value),
    ),
  );
  return [
    plain(
      "gauge",
      "etcd_mvcc_db_total_size_in_bytes",
      "Allocated by the backend.",
      () => backend.size().allocatedBytes,
    ),
    plain(
      "gauge",
      "etcd_debugging_mvcc_db_total_size_in_bytes",
      "The same, under the name of older releases.",
      () => backend.size().allocatedBytes,
    ),
    plain("gauge", "etcd_mvcc_db_total_size_in_use_in_bytes", "Used in the backend.", () => backend.size().usedBytes),
    plain(
      "gauge",
      "etcd_mvcc_db_open_read_transactions",
      "Views of the backend that snapshots and hashes read.",
      () => backend.openViews,
    ),
    ...operations,
    plain("gauge", "etcd_debugging_mvcc_current_revision", "Current revision.", () => member.currentRevision),
    plain("gauge", "etcd_debugging_mvcc_compact_revision", "Last compacted revision.", () => member.compactRevision),
    plain("gauge", "etcd_debugging_mvcc_keys_total", "Keys in memory, live or not.", () => member.counts.storedKeys),
    plain(
      "gauge",
      "etcd_debugging_mvcc_total_put_size_in_bytes",
      "Bytes of keys and values of all puts.",
      () => keys().putBytes,
    ),
    plain(
      "counter",
      "etcd_debugging_mvcc_db_compaction_keys_total",
      "Old revisions that compactions removed.",
      () => member.counts.compactedEntries,
    ),
  ];
}

function leaseFamilies({ member }: StateSource): Family[] {
  const count = (name: string, help: string, value: (leases: MemberCounts["leases"]) => number): Family =>
    plain("counter", name, help, () => value(member.counts.leases));
  return [
    count("etcd_debugging_lease_granted_total", "Leases granted.", ({ granted }) => granted),
    count("etcd_debugging_lease_revoked_total", "Leases revoked, those past their time too.", ({ revoked }) => revoked),
    count("etcd_debugging_lease_renewed_total", "Renewals by this member as the leader.", ({ renewed }) => renewed),
    count(
      "etcd_debugging_server_lease_expired_total",
      "Leases whose end this member proposed because their time was over.",
      ({ expired }) => expired,
    ),
    {
      name: "etcd_debugging_lease_ttl_total",
      type: "histogram",
      help: "Seconds leases were granted for.",
      read() {
        const { grantedByTtl, ttlSeconds } = member.counts.leases;
        const tally = new Tally(powers(1, 2, ttlPowerMax + 1));
        for (const [place, granted] of grantedByTtl.entries()) tally.counts[place] = granted;
        tally.sum = ttlSeconds;
        return [{ value: tally }];
      },
    },
  ];
}

function watchFamilies({ member }: StateSource): Family[] {
  const of = (type: "counter" | "gauge", name: string, help: string, value: keyof MemberCounts["watches"]): Family =>
    plain(type, name, help, () => member.counts.watches[value]);
  return [
    of("gauge", "etcd_debugging_mvcc_watch_stream_total", "Open watch streams.", "streams"),
    of("gauge", "etcd_debugging_mvcc_watcher_total", "Watches.", "watches"),
    of("gauge", "etcd_debugging_mvcc_slow_watcher_total", "Watches that are behind.", "behind"),
    of("counter", "etcd_debugging_mvcc_events_total", "Events sent to watches.", "events"),
    plain(
      "gauge",
      "etcd_debugging_mvcc_pending_events_total",
      "Always 0: no watch holds events back, one that is behind reads them from the history.",
      () => 0,
    ),
  ];
}
