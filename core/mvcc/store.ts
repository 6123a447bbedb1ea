/*
 * The key space and its history: writes at the next revision, reads at any revision that is not compacted. Values lie in
 * the backend under their revision; memory holds which revisions each key has.
 *
 * One replicated request is: any mix of put, delete and reads, then `finish`. Its changes share the main revision
 * currentRevision + 1, are numbered from 0, and are visible to its own later reads at once. A request that changed
 * nothing leaves the revision alone. Nobody but the one applying entries calls the writing half.
 *
 * Source: etcd v3 API, revision model, KV.Range, KV.Compact.
 */
import { assert } from "../assert.ts";
import { ByteSlab } from "../byte-slab.ts";
import { bytesOfText, emptyBytes, textOfBytes } from "../bytes.ts";
import type { MemberConfig } from "../config.ts";
import type { RefusalName } from "../errors.ts";
import { type LeaseId, noLease, type Revision, revisionOf } from "../ids.ts";
import type { Backend } from "../ports.ts";
import type { KeyRange, KeyValue, RangeAnswer, RangeRequest } from "../request.ts";
import type { Change, History, HistorySource } from "./change.ts";
import { Compaction } from "./compaction.ts";
import { type CompactionHash, hashOfHistory, hashOfNothing, RunningHash } from "./hash.ts";
import { placesOf } from "./key-history.ts";
import { KeyIndex } from "./key-index.ts";
import { decodeKeyValue, encodeKeyValue, encodeTombstone } from "./key-value.ts";
import { answerRange, fetchLimit } from "./range.ts";
import { RecentReads } from "./recent-reads.ts";
import { restoreKeys } from "./restore.ts";
import { encodeRevision, isTombstone, mainRevisionOf, subRevisionOf } from "./revision.ts";
import { intervalOf, isSingleKey, type KeyInterval, TreeIndex } from "./tree-index.ts";

const noChanges: readonly Change[] = [];
const firstRevision = 1;

export interface StoredHash {
  /** Unsigned CRC-32C. */
  readonly hash: number;
  /** −1 when never compacted. */
  readonly compactRevision: number;
  readonly hashRevision: number;
}

export class Store implements HistorySource {
  private readonly backend: Backend;
  private readonly piecePlan: { readonly entriesMax: number; readonly everyTicks: number };
  private ticksToPiece = 0;
  private readonly index = new TreeIndex();
  private readonly slab = new ByteSlab();
  private readonly running = new RunningHash();
  private readonly recent = new RecentReads();
  /** Keys that are live now. */
  private liveKeys = 0;
  private readonly compaction: Compaction;
  /** Changes of the request under way. */
  private changes: Change[] = [];
  private current: Revision = revisionOf(firstRevision);
  /** −1 when never compacted; compacting to 0 is possible once and differs from never. */
  private compacted = -1;

  /** Empty until {@link reload}. */
  constructor(
    backend: Backend,
    config: Pick<MemberConfig, "compactionEntriesPerTickMax" | "compactionPauseMs" | "compactHashCheckMs" | "tickMs">,
  ) {
    this.backend = backend;
    const { compactionEntriesPerTickMax: entriesMax, compactionPauseMs, compactHashCheckMs, tickMs } = config;
    this.piecePlan = { entriesMax, everyTicks: Math.max(1, Math.ceil(compactionPauseMs / tickMs)) };
    this.compaction = new Compaction(backend, this.index, { hashing: compactHashCheckMs > 0 });
  }

  /**
   * Takes its state from the backend, forgetting what it had.
   *
   * @returns the lease each attached live key names, keys as texts (see textOfBytes); order has no meaning
   */
  reload(): ReadonlyMap<string, LeaseId> {
    this.index.clear();
    this.recent.clear();
    this.running.forget();
    this.changes = [];
    this.compacted = this.compaction.reload();
    const { newest, liveKeys, leases } = restoreKeys(this.backend, this.index);
    this.liveKeys = liveKeys;
    this.current = revisionOf(Math.max(firstRevision, newest, this.compacted));
    return leases;
  }

  // ---- reading -----------------------------------------------------------------------------------------------

  get currentRevision(): Revision {
    return this.current;
  }

  get compactRevision(): Revision {
    return revisionOf(Math.max(0, this.compacted));
  }

  /** Like {@link compactRevision}, and −1 when never compacted. */
  get compactedTo(): number {
    return this.compacted;
  }

  /** The revision a read inside the request under way sees: currentRevision, or one more after its first change. */
  get readRevision(): Revision {
    return this.changes.length === 0 ? this.current : revisionOf(this.current + 1);
  }

  /** Changes the request under way has made so far. */
  get changeCount(): number {
    return this.changes.length;
  }

  /** Keys held in memory, live or not. */
  get keyCount(): number {
    return this.index.size;
  }

  /** The key as it stands now, changes of the request under way included; undefined when absent. */
  get(key: Uint8Array): KeyValue | undefined {
    const found = this.index.get(textOfBytes(key));
    return found?.isLive ? this.read(found, found.newest) : undefined;
  }

  has(key: Uint8Array): boolean {
    return this.index.get(textOfBytes(key))?.isLive ?? false;
  }

  /** Live key-values of the range as they stand now, in key order, until the visitor returns false. */
  forEach(range: KeyRange, visit: (keyValue: KeyValue) => boolean): void {
    const scan = this.index.scan(intervalOf(range));
    for (let key = scan.next(); key !== undefined; key = scan.next()) {
      if (key.isLive && !visit(this.read(key, key.newest))) return;
    }
  }

  /** Whether reads at that revision are answered now; ≤ 0 asks for the current one. */
  refusalAt(revision: number): RefusalName | undefined {
    if (revision > this.current) return "futureRevision";
    return revision > 0 && revision < this.compacted ? "compacted" : undefined;
  }

  /** etcd's check of a range inside a transaction, where a negative revision is refused once anything was compacted. */
  refusalInTxn(revision: number): RefusalName | undefined {
    if (revision < 0 && this.compacted >= 0) return "compacted";
    return this.refusalAt(revision);
  }

  /** One range read, at its revision or at {@link readRevision}. */
  range(
    request: RangeRequest,
  ): { readonly ok: true; readonly answer: RangeAnswer } | { readonly ok: false; readonly refusal: RefusalName } {
    const refusal = this.refusalAt(request.revision);
    if (refusal !== undefined) return { ok: false, refusal };
    const at = request.revision > 0 ? request.revision : this.readRevision;
    const limit = fetchLimit(request);
    const fetched: KeyValue[] = [];
    let count = 0;
    if (isSingleKey(request)) {
      const key = this.index.get(textOfBytes(request.key));
      const position = key === undefined ? -1 : key.findAt(at);
      if (key !== undefined && position >= 0 && !key.isTombstoneAt(position)) {
        count = 1;
        if (limit > 0) fetched.push(this.read(key, position));
      }
    } else {
      const scan = this.index.scan(intervalOf(request));
      for (let key = scan.next(); key !== undefined; key = scan.next()) {
        const position = key.findAt(at);
        if (position < 0 || key.isTombstoneAt(position)) continue;
        count += 1;
        if (fetched.length < limit) fetched.push(this.read(key, position));
      }
    }
    return { ok: true, answer: answerRange(request, fetched, count) };
  }

  valueAt(key: Uint8Array, revision: Revision): KeyValue | undefined {
    if (revision < this.compacted) return undefined;
    const found = this.index.get(textOfBytes(key));
    const position = found?.findAt(revision) ?? -1;
    if (found === undefined || position < 0 || found.isTombstoneAt(position)) return undefined;
    return this.read(found, position);
  }

  changesFrom(from: Revision, revisionsMax: number, bytesMax = Number.POSITIVE_INFINITY): History {
    this.checkHistoryFrom(from);
    const changes: Change[] = [];
    let revisions = 0;
    let bytes = 0;
    let main = -1;
    let next = this.current + 1;
    this.backend.scan("key", { from: encodeRevision(from, 0, false), to: undefined }, (key, value) => {
      const keyMain = mainRevisionOf(key);
      if (keyMain !== main) {
        if (revisions === revisionsMax || bytes >= bytesMax) {
          next = keyMain;
          return false;
        }
        revisions += 1;
        main = keyMain;
      }
      bytes += value.length;
      const change = changeOf(key, value);
      if (keyMain > this.compacted || this.isKept(change)) changes.push(change);
      return true;
    });
    return { changes, next: revisionOf(next) };
  }

  changesOf(keys: KeyInterval, from: Revision, revisionsMax: number, bytesMax: number): History | undefined {
    this.checkHistoryFrom(from);
    const found = placesOf(this.index, keys, from);
    if (found === undefined) return undefined;
    const changes: Change[] = [];
    let revisions = 0;
    let bytes = 0;
    let last = -1;
    for (const { main, sub, isTombstone: deletes } of found.places) {
      if (main !== last) {
        if (revisions === revisionsMax || bytes >= bytesMax) return { changes, next: revisionOf(main) };
        revisions += 1;
        last = main;
      }
      const place = encodeRevision(main, sub, deletes);
      const value = this.backend.get("key", place);
      assert(value !== undefined, "every change the index knows lies in the backend", main);
      bytes += value.length;
      const change = changeOf(place, value);
      if (main > this.compacted || this.isKept(change)) changes.push(change);
    }
    return { changes, next: revisionOf(found.end ?? this.current + 1) };
  }

  private checkHistoryFrom(from: Revision): void {
    assert(from >= this.compacted, "history is read from the compact revision on", from, this.compacted);
    assert(from <= this.current + 1, "history is read up to the next revision", from, this.current);
    assert(this.changes.length === 0, "history is read between requests");
  }

  /** CRC over the history up to that revision, 0: the current one. */
  hashKv(
    revision: number,
  ): ({ readonly ok: true } & StoredHash) | { readonly ok: false; readonly refusal: RefusalName } {
    const refusal = this.refusalAt(revision);
    if (refusal !== undefined) return { ok: false, refusal };
    const compactRevision = this.compacted;
    // Nothing is stored before revision 1: a hash from there is of no entry, not of the current state.
    if (revision < 0) return { ok: true, hash: hashOfNothing, compactRevision, hashRevision: revision };
    const hashRevision = revision > 0 ? revision : this.current;
    const hash = hashOfHistory({ backend: this.backend, index: this.index, compactRevision, revision: hashRevision });
    return { ok: true, hash, compactRevision, hashRevision };
  }

  /** What {@link hashKv} says of the current revision, from what came since the last call; see {@link RunningHash}. */
  runningHash(): StoredHash {
    const { backend, index, current: revision, compacted: compactRevision } = this;
    const hash = this.running.of({ backend, index, compactRevision, revision }, this.liveKeys > 0);
    return { hash, compactRevision, hashRevision: revision };
  }

  // ---- writing: only while an entry is applied -----------------------------------------------------------------

  put(key: Uint8Array, value: Uint8Array, lease: LeaseId): void {
    const text = textOfBytes(key);
    let found = this.index.get(text);
    if (found === undefined) {
      found = new KeyIndex(text);
      this.index.add(found);
    }
    if (found.isLive) this.noteReplaced(found);
    else this.liveKeys += 1;
    const main = this.current + 1;
    const subRevision = this.changes.length;
    found.put(main, subRevision);
    const keyValue: KeyValue = {
      key,
      createRevision: revisionOf(found.createRevision),
      modRevision: revisionOf(main),
      version: found.version,
      value,
      lease,
    };
    this.backend.put("key", encodeRevision(main, subRevision, false), encodeKeyValue(keyValue, this.slab));
    this.changes.push({ type: "put", keyValue, subRevision });
  }

  /**
   * Deletes the live keys of the range in ascending order.
   *
   * @param removed receives the last key-values when given
   * @returns how many keys were removed
   */
  deleteRange(range: KeyRange, removed: KeyValue[] | undefined): number {
    if (isSingleKey(range)) return this.deleteKey(textOfBytes(range.key), removed) ? 1 : 0;
    let deleted = 0;
    const scan = this.index.scan(intervalOf(range));
    for (let key = scan.next(); key !== undefined; key = scan.next()) {
      if (!key.isLive) continue;
      this.bury(key, removed);
      deleted += 1;
    }
    return deleted;
  }

  /** Deletes one key, named as a text; false when it is absent. */
  deleteKey(text: string, removed: KeyValue[] | undefined): boolean {
    const key = this.index.get(text);
    if (!key?.isLive) return false;
    this.bury(key, removed);
    return true;
  }

  /** Key of the n-th change of the request under way. */
  changedKey(position: number): Uint8Array {
    const change = this.changes[position];
    assert(change !== undefined, "a change is looked at after it was made", position);
    return change.keyValue.key;
  }

  /** Ends the request under way: its changes, all of one revision; empty when it changed nothing. */
  finish(): readonly Change[] {
    if (this.changes.length === 0) return noChanges;
    const changes = this.changes;
    this.changes = [];
    this.current = revisionOf(this.current + 1);
    return changes;
  }

  // ---- compaction ----------------------------------------------------------------------------------------------

  /** Forgets history below the revision: refused from now on, removed by later {@link tick}s. */
  compact(revision: number): RefusalName | undefined {
    if (revision <= this.compacted) return "compacted";
    if (revision > this.current) return "futureRevision";
    this.compacted = revision;
    this.running.forget();
    this.compaction.start(revision);
    return undefined;
  }

  /** Highest compaction whose old entries are gone from this member's backend; −1 when none was ever. */
  get compactedPhysically(): number {
    return this.compaction.finishedRevision;
  }

  /** Pieces of compactions in this life, the entries they removed, and whether more are to come. */
  get compactionCounts(): { readonly pieces: number; readonly entries: number; readonly isPending: boolean } {
    return { ...this.compaction.counts, isPending: this.compaction.isPending };
  }

  /** Hashes of what the last compactions left here, oldest first; empty unless members compare them. */
  get compactionHashes(): readonly CompactionHash[] {
    return this.compaction.recentHashes;
  }

  /** One bounded piece of a compaction under way, unless it is still pausing after the last. */
  tick(): void {
    assert(this.changes.length === 0, "compaction works between requests");
    if (!this.compaction.isPending) return;
    this.ticksToPiece -= 1;
    if (this.ticksToPiece > 0) return;
    this.ticksToPiece = this.piecePlan.everyTicks;
    this.compaction.step(this.piecePlan.entriesMax);
  }

  // ---- helpers -------------------------------------------------------------------------------------------------

  private read(key: KeyIndex, position: number): KeyValue {
    const main = key.mainAt(position);
    const subRevision = key.subAt(position);
    const known = this.recent.find(main, subRevision);
    if (known !== undefined) return known;
    const bytes = this.backend.get("key", encodeRevision(main, subRevision, false));
    assert(bytes !== undefined, "every put the index knows lies in the backend", main);
    const keyValue = decodeKeyValue(bytes);
    this.recent.keep(keyValue, subRevision, bytes.length);
    return keyValue;
  }

  private bury(key: KeyIndex, removed: KeyValue[] | undefined): void {
    if (removed !== undefined) removed.push(this.read(key, key.newest));
    this.noteReplaced(key);
    this.liveKeys -= 1;
    const main = this.current + 1;
    const subRevision = this.changes.length;
    key.tombstone(main, subRevision);
    const keyBytes = bytesOfText(key.text);
    this.backend.put("key", encodeRevision(main, subRevision, true), encodeTombstone(keyBytes));
    this.changes.push(deletion(keyBytes, main, subRevision));
  }

  /** A live value at or below the compact revision is about to be history, and then counts in no hash any more. */
  private noteReplaced(key: KeyIndex): void {
    if (key.mainAt(key.newest) <= this.compacted) this.running.forget();
  }

  /**
   * A change exactly at the compact revision shows only if compaction keeps it, done or not: a key put and deleted in
   * that one revision would otherwise be seen twice before the last piece of work and once after.
   */
  private isKept(change: Change): boolean {
    const key = this.index.get(textOfBytes(change.keyValue.key));
    return key?.keeps(this.compacted, change.keyValue.modRevision, change.subRevision) ?? false;
  }
}

function changeOf(storedRevision: Uint8Array, value: Uint8Array): Change {
  const subRevision = subRevisionOf(storedRevision);
  const keyValue = decodeKeyValue(value);
  if (isTombstone(storedRevision)) return deletion(keyValue.key, mainRevisionOf(storedRevision), subRevision);
  return { type: "put", keyValue, subRevision };
}

function deletion(key: Uint8Array, mainRevision: number, subRevision: number): Change {
  const keyValue: KeyValue = {
    key,
    createRevision: revisionOf(0),
    modRevision: revisionOf(mainRevision),
    version: 0,
    value: emptyBytes,
    lease: noLease,
  };
  return { type: "delete", keyValue, subRevision };
}
