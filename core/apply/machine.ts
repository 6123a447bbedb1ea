/*
 * The replicated state machine of one member, over its backend: committed entries go in, one after the other, each
 * exactly once; answers and changes come out. The same entries make the same state on every member: nothing here looks
 * at a clock (but for the primary's lease timers), at a size, or at how far this member's compaction got.
 *
 * Every entry leaves its index, and its term when new, in the same backend batch as the data. So a backend that lost
 * its last commits says itself where the replay has to go on, and no entry is applied to a state that holds it already.
 */
import { assert, unreachable } from "../assert.ts";
import { refusalOfCall } from "../auth/access.ts";
import { AuthStore } from "../auth/auth-store.ts";
import { anonymous, type Identity } from "../auth/identity.ts";
import { bytesOfCount, readCount } from "../byte-io.ts";
import { utf8Encode } from "../bytes.ts";
import type { MemberConfig } from "../config.ts";
import { type KeyCounts, newKeyCounts } from "../counts.ts";
import type { RefusalName } from "../errors.ts";
import {
  indexOf,
  type LogIndex,
  type MemberId,
  noIndex,
  noTerm,
  type Revision,
  revisionOf,
  type Term,
  termOf,
} from "../ids.ts";
import { Lessor } from "../lease/lessor.ts";
import type { Change } from "../mvcc/change.ts";
import { Store, type StoredHash } from "../mvcc/store.ts";
import type { Backend } from "../ports.ts";
import type { Entry } from "../raft/message.ts";
import type {
  Answer,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  MemberRecord,
  RangeAnswer,
  RangeRequest,
  TxnAnswer,
  TxnRequest,
} from "../request.ts";
import { Alarms } from "./alarms.ts";
import { ClusterVersion } from "./cluster-version.ts";
import {
  type ClusterVersionRequest,
  type CommandRequest,
  type ConfigurationRequest,
  type DowngradeInfoRequest,
  decodeCommand,
  type MemberVersionRequest,
  type ProposalId,
  type PublishMemberRequest,
} from "./command.ts";
import { Membership } from "./membership.ts";
import { isReadOnly } from "./quota.ts";
import { applyDeleteRange, applyPut, applyTxn, type KeySpace } from "./txn.ts";

const consistentIndexKey = utf8Encode("consistent_index");
const termKey = utf8Encode("term");
const noChanges: readonly Change[] = [];

/** An answer and the store's revision when it was made. */
export type Result<Body> =
  | { readonly ok: true; readonly revision: Revision; readonly answer: Body }
  | { readonly ok: false; readonly refusal: RefusalName };

/** What one entry did. */
export interface Applied {
  /** Who waits for the result; undefined for entries that are no commands. */
  readonly id: ProposalId | undefined;
  /** undefined when nobody is answered: no command, or one that members send for themselves. */
  readonly result: Result<Answer> | undefined;
  /** All of one revision, in order; empty when nothing changed. */
  readonly changes: readonly Change[];
  /** The member whose attributes this entry made known. */
  readonly published: MemberId | undefined;
  /** The members are other ones now, or vote otherwise, or have other addresses. */
  readonly reconfigured: boolean;
  /** What was carried out or refused; undefined for what says nothing to clients. */
  readonly operation: string | undefined;
}

export interface MachineOptions {
  readonly backend: Backend;
  readonly config: MemberConfig;
  /** Written when the backend is empty. */
  readonly bootstrapMembers: readonly MemberRecord[];
}

export class Machine {
  readonly store: Store;
  readonly lessor: Lessor;
  readonly membership: Membership;
  readonly alarms: Alarms;
  readonly auth: AuthStore;
  readonly cluster: ClusterVersion;
  readonly counts: KeyCounts = newKeyCounts();
  private readonly backend: Backend;
  private readonly space: KeySpace;
  private index: LogIndex = noIndex;
  private term: Term = noTerm;

  constructor({ backend, config, bootstrapMembers }: MachineOptions) {
    this.backend = backend;
    this.store = new Store(backend, config);
    this.lessor = new Lessor(backend, config);
    this.membership = new Membership(backend);
    this.alarms = new Alarms(backend);
    this.auth = new AuthStore(backend, config);
    this.cluster = new ClusterVersion(backend);
    this.space = { store: this.store, lessor: this.lessor, counts: this.counts };
    this.reload();
    if (this.index === noIndex && this.membership.records.length === 0) this.membership.bootstrap(bootstrapMembers);
  }

  /** The backend was replaced: takes everything from it anew. Timers of leases are forgotten. */
  reload(): void {
    this.index = indexOf(this.readMeta(consistentIndexKey));
    this.term = termOf(this.readMeta(termKey));
    this.lessor.reload(this.store.reload());
    this.membership.reload();
    this.alarms.reload();
    this.auth.reload();
    this.cluster.reload();
  }

  /** Index of the last entry applied; 0 before the first. */
  get appliedIndex(): LogIndex {
    return this.index;
  }

  /** Term of the last entry applied. */
  get appliedTerm(): Term {
    return this.term;
  }

  /** Applies the entry after {@link appliedIndex}. `nowMs` serves the timers of the primary alone. */
  apply(entry: Entry, nowMs: number): Applied {
    assert(
      entry.index === this.index + 1,
      "entries are applied one after the other, each once",
      entry.index,
      this.index,
    );
    assert(entry.term >= this.term, "terms of applied entries never go back", entry.term, this.term);
    this.index = entry.index;
    this.backend.put("meta", consistentIndexKey, bytesOfCount(entry.index));
    if (entry.term !== this.term) {
      this.term = entry.term;
      this.backend.put("meta", termKey, bytesOfCount(entry.term));
    }
    if (entry.kind === "empty") return nothingApplied;
    const { id, identity = anonymous, request } = decodeCommand(entry.data);
    switch (request.type) {
      case "publishMember": {
        const known = this.membership.publish(request.memberId, request);
        return { ...nothingApplied, id, published: known ? request.memberId : undefined };
      }
      case "memberVersion":
        if (this.membership.get(request.memberId) !== undefined) {
          this.cluster.setMemberVersion(request.memberId, request.version);
        }
        return { ...nothingApplied, id };
      case "clusterVersion":
        this.cluster.setVersion(request.version);
        return { ...nothingApplied, id };
      case "downgradeInfo":
        return { ...nothingApplied, id, result: this.downgrade(request) };
      case "memberAdd":
      case "memberRemove":
      case "memberUpdate":
      case "memberPromote":
      case "memberReconfigure":
      case "leaveJoint": {
        assert(entry.kind === "configuration", "a change of members has an entry of its own kind");
        const outcome = this.membership.apply(request);
        // Answers of the Cluster service carry no revision.
        const result = outcome.ok ? { ...outcome, revision: revisionOf(0) } : outcome;
        return { ...nothingApplied, id, result, reconfigured: outcome.ok };
      }
      default:
        assert(entry.kind === "command", "an entry that changes no members is a command");
        return this.applyRequest(id, identity, request, nowMs);
    }
  }

  /** Alarms speak first, then rights: who may not write hears of a full disk nonetheless. */
  private applyRequest(id: ProposalId, identity: Identity, request: StateRequest, nowMs: number): Applied {
    const refusal = this.alarms.refusalOf(request) ?? this.refusalByAuth(identity, request);
    const outcome = refusal === undefined ? this.carryOut(request, nowMs) : refused(refusal);
    const changes = this.store.finish();
    assert(outcome?.ok !== false || changes.length === 0, "a refused request changes nothing");
    const result = outcome?.ok
      ? { ok: true as const, revision: this.store.currentRevision, answer: outcome.answer }
      : outcome;
    const operation = request.type === "auth" ? request.change.type : request.type;
    return { id, result, changes, published: undefined, reconfigured: false, operation };
  }

  /** Members send checkpoints on their own account. */
  private refusalByAuth(identity: Identity, request: StateRequest): RefusalName | undefined {
    return request.type === "leaseCheckpoint" ? undefined : refusalOfCall(this.auth, this.lessor, identity, request);
  }

  /** A read at this member's applied state; whether that state is fresh enough is for the caller to know. */
  range(request: RangeRequest): Result<RangeAnswer> {
    const result = this.store.range(request);
    this.counts.ranges += 1;
    return result.ok ? { ok: true, revision: this.store.currentRevision, answer: result.answer } : result;
  }

  /** The same for a transaction of nothing but compares and ranges. */
  readTxn(request: TxnRequest): Result<TxnAnswer> {
    assert(isReadOnly(request), "a transaction that may write is replicated");
    const result = applyTxn(this.space, request);
    assert(this.store.changeCount === 0, "a read changes nothing");
    return result.ok ? { ok: true, revision: this.store.currentRevision, answer: result.answer } : result;
  }

  /** Hash over the history of keys up to that revision, 0: the current one. Reads all of it. */
  hashKv(
    revision: number,
  ): ({ readonly ok: true } & StoredHash) | { readonly ok: false; readonly refusal: RefusalName } {
    return this.store.hashKv(revision);
  }

  /** The same for the current revision, made from what was applied since the last call: for frequent comparisons. */
  runningHash(): StoredHash {
    return this.store.runningHash();
  }

  /** One bounded piece of background work (compaction); called once a tick. */
  tick(): void {
    this.store.tick();
  }

  private carryOut(
    request: StateRequest,
    nowMs: number,
  ):
    | { readonly ok: true; readonly answer: Answer }
    | { readonly ok: false; readonly refusal: RefusalName }
    | undefined {
    switch (request.type) {
      case "put":
        return applyPut(this.space, request);
      case "deleteRange":
        return { ok: true, answer: applyDeleteRange(this.space, request) };
      case "txn":
        return applyTxn(this.space, request);
      case "compact": {
        const refusal = this.store.compact(request.revision);
        return refusal === undefined ? { ok: true, answer: { type: "compact" } } : refused(refusal);
      }
      case "leaseGrant":
        return this.grant(request, nowMs);
      case "leaseRevoke":
        return this.revoke(request);
      case "leaseCheckpoint":
        for (const checkpoint of request.checkpoints) {
          this.lessor.checkpoint(checkpoint.leaseId, checkpoint.remainingTtlSeconds);
        }
        return undefined;
      case "alarm":
        return { ok: true, answer: { type: "alarm", alarms: this.alarms.apply(request) } };
      case "auth":
        return this.auth.apply(request.change, { index: this.index, nowMs });
      default:
        return unreachable(request);
    }
  }

  private downgrade(request: DowngradeInfoRequest): Result<Answer> {
    const refusal = this.cluster.setDowngrade(request);
    if (refusal !== undefined) return refused(refusal);
    return { ok: true, revision: this.store.currentRevision, answer: downgradeAnswer(this.cluster) };
  }

  private grant({ leaseId, ttlSeconds }: LeaseGrantRequest, nowMs: number) {
    const granted = this.lessor.grant(leaseId, ttlSeconds, nowMs);
    if (!granted.ok) return granted;
    return { ok: true as const, answer: { type: "leaseGrant" as const, leaseId, ttlSeconds: granted.ttlSeconds } };
  }

  /** The lease goes with all its keys, in byte order, in one revision; without keys the revision stays. */
  private revoke({ leaseId }: LeaseRevokeRequest) {
    if (!this.lessor.has(leaseId)) return refused("leaseNotFound");
    for (const text of this.lessor.keysOf(leaseId)) {
      const existed = this.store.deleteKey(text, undefined);
      assert(existed, "a key attached to a lease is live");
      this.lessor.detach(text);
      this.counts.deletes += 1;
    }
    this.lessor.remove(leaseId);
    return { ok: true as const, answer: { type: "leaseRevoke" as const } };
  }

  private readMeta(key: Uint8Array): number {
    const bytes = this.backend.get("meta", key);
    return bytes === undefined ? 0 : readCount(bytes, 0);
  }
}

/** What reads or changes keys, leases and alarms. */
type StateRequest = Exclude<
  CommandRequest,
  PublishMemberRequest | MemberVersionRequest | ClusterVersionRequest | DowngradeInfoRequest | ConfigurationRequest
>;

/** What every accepted call of Downgrade is answered with. */
export function downgradeAnswer({ version }: Pick<ClusterVersion, "version">): Answer {
  return { type: "downgrade", version: version === undefined ? "" : `${version.major}.${version.minor}` };
}

const nothingApplied: Applied = {
  id: undefined,
  result: undefined,
  changes: noChanges,
  published: undefined,
  reconfigured: false,
  operation: undefined,
};

const refused = (refusal: RefusalName): { readonly ok: false; readonly refusal: RefusalName } => ({
  ok: false,
  refusal,
});
