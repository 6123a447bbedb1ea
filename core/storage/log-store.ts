/*
 * The write-ahead log of one member: turns entries and hard state into operations on the log disk, closes a segment when
 * it is full, and drops segments that nothing needs. It does no I/O and remembers no entry.
 *
 * A segment is removed only when its absence could never matter: what replaces it must be durable first. The log learns
 * what is durable from `persisted`; until that is called for the first time, it assumes that one call's operations are
 * durable before the next call, and keeps a segment one compaction longer.
 */
import { assert } from "../assert.ts";
import { ByteSlab } from "../byte-slab.ts";
import type { MemberConfig } from "../config.ts";
import { type LogIndex, noIndex, noTerm, type Term } from "../ids.ts";
import type { LogOperation } from "../output.ts";
import { blankHardState } from "../raft/hard-state.ts";
import type { Entry, EntryList, HardState } from "../raft/message.ts";
import {
  baseRecordBytesMax,
  encodeBaseMoved,
  encodeSegmentStart,
  encodeWrite,
  entryBytesMax,
  formatVersion,
  type LogBase,
  type LogIdentity,
  type LogSegment,
  type LogWrite,
  ownerOf,
  type SealedRecord,
  segmentName,
  writeOverheadBytesMax,
} from "./log-record.ts";
import { comparePositions, type LogPosition, type RecordKind, type Seal } from "./record.ts";
import { type Damage, readLog } from "./recovery.ts";
import type { SegmentState } from "./replay.ts";

export type { LogBase, LogIdentity, LogSegment } from "./log-record.ts";
export type { LogPosition } from "./record.ts";
export { neverBegun } from "./recovery.ts";

export type LogRecovery =
  | {
      readonly ok: true;
      readonly store: LogStore;
      readonly identity: LogIdentity;
      /** Its commit index lies within base.index..last index. */
      readonly hardState: HardState;
      readonly base: { readonly index: LogIndex; readonly term: Term };
      /** Consecutive, from base.index + 1. */
      readonly entries: EntryList;
      /** Repairs: to be carried out and made durable before anything else is written. */
      readonly operations: readonly LogOperation[];
      /** What was repaired, for people. */
      readonly notes: readonly string[];
      /** Where each segment's bytes begin that no record calls durable. */
      readonly doubtful: readonly DoubtfulBytes[];
    }
  /** Names segment, offset and remedy. */
  | { readonly ok: false; readonly reason: string; readonly damage?: Damage };

/**
 * Bytes of a segment that were read and may not be on the disk. A kill leaves them in the system's cache; after a failed
 * sync the system may take them for written, so that another sync does nothing.
 */
export interface DoubtfulBytes {
  readonly segment: string;
  readonly offset: number;
}

type LogConfig = Pick<MemberConfig, "segmentBytesMax">;

/**
 * A new, empty log.
 *
 * @param leftovers segments of a start that never got so far (see `neverBegun`): they are removed first
 */
export function createLog(
  identity: LogIdentity,
  config: LogConfig,
  leftovers: readonly LogSegment[] = [],
): { store: LogStore; operations: LogOperation[] } {
  // The newest goes first, so that a crash among these leaves what still looks as if no log was begun.
  const names = leftovers.map(({ name }) => name).sort((a, b) => (a < b ? 1 : -1));
  const operations: LogOperation[] = names.map((segment) => ({ type: "remove", segment }));
  const store = new LogStore({
    identity,
    config,
    hardState: blankHardState,
    base: noEntry,
    last: noEntry,
    segments: [],
    end: { sequence: 0, offset: 0 },
    link: 0,
    neededFrom: 0,
    superseded: [],
  });
  store.begin(operations);
  return { store, operations };
}

/** The log that these segments hold, given in any order; the list is not empty. */
export function recoverLog(segments: readonly LogSegment[], config: LogConfig): LogRecovery {
  assert(segments.length > 0, "an empty list of segments holds no log");
  const log = readLog(segments);
  if (!log.ok) return log;
  const { identity, hardState, base, entries, operations, notes, solid } = log;
  const doubtful = log.segments
    .filter(({ sequence }) => sequence >= solid.sequence)
    .map(({ name, sequence }) => ({ segment: name, offset: sequence === solid.sequence ? solid.offset : 0 }));
  const store = new LogStore({ ...log, config, last: entries.at(-1) ?? base });
  return { ok: true, store, identity, hardState, base, entries, operations, notes, doubtful };
}

/**
 * A log that takes the place of another one, of which nothing can be kept as it is: its segments are set aside, and go
 * when the new log is durable. Until then the old one is found again.
 *
 * @param old.segments names of all that are there, in order
 * @param old.sequence the highest among them
 * @param content what the new log begins with; the backend is durable at `base`
 */
export function replaceLog(
  old: { readonly segments: readonly string[]; readonly sequence: number; readonly identity: LogIdentity },
  config: LogConfig,
  content: { readonly base: LogBase; readonly hardState: HardState; readonly entries: readonly Entry[] },
): { store: LogStore; operations: LogOperation[] } {
  const { base, hardState, entries } = content;
  const end = { sequence: old.sequence, offset: 0 };
  const segments = old.segments.map((name) => ({
    name,
    sequence: old.sequence,
    base: noEntry,
    startBytes: 0,
    lowestIndex: Number.POSITIVE_INFINITY,
  }));
  const { identity } = old;
  const state = {
    identity,
    config,
    hardState,
    base,
    last: base,
    segments,
    end,
    link: 0,
    neededFrom: 0,
    superseded: [],
  };
  const store = new LogStore(state);
  // Nothing of the new log is durable before the world says so.
  store.persisted(end);
  const operations: LogOperation[] = old.segments.map((segment) => ({ type: "setAside", segment }));
  operations.push(...store.reset(base, hardState));
  if (entries.length > 0) operations.push(...store.append({ hardState: undefined, entries }));
  return { store, operations };
}

const noEntry: LogBase = { index: noIndex, term: noTerm };

interface LogState {
  readonly identity: LogIdentity;
  readonly config: LogConfig;
  readonly hardState: HardState;
  readonly base: LogBase;
  readonly last: LogBase;
  readonly segments: readonly SegmentState[];
  readonly end: LogPosition;
  readonly link: number;
  readonly neededFrom: number;
  readonly superseded: readonly string[];
}

/** Segments to remove once everything before that position is durable. */
interface Removal {
  readonly segments: readonly string[];
  readonly after: LogPosition;
}

export class LogStore {
  readonly #identity: LogIdentity;
  readonly #owner: number;
  readonly #segmentBytesMax: number;
  readonly #slab = new ByteSlab();
  /** Ascending; the last one is written to. Bounded by the log's size, which compaction bounds. */
  readonly #segments: SegmentState[];
  #sequence: number;
  #offset: number;
  #link: number;
  #hardState: HardState;
  #base: LogBase;
  #lastIndex: LogIndex;
  #lastTerm: Term;
  /** Segments of a lower sequence are removed, or about to be. */
  #neededFrom: number;
  /** Everything before it is durable. */
  #solid: LogPosition;
  /** `persisted` was called: #solid is known, not assumed. */
  #solidKnown = false;
  #removals: Removal[] = [];

  constructor(state: LogState) {
    this.#identity = state.identity;
    this.#owner = ownerOf(state.identity);
    this.#segmentBytesMax = state.config.segmentBytesMax;
    this.#segments = [...state.segments];
    this.#sequence = state.end.sequence;
    this.#offset = state.end.offset;
    this.#link = state.link;
    this.#hardState = state.hardState;
    this.#base = state.base;
    this.#lastIndex = state.last.index;
    this.#lastTerm = state.last.term;
    this.#neededFrom = state.neededFrom;
    this.#solid = state.end;
    if (state.superseded.length > 0) this.#removals.push({ segments: state.superseded, after: state.end });
  }

  /** Where the log ends; `persisted` takes it once everything handed out so far is durable. */
  get end(): LogPosition {
    return { sequence: this.#sequence, offset: this.#offset };
  }

  /** Name of the segment that is written to. */
  get lastSegment(): string {
    return (this.#segments[this.#segments.length - 1] as SegmentState).name;
  }

  /** Everything before that position is durable. Positions rise. */
  persisted(end: LogPosition): void {
    if (this.#solidKnown && comparePositions(end, this.#solid) <= 0) return;
    this.#solidKnown = true;
    this.#solid = end;
  }

  /** Entries are consecutive; the first may overwrite, and so cut off, earlier ones above the base. */
  append(write: LogWrite): LogOperation[] {
    const operations = this.#beginCall();
    const { entries } = write;
    let { hardState } = write;
    const first = entries[0];
    if (first !== undefined) {
      assert(first.index > this.#base.index, "an entry at or below the base is never written", first.index);
      assert(first.index <= this.#lastIndex + 1, "entries leave no gap in the log", first.index, this.#lastIndex);
    }
    for (let from = 0; from < entries.length || hardState !== undefined; ) {
      const overheadBytes = writeOverheadBytesMax(hardState);
      const to = this.#countThatFits(entries, from, overheadBytes);
      if (to === from && !this.#makeRoom(operations, overheadBytes, from < entries.length)) continue;
      const seal = this.#seal("write");
      this.#push(operations, encodeWrite(hardState, entries, { from, to }, seal, this.#slab));
      // Not before: a segment that begins here repeats the old one. Its commit index would else be durable without the
      // entries it speaks of, and those they overwrite would be taken for committed.
      if (hardState !== undefined) this.#hardState = hardState;
      hardState = undefined;
      if (to > from) this.#noteEntries(entries, from, to);
      from = to;
    }
    this.#removeSegments(operations);
    return operations;
  }

  /** Entries up to the base are durable in the backend: this log need not hold them any more. */
  compact(base: { readonly index: LogIndex; readonly term: Term }): LogOperation[] {
    const operations = this.#beginCall();
    assert(base.index <= this.#lastIndex, "a log is compacted up to an entry it holds", base.index, this.#lastIndex);
    if (base.index <= this.#base.index) return operations;
    this.#base = { index: base.index, term: base.term };
    const dropped = this.#droppable();
    this.#neededFrom = (this.#segments[dropped] as SegmentState).sequence;
    this.#makeRoom(operations, baseRecordBytesMax, false);
    this.#push(operations, encodeBaseMoved({ base: this.#base, neededFrom: this.#neededFrom }, this.#seal("base")));
    if (dropped > 0) {
      const segments = this.#segments.splice(0, dropped).map((segment) => segment.name);
      this.#removals.push({ segments, after: this.end });
    }
    this.#removeSegments(operations);
    return operations;
  }

  /**
   * A snapshot replaced the log: it restarts, empty, after that entry. The backend must be durable at that entry before
   * these operations are carried out.
   */
  reset(base: { readonly index: LogIndex; readonly term: Term }, hardState: HardState): LogOperation[] {
    const operations = this.#beginCall();
    const segments = this.#segments.splice(0).map((segment) => segment.name);
    this.#base = { index: base.index, term: base.term };
    this.#lastIndex = base.index;
    this.#lastTerm = base.term;
    this.#hardState = hardState;
    this.#sequence += 1;
    this.#neededFrom = this.#sequence;
    this.#startSegment(operations);
    this.#removals.push({ segments, after: this.end });
    this.#removeSegments(operations);
    return operations;
  }

  /** Only `createLog` calls this. */
  begin(operations: LogOperation[]): void {
    this.#startSegment(operations);
  }

  /** Removals wait for what was handed out before this call; without `persisted` it is taken to be durable now. */
  #beginCall(): LogOperation[] {
    if (!this.#solidKnown) this.#solid = this.end;
    return [];
  }

  /** Entries from `from` on that fit into this segment; one always fits into a segment that holds nothing yet. */
  #countThatFits(entries: readonly Entry[], from: number, overheadBytes: number): number {
    let room = this.#segmentBytesMax - this.#offset - overheadBytes;
    let to = from;
    if (to < entries.length && this.#holdsNothing()) room -= entryBytesMax(entries[to++] as Entry);
    for (; to < entries.length; to++) {
      room -= entryBytesMax(entries[to] as Entry);
      if (room < 0) break;
    }
    return to;
  }

  #holdsNothing(): boolean {
    return this.#offset === (this.#segments[this.#segments.length - 1] as SegmentState).startBytes;
  }

  /** Begins a new segment unless the bytes fit; `force`: in any case. False: a segment was begun. */
  #makeRoom(operations: LogOperation[], bytes: number, force: boolean): boolean {
    if (this.#holdsNothing() || (!force && this.#offset + bytes <= this.#segmentBytesMax)) return true;
    this.#sequence += 1;
    this.#startSegment(operations);
    return false;
  }

  /** Begins the segment of the current sequence. */
  #startSegment(operations: LogOperation[]): void {
    const sequence = this.#sequence;
    const neededFrom = this.#neededFrom;
    const base = { index: this.#lastIndex, term: this.#lastTerm };
    const name = segmentName(sequence, base.index + 1);
    this.#offset = 0;
    const record = encodeSegmentStart(
      { version: formatVersion, identity: this.#identity, sequence, neededFrom, base, hardState: this.#hardState },
      this.#seal("segment"),
    );
    const startBytes = record.bytes.length;
    this.#segments.push({ name, sequence, base, startBytes, lowestIndex: Number.POSITIVE_INFINITY });
    operations.push({ type: "create", segment: name, expectedBytes: this.#segmentBytesMax });
    this.#push(operations, record);
  }

  #seal(kind: RecordKind): Seal {
    const owner = kind === "segment" ? 0 : this.#owner;
    return { kind, place: this.end, owner, link: this.#link, solid: this.#solid };
  }

  #push(operations: LogOperation[], record: SealedRecord): void {
    const segment = (this.#segments[this.#segments.length - 1] as SegmentState).name;
    operations.push({ type: "append", segment, offset: this.#offset, bytes: record.bytes });
    this.#offset += record.bytes.length;
    this.#link = record.sum;
  }

  #noteEntries(entries: readonly Entry[], from: number, to: number): void {
    const first = entries[from] as Entry;
    const last = entries[to - 1] as Entry;
    assert(last.index === first.index + (to - from) - 1, "written entries are consecutive", first.index, last.index);
    const segment = this.#segments[this.#segments.length - 1] as SegmentState;
    if (first.index < segment.lowestIndex) segment.lowestIndex = first.index;
    this.#lastIndex = last.index;
    this.#lastTerm = last.term;
  }

  /**
   * How many of the oldest segments nothing needs. The log may begin with a segment when the entry before it is durable
   * in the backend and no later record overwrites at or below that entry: otherwise entries of the segments before it
   * would still count. Counterexample for the second half: segment 1 holds entries 1..10, segment 2 overwrites from 5
   * on. Begun with segment 2, the log would seem to follow entry 10 of a past that never was. And its beginning must be
   * durable already: 1. Segment 2 is begun. 2. A compaction in it says that segment 1 is needed no more, and segment 3 is
   * begun. 3. Power fails; segment 3 is on the disk, what was written to segment 2 is not. The log would begin nowhere.
   */
  #droppable(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (let position = this.#segments.length - 1; position > 0; position--) {
      const segment = this.#segments[position] as SegmentState;
      lowest = Math.min(lowest, segment.lowestIndex);
      const start = { sequence: segment.sequence, offset: segment.startBytes };
      const isDurable = comparePositions(start, this.#solid) <= 0;
      if (isDurable && segment.base.index <= this.#base.index && lowest > segment.base.index) return position;
    }
    return 0;
  }

  #removeSegments(operations: LogOperation[]): void {
    while (this.#removals.length > 0) {
      const removal = this.#removals[0] as Removal;
      if (comparePositions(removal.after, this.#solid) > 0) return;
      for (const segment of removal.segments) operations.push({ type: "remove", segment });
      this.#removals.shift();
    }
  }
}
