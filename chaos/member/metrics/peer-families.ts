/*
 * What goes between this member and each of the others. Source: etcd v3 HTTP surface, §5.3.
 */
import { hexOf, type MemberCounts, type MemberId } from "../../../core/index.ts";
import type { PeerTraffic } from "../peer-traffic.ts";
import { type Family, labelled, powers, type Sample, TallyTable } from "./exposition.ts";

export interface PeerSource {
  readonly memberId: MemberId;
  readonly traffic: PeerTraffic;
  readonly counts: () => MemberCounts;
}

export class PeerFamilies {
  readonly #source: PeerSource;
  readonly #sending = new TallyTable(powers(0.1, 2, 10), ["To"]);
  readonly #receiving = new TallyTable(powers(0.1, 2, 10), ["From"]);
  /** Transfers under way, and since when. */
  readonly #since = new Map<MemberId, number>();
  #arriving: { readonly from: MemberId; readonly sinceMs: number; readonly received: number } | undefined;
  readonly #brokenOff = new Map<MemberId, number>();

  constructor(source: PeerSource) {
    this.#source = source;
  }

  /** Once a tick: sees transfers begin and end, so that their times are as exact as a tick is long. */
  tick(nowMs: number): void {
    for (const [to, { sending }] of this.#source.counts().snapshotsSent) {
      const since = this.#since.get(to);
      if (sending > 0 && since === undefined) this.#since.set(to, nowMs);
      else if (sending === 0 && since !== undefined) {
        this.#since.delete(to);
        this.#sending.of(hexOf(to)).observe((nowMs - since) / 1_000);
      }
    }
    const { snapshotFrom, snapshotsReceived } = this.#source.counts();
    const arriving = this.#arriving;
    if (arriving !== undefined && snapshotFrom !== arriving.from) {
      const isWhole = (snapshotsReceived.get(arriving.from) ?? 0) > arriving.received;
      if (isWhole) this.#receiving.of(hexOf(arriving.from)).observe((nowMs - arriving.sinceMs) / 1_000);
      else this.#brokenOff.set(arriving.from, (this.#brokenOff.get(arriving.from) ?? 0) + 1);
      this.#arriving = undefined;
    }
    if (snapshotFrom !== undefined) {
      const received = snapshotsReceived.get(snapshotFrom) ?? 0;
      this.#arriving ??= { from: snapshotFrom, sinceMs: nowMs, received };
    }
  }

  get families(): readonly Family[] {
    const { traffic, memberId, counts } = this.#source;
    const local = hexOf(memberId);
    const perPeer = (
      label: "To" | "From",
      read: () => Iterable<readonly [MemberId, number]>,
    ): (() => Iterable<Sample>) => {
      return () => [...read()].map(([peer, value]) => ({ labels: { [label]: hexOf(peer) }, value }));
    };
    const perPair = (read: () => Iterable<readonly [MemberId, number]>) => (): Iterable<Sample> =>
      [...read()].map(([peer, value]) => ({ labels: { Local: local, Remote: hexOf(peer) }, value }));
    const sent = (of: "sending" | "sent" | "failed") => (): Iterable<readonly [MemberId, number]> =>
      [...counts().snapshotsSent].map(([to, each]) => [to, each[of]] as const);
    return [
      labelled(
        "counter",
        "etcd_network_peer_sent_bytes_total",
        "Bytes sent.",
        perPeer("To", () => traffic.sentBytes),
      ),
      labelled(
        "counter",
        "etcd_network_peer_sent_failures_total",
        "Messages that could not be sent.",
        perPeer("To", () => traffic.unsent),
      ),
      labelled(
        "counter",
        "etcd_network_peer_received_bytes_total",
        "Bytes received.",
        perPeer("From", () => traffic.receivedBytes),
      ),
      labelled(
        "counter",
        "etcd_network_peer_received_failures_total",
        "Frames that could not be taken.",
        perPeer("From", () => traffic.malformed),
      ),
      traffic.roundTrips.family("etcd_network_peer_round_trip_time_seconds", "Time to a sign of life and back."),
      labelled(
        "gauge",
        "etcd_network_active_peers",
        "1 for a connected member.",
        perPair(() => traffic.active),
      ),
      labelled(
        "gauge",
        "etcd_network_known_peers",
        "1 for a member of the cluster.",
        perPair(() => traffic.known),
      ),
      labelled(
        "counter",
        "etcd_network_disconnected_peers_total",
        "Connections lost.",
        perPair(() => traffic.disconnections),
      ),
      labelled("counter", "etcd_network_snapshot_send_success", "Snapshots sent.", perPeer("To", sent("sent"))),
      labelled("counter", "etcd_network_snapshot_send_failures", "Snapshots given up.", perPeer("To", sent("failed"))),
      labelled(
        "gauge",
        "etcd_network_snapshot_send_inflights_total",
        "Snapshots being sent.",
        perPeer("To", sent("sending")),
      ),
      this.#sending.family("etcd_network_snapshot_send_total_duration_seconds", "Time of a snapshot sent, in ticks."),
      labelled(
        "counter",
        "etcd_network_snapshot_receive_success",
        "Snapshots received.",
        perPeer("From", () => counts().snapshotsReceived),
      ),
      labelled(
        "counter",
        "etcd_network_snapshot_receive_failures",
        "Snapshots that began to arrive and did not.",
        perPeer("From", () => this.#brokenOff),
      ),
      labelled(
        "gauge",
        "etcd_network_snapshot_receive_inflights_total",
        "Snapshots arriving.",
        perPeer("From", () => {
          const { snapshotFrom } = counts();
          return snapshotFrom === undefined ? [] : [[snapshotFrom, 1] as const];
        }),
      ),
      this.#receiving.family(
        "etcd_network_snapshot_receive_total_duration_seconds",
        "Time of a snapshot received, in ticks.",
      ),
    ];
  }
}
