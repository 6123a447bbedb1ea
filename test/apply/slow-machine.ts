/*
 * The replicated state machine, slow and obvious: a plain list of all changes ever made, searched from its start for
 * every question. It forgets nothing at a compaction; it only refuses to look back. Written from the API's rules alone.
 */

import type { CommandRequest } from "../../core/apply/command.ts";
import { compareBytes, equalBytes } from "../../core/bytes.ts";
import type { RefusalName } from "../../core/errors.ts";
import { leaseIdOf, revisionOf } from "../../core/ids.ts";
import type { Change } from "../../core/mvcc/change.ts";
import type {
  Answer,
  Compare,
  KeyRange,
  KeyValue,
  PutRequest,
  RangeAnswer,
  RangeRequest,
  TxnAnswer,
  TxnOperation,
  TxnRequest,
} from "../../core/request.ts";

export class Refused extends Error {
  readonly refusal: RefusalName;
  constructor(refusal: RefusalName) {
    super(refusal);
    this.refusal = refusal;
  }
}

interface SlowLease {
  readonly leaseId: bigint;
  readonly ttlSeconds: number;
}

export class SlowMachine {
  readonly history: Change[] = [];
  current = 1;
  /** −1: never. */
  compacted = -1;
  leases: SlowLease[] = [];
  alarms: { memberId: bigint; alarm: string }[] = [];
  private readonly ttlMinSeconds: number;

  constructor(ttlMinSeconds: number) {
    this.ttlMinSeconds = ttlMinSeconds;
  }

  /** Throws {@link Refused}; then nothing has changed. */
  apply(request: CommandRequest): { readonly answer: Answer | undefined; readonly changes: readonly Change[] } {
    const before = this.history.length;
    const answer = this.answer(request);
    const changes = this.history.slice(before);
    if (changes.length > 0) this.current += 1;
    return { answer, changes };
  }

  // ---- reading ---------------------------------------------------------------------------------------------

  /** Live key-values at the end of that main revision, in key order. */
  stateAt(main: number): KeyValue[] {
    let state: KeyValue[] = [];
    for (const change of this.history) {
      if (change.keyValue.modRevision > main) continue;
      state = state.filter((other) => !equalBytes(other.key, change.keyValue.key));
      if (change.type === "put") state.push(change.keyValue);
    }
    return state.sort((a, b) => compareBytes(a.key, b.key));
  }

  within(range: KeyRange, main: number): KeyValue[] {
    const { key, rangeEnd } = range;
    return this.stateAt(main).filter((keyValue) => {
      if (rangeEnd === undefined) return equalBytes(keyValue.key, key);
      const openEnded = rangeEnd.length === 1 && rangeEnd[0] === 0;
      return compareBytes(keyValue.key, key) >= 0 && (openEnded || compareBytes(keyValue.key, rangeEnd) < 0);
    });
  }

  range(request: RangeRequest, head = this.current): RangeAnswer {
    if (request.revision > this.current) throw new Refused("futureRevision");
    if (request.revision > 0 && request.revision < this.compacted) throw new Refused("compacted");
    const live = this.within(request, request.revision > 0 ? request.revision : head);
    const count = live.length;
    if (request.countOnly) return { type: "range", keyValues: [], more: false, count };
    const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision, limit, sortOrder } = request;
    const filters = minModRevision + maxModRevision + minCreateRevision + maxCreateRevision > 0;
    let chosen = sortOrder === "none" && !filters && limit > 0 ? live.slice(0, limit + 1) : live;
    if (maxModRevision > 0) chosen = chosen.filter((keyValue) => keyValue.modRevision <= maxModRevision);
    if (minModRevision > 0) chosen = chosen.filter((keyValue) => keyValue.modRevision >= minModRevision);
    if (maxCreateRevision > 0) chosen = chosen.filter((keyValue) => keyValue.createRevision <= maxCreateRevision);
    if (minCreateRevision > 0) chosen = chosen.filter((keyValue) => keyValue.createRevision >= minCreateRevision);
    chosen = [...chosen].sort((a, b) => {
      const difference = differenceBy(request, a, b);
      return (sortOrder === "descend" ? -difference : difference) || compareBytes(a.key, b.key);
    });
    const more = limit > 0 && chosen.length > limit;
    if (more) chosen = chosen.slice(0, limit);
    if (request.keysOnly) chosen = chosen.map((keyValue) => ({ ...keyValue, value: new Uint8Array(0) }));
    return { type: "range", keyValues: chosen, more, count };
  }

  // ---- writing ---------------------------------------------------------------------------------------------

  private answer(request: CommandRequest): Answer | undefined {
    const writes = request.type !== "alarm" && request.type !== "publishMember" && request.type !== "leaseCheckpoint";
    if (writes && this.alarms.some(({ alarm }) => alarm === "corrupt")) throw new Refused("corrupt");
    const grows = request.type === "leaseGrant" || mayPut(request);
    if (grows && this.alarms.some(({ alarm }) => alarm === "noSpace")) throw new Refused("noSpace");
    switch (request.type) {
      case "put":
        if (request.lease !== 0n && !this.knows(request.lease)) throw new Refused("leaseNotFound");
        if ((request.ignoreValue || request.ignoreLease) && !this.alive(request.key)) throw new Refused("keyNotFound");
        return this.run(request).answer;
      case "deleteRange":
        return this.run(request).answer;
      case "txn":
        return this.txn(request);
      case "compact":
        if (request.revision <= this.compacted) throw new Refused("compacted");
        if (request.revision > this.current) throw new Refused("futureRevision");
        this.compacted = request.revision;
        return { type: "compact" };
      case "leaseGrant": {
        if (request.ttlSeconds > 9_000_000_000) throw new Refused("leaseTtlTooLarge");
        if (this.knows(request.leaseId)) throw new Refused("leaseExists");
        const ttlSeconds = Math.max(request.ttlSeconds, this.ttlMinSeconds);
        this.leases.push({ leaseId: request.leaseId, ttlSeconds });
        return { type: "leaseGrant", leaseId: request.leaseId, ttlSeconds };
      }
      case "leaseRevoke": {
        if (!this.knows(request.leaseId)) throw new Refused("leaseNotFound");
        const attached = this.stateAt(this.current).filter(({ lease }) => lease === request.leaseId);
        for (const { key } of attached) this.remove(key);
        this.leases = this.leases.filter(({ leaseId }) => leaseId !== request.leaseId);
        return { type: "leaseRevoke" };
      }
      case "alarm":
        return { type: "alarm", alarms: this.alarm(request) as never };
      default:
        return undefined;
    }
  }

  private alarm(request: Extract<CommandRequest, { type: "alarm" }>) {
    const { memberId, alarm, action } = request;
    if (action === "get") return this.alarms.filter((other) => alarm === "none" || other.alarm === alarm);
    if (alarm === "none") return [];
    const known = this.alarms.some((other) => other.memberId === memberId && other.alarm === alarm);
    this.alarms = this.alarms.filter((other) => other.memberId !== memberId || other.alarm !== alarm);
    if (action === "deactivate") return known ? [{ memberId, alarm }] : [];
    this.alarms.push({ memberId, alarm });
    this.alarms.sort((a, b) =>
      a.memberId < b.memberId
        ? -1
        : a.memberId > b.memberId
          ? 1
          : a.alarm === b.alarm
            ? 0
            : a.alarm === "noSpace"
              ? -1
              : 1,
    );
    return [{ memberId, alarm }];
  }

  private knows = (leaseId: bigint): boolean => this.leases.some((lease) => lease.leaseId === leaseId);
  private alive = (key: Uint8Array): boolean => this.within({ key, rangeEnd: undefined }, this.current + 1).length > 0;

  /** Main revision of the next change; the one reads inside a request see once it changed something. */
  private get head(): number {
    return this.history.some((change) => change.keyValue.modRevision > this.current) ? this.current + 1 : this.current;
  }

  private append(type: "put" | "delete", keyValue: KeyValue): void {
    const subRevision = this.history.filter((change) => change.keyValue.modRevision > this.current).length;
    this.history.push({ type, keyValue, subRevision });
  }

  private remove(key: Uint8Array): void {
    this.append("delete", {
      key,
      createRevision: revisionOf(0),
      modRevision: revisionOf(this.current + 1),
      version: 0,
      value: new Uint8Array(0),
      lease: leaseIdOf(0n),
    });
  }

  txn(request: TxnRequest): TxnAnswer {
    const taken = this.take(request);
    this.check(taken);
    return this.runTaken(taken);
  }

  /** The transaction with every choice made: nested ones replaced by their taken branch. */
  private take(request: TxnRequest): Taken {
    const succeeded = request.compares.every((compare) => this.holds(compare));
    const operations = (succeeded ? request.success : request.failure).map((operation) =>
      operation.type === "txn" ? this.take(operation) : operation,
    );
    return { type: "taken", succeeded, operations };
  }

  private holds(compare: Compare): boolean {
    const live = this.within(compare, this.current);
    if (live.length > 0) return live.every((keyValue) => holdsFor(compare, keyValue));
    return compare.operand.target !== "value" && holdsFor(compare, undefined);
  }

  private check(taken: Taken): void {
    for (const operation of taken.operations) {
      if (operation.type === "taken") this.check(operation);
      if (operation.type === "range" && operation.revision !== 0) {
        if (operation.revision > this.current) throw new Refused("futureRevision");
        if (operation.revision < this.compacted && this.compacted >= 0) throw new Refused("compacted");
      }
      if (operation.type === "put") {
        if ((operation.ignoreValue || operation.ignoreLease) && !this.alive(operation.key)) {
          throw new Refused("keyNotFound");
        }
        if (operation.lease !== 0n && !this.knows(operation.lease)) throw new Refused("leaseNotFound");
      }
    }
  }

  private runTaken(taken: Taken): TxnAnswer {
    const responses = taken.operations.map((operation) =>
      operation.type === "taken" ? { revision: revisionOf(0), answer: this.runTaken(operation) } : this.run(operation),
    );
    return { type: "txn", succeeded: taken.succeeded, responses };
  }

  private run(operation: Exclude<TxnOperation, TxnRequest>) {
    const answer = this.runOne(operation);
    return { revision: revisionOf(this.head), answer };
  }

  private runOne(operation: Exclude<TxnOperation, TxnRequest>) {
    if (operation.type === "range") return this.range(operation, this.head);
    if (operation.type === "put") return this.put(operation);
    if (operation.type === "empty") throw new Error("an empty operation never gets here");
    const live = this.within(operation, this.current + 1);
    for (const { key } of live) this.remove(key);
    return { type: "deleteRange" as const, deleted: live.length, prevKvs: operation.prevKv ? live : [] };
  }

  private put(request: PutRequest) {
    const old = this.within({ key: request.key, rangeEnd: undefined }, this.current + 1)[0];
    const modRevision = revisionOf(this.current + 1);
    this.append("put", {
      key: request.key,
      createRevision: old?.createRevision ?? modRevision,
      modRevision,
      version: (old?.version ?? 0) + 1,
      value: request.ignoreValue && old !== undefined ? old.value : request.value,
      lease: request.ignoreLease && old !== undefined ? old.lease : request.lease,
    });
    return { type: "put" as const, prevKv: request.prevKv ? old : undefined };
  }
}

interface Taken {
  readonly type: "taken";
  readonly succeeded: boolean;
  readonly operations: readonly (Taken | Exclude<TxnOperation, TxnRequest>)[];
}

function mayPut(operation: CommandRequest | TxnOperation): boolean {
  if (operation.type === "put") return true;
  return operation.type === "txn" && [...operation.success, ...operation.failure].some(mayPut);
}

function differenceBy(request: RangeRequest, a: KeyValue, b: KeyValue): number {
  switch (request.sortTarget) {
    case "version":
      return a.version - b.version;
    case "create":
      return a.createRevision - b.createRevision;
    case "mod":
      return a.modRevision - b.modRevision;
    case "value":
      return compareBytes(a.value, b.value);
    default:
      return compareBytes(a.key, b.key);
  }
}

function holdsFor({ operand, result }: Compare, keyValue: KeyValue | undefined): boolean {
  let sign = 0;
  if (operand.target === "version") sign = Math.sign((keyValue?.version ?? 0) - operand.number);
  if (operand.target === "create") sign = Math.sign((keyValue?.createRevision ?? 0) - operand.number);
  if (operand.target === "mod") sign = Math.sign((keyValue?.modRevision ?? 0) - operand.number);
  if (operand.target === "value") sign = Math.sign(compareBytes(keyValue?.value ?? new Uint8Array(0), operand.value));
  if (operand.target === "lease") {
    const lease = keyValue?.lease ?? 0n;
    sign = lease === operand.lease ? 0 : lease < operand.lease ? -1 : 1;
  }
  const truth = { equal: sign === 0, greater: sign === 1, less: sign === -1, notEqual: sign !== 0, unknown: true };
  return truth[result];
}
