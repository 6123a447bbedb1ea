/*
 * What happens to a member, as lines of its log in etcd's words: operators and their tools look for them. It only tells;
 * whoever acts on an event does so elsewhere. Some things are no events of the member and are seen by looking again
 * after each tick. Source: etcd configuration, §8 logging; etcd's life of a member, raft log texts.
 */
import {
  type ClusterId,
  hexOf,
  type Member,
  type MemberEvent,
  type MemberId,
  type MemberRecord,
} from "../../core/index.ts";
import type { Log } from "./log.ts";

export interface NarratorOptions {
  readonly log: Log;
  readonly clusterId: ClusterId;
  readonly member: Pick<Member, "raft" | "members" | "clusterVersion" | "compactedPhysically" | "readCounts">;
  readonly tickMs: number;
  readonly readRetryMs: number;
  readonly requestTimeoutMs: number;
  /** Of the backend; below 0: none. */
  readonly quotaBytes: number;
  /** Whether the disk, not the quota, is what is full. */
  readonly isDiskFull: () => boolean;
}

type RoleChanged = Extract<MemberEvent, { readonly type: "roleChanged" }>;

const alarmNames = { none: "NONE", noSpace: "NOSPACE", corrupt: "CORRUPT" } as const;
const roleNames: { readonly [Role in RoleChanged["role"]]: string } = {
  follower: "follower",
  preCandidate: "pre-candidate",
  candidate: "candidate",
  leader: "leader",
};

export class Narrator {
  readonly #options: NarratorOptions;
  readonly #log: Log;
  readonly #own: string;
  #role: RoleChanged["role"] = "follower";
  #term: number;
  #leaderId: MemberId | undefined;
  #members: ReadonlyMap<MemberId, MemberRecord>;
  #alarms = "";
  #clusterVersion: string | undefined;
  #compacted: number;
  #reads = { slow: 0, failed: 0 };
  #lookedMs: number | undefined;
  /** When to say that the cluster does not know this life of the member yet; undefined: it does. */
  #publishDueMs: number | undefined = Number.NEGATIVE_INFINITY;

  constructor(options: NarratorOptions) {
    this.#options = options;
    this.#log = options.log;
    const { raft, members, compactedPhysically, clusterVersion } = options.member;
    this.#own = hexOf(raft.id);
    this.#term = raft.term;
    this.#members = byId(members);
    this.#compacted = compactedPhysically;
    this.#clusterVersion = clusterVersion;
  }

  tell(event: MemberEvent): void {
    const log = this.#log;
    switch (event.type) {
      case "roleChanged":
        this.#tellRole(event);
        break;
      case "leaderChanged":
        this.#tellLeader(event.leaderId, event.term);
        break;
      case "published":
        this.#publishDueMs = undefined;
        log.info("published local member to cluster through raft", {
          "local-member-id": this.#own,
          "cluster-id": hexOf(this.#options.clusterId),
        });
        break;
      case "membersChanged":
        this.#tellMembers();
        break;
      case "snapshotInstalled":
        log.info("applied snapshot", { "incoming-leader-snapshot-index": event.index });
        break;
      case "logCompacted":
        log.info("compacted Raft logs", { "compact-index": event.firstIndex });
        break;
      case "impossibleWord":
        log.error(`dropped a message of a peer that ${event.what}; look at that member's disk and version`, {
          "remote-peer-id": hexOf(event.from),
        });
        break;
      case "alarmsChanged":
        this.#tellAlarms(event.alarms);
        break;
      case "autoCompaction": {
        const { revision, retention } = event;
        const kept =
          retention.mode === "revision"
            ? { "revision-compaction-retention": retention.revisions }
            : { "compact-period": `${retention.periodMs / 1_000}s` };
        log.info(`starting auto ${retention.mode} compaction`, { revision, ...kept });
        break;
      }
      case "log":
        log[event.level](event.text, event.fields);
        break;
    }
  }

  /** After each tick. @param nowMs of the monotonic clock */
  lookAround(nowMs: number): void {
    const { member, tickMs } = this.#options;
    if (this.#lookedMs !== undefined) this.#tellLateness(nowMs - this.#lookedMs - 2 * tickMs);
    this.#lookedMs = nowMs;
    if (member.clusterVersion !== this.#clusterVersion) this.#tellVersion(member.clusterVersion);
    if (member.compactedPhysically !== this.#compacted) {
      this.#compacted = member.compactedPhysically;
      this.#log.info("finished scheduled compaction", { "compact-revision": this.#compacted });
    }
    this.#tellReads(member.readCounts);
    if (this.#publishDueMs !== undefined && nowMs >= this.#publishDueMs) this.#tellUnpublished(nowMs);
  }

  /** Until it is published no client is served, and without this line nothing would say why. */
  #tellUnpublished(nowMs: number): void {
    const { requestTimeoutMs } = this.#options;
    if (this.#publishDueMs !== Number.NEGATIVE_INFINITY) {
      this.#log.warn("failed to publish local member to cluster through raft", {
        "local-member-id": this.#own,
        "publish-timeout": `${requestTimeoutMs / 1_000}s`,
        error: this.#leaderId === undefined ? "etcdserver: no leader" : "etcdserver: request timed out",
      });
    }
    this.#publishDueMs = nowMs + requestTimeoutMs;
  }

  /** Counts of this life, which only grow. */
  #tellReads({ slow, failed }: { readonly slow: number; readonly failed: number }): void {
    const { readRetryMs, requestTimeoutMs } = this.#options;
    if (slow > this.#reads.slow) {
      this.#log.warn("waiting for ReadIndex response took too long, retrying", {
        "retry-timeout": `${readRetryMs}ms`,
      });
    }
    if (failed > this.#reads.failed) {
      this.#log.warn("timed out waiting for read index response (local node might have slow network)", {
        timeout: `${requestTimeoutMs / 1_000}s`,
      });
    }
    this.#reads = { slow, failed };
  }

  // ---- raft ------------------------------------------------------------------------------------------------------

  #tellRole({ role, term }: RoleChanged): void {
    const raft = (text: string): void => this.#log.info(`${this.#own} ${text}`, { logger: "raft" });
    const stoodForElection = role === "preCandidate" || (role === "candidate" && this.#role !== "preCandidate");
    if (stoodForElection) raft(`is starting a new election at term ${this.#term}`);
    // Nobody with a higher term made it step down: it heard from too few, unless it was removed.
    const { raft: own, members } = this.#options.member;
    const belongs = members.some(({ memberId }) => memberId === own.id);
    if (belongs && this.#role === "leader" && role === "follower" && term === this.#term) {
      this.#log.warn(`${this.#own} stepped down to follower since quorum is not active`, { logger: "raft" });
    }
    raft(`became ${roleNames[role]} at term ${term}`);
    this.#role = role;
    this.#term = term;
  }

  #tellLeader(leaderId: MemberId | undefined, term: number): void {
    const previous = this.#leaderId;
    if (leaderId === previous) return;
    this.#leaderId = leaderId;
    const text =
      leaderId === undefined
        ? `lost leader ${previous === undefined ? "" : hexOf(previous)} at term ${term}`
        : previous === undefined
          ? `elected leader ${hexOf(leaderId)} at term ${term}`
          : `changed leader from ${hexOf(previous)} to ${hexOf(leaderId)} at term ${term}`;
    this.#log.info(`raft.node: ${this.#own} ${text}`, { logger: "raft" });
  }

  #tellLateness(lateMs: number): void {
    const { member, tickMs } = this.#options;
    if (lateMs <= 0 || member.raft.role !== "leader" || member.members.length < 2) return;
    this.#log.warn(
      "leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk",
      {
        "heartbeat-interval": `${tickMs}ms`,
        "expected-duration": `${2 * tickMs}ms`,
        "exceeded-duration": `${lateMs.toFixed(3)}ms`,
      },
    );
  }

  // ---- the cluster -----------------------------------------------------------------------------------------------

  #tellMembers(): void {
    const { member, clusterId } = this.#options;
    const before = this.#members;
    this.#members = byId(member.members);
    const common = { "cluster-id": hexOf(clusterId), "local-member-id": this.#own };
    for (const [memberId, { peerUrls, isLearner }] of this.#members) {
      const old = before.get(memberId);
      const id = hexOf(memberId);
      if (old === undefined) {
        this.#log.info("added member", { ...common, "added-peer-id": id, "added-peer-peer-urls": peerUrls });
      } else if (old.isLearner && !isLearner) {
        this.#log.info("promote member", { ...common, "promoted-member-id": id });
      } else if (old.peerUrls.join() !== peerUrls.join()) {
        this.#log.info("updated member", {
          ...common,
          "updated-remote-peer-id": id,
          "updated-remote-peer-urls": peerUrls,
        });
      }
    }
    for (const [memberId, { peerUrls }] of before) {
      if (this.#members.has(memberId)) continue;
      this.#log.info("removed member", {
        ...common,
        "removed-remote-peer-id": hexOf(memberId),
        "removed-remote-peer-urls": peerUrls,
      });
    }
  }

  #tellVersion(version: string | undefined): void {
    const before = this.#clusterVersion;
    this.#clusterVersion = version;
    if (version === undefined) return;
    const short = shortVersion(version);
    const common = { "cluster-id": hexOf(this.#options.clusterId), "local-member-id": this.#own };
    if (before === undefined) this.#log.info("set initial cluster version", { ...common, "cluster-version": short });
    else this.#log.info("updated cluster version", { ...common, from: shortVersion(before), to: short });
    this.#log.info("enabled capabilities for version", { "cluster-version": short });
  }

  #tellAlarms(alarms: Extract<MemberEvent, { readonly type: "alarmsChanged" }>["alarms"]): void {
    const texts = alarms.map(({ memberId, alarm }) => `${hexOf(memberId)} ${alarmNames[alarm]}`);
    const ownText = `${this.#own} NOSPACE`;
    const { quotaBytes, isDiskFull } = this.#options;
    if (texts.includes(ownText) && !this.#alarms.includes(ownText)) {
      if (isDiskFull()) this.#log.warn("there is no room left on the disk; raising alarm");
      else this.#log.warn("message exceeded backend quota; raising alarm", { "quota-size-bytes": quotaBytes });
    }
    this.#alarms = texts.join(", ");
    this.#log.warn("alarms changed", { alarms: this.#alarms });
  }
}

const byId = (members: readonly MemberRecord[]): ReadonlyMap<MemberId, MemberRecord> =>
  new Map(members.map((record) => [record.memberId, record]));

/** 3.6.0 → 3.6 */
const shortVersion = (version: string): string => version.split(".").slice(0, 2).join(".");
