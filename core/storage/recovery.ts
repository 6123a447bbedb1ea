/*
 * From the segments found on the disk to the log they hold. After a crash the end of what was never synced may be
 * missing, torn or zero: it is cut off, on the disk too, so that nothing written later stands behind garbage. Anything
 * else that is not as it was written is damage: the log is refused, and the reason names the segment, the offset and
 * what to do.
 *
 * The two are told apart by three facts. Every record says up to where the log was durable when it was written: if a
 * bad place lies before that, it was good once. A write that was cut short leaves zeros or nothing at its end
 * (record.ts): a record that has both its ends was complete once. And every record links to the one before: what is
 * missing between two records shows, also across segments.
 */
import { unreachable } from "../assert.ts";
import { ByteSlab } from "../byte-slab.ts";
import { hexOf, indexOf, type LogIndex, noIndex, noTerm } from "../ids.ts";
import type { LogOperation } from "../output.ts";
import type { Entry, HardState } from "../raft/message.ts";
import {
  decodeBaseMoved,
  decodeSegmentStart,
  decodeWrite,
  formatVersion,
  type LogBase,
  type LogIdentity,
  type LogSegment,
  ownerOf,
  parseSegmentName,
  type SegmentStart,
  segmentName,
} from "./log-record.ts";
import {
  comparePositions,
  endsAt,
  type FoundRecord,
  furthestSolid,
  type LogPosition,
  looksTorn,
  recordAt,
} from "./record.ts";

/** What the log keeps in memory of one segment. */
export interface SegmentState {
  readonly name: string;
  readonly sequence: number;
  /** Entry before the first one it can hold. */
  readonly base: LogBase;
  /** Where its first record ends. */
  readonly startBytes: number;
  /** Lowest index written in it, also of entries overwritten since; Infinity when it holds none. */
  lowestIndex: number;
}

export interface RecoveredLog {
  readonly ok: true;
  readonly identity: LogIdentity;
  readonly hardState: HardState;
  readonly base: LogBase;
  /** Consecutive, from base.index + 1. */
  readonly entries: readonly Entry[];
  readonly segments: readonly SegmentState[];
  readonly end: LogPosition;
  /** Link of the next record. */
  readonly link: number;
  /** Segments that nothing needs any more, in rising order. */
  readonly superseded: readonly string[];
  /** Repairs: to be carried out and made durable before anything else is written. */
  readonly operations: readonly LogOperation[];
  readonly notes: readonly string[];
}
export interface RefusedLog {
  readonly ok: false;
  readonly reason: string;
}

interface NamedSegment extends LogSegment {
  readonly sequence: number;
  readonly firstIndex: number;
}

/** A place where the log does not go on as it should. */
interface BadPlace {
  readonly position: number;
  readonly offset: number;
  readonly torn: boolean;
  readonly text: string;
}

const restoreAdvice =
  "Do not start this member on this log. Put the damaged file back from an exact copy, or remove the member from the cluster and add it again with an empty data directory.";

/**
 * True when the segments are what a crash during the very first start leaves: no log was ever begun, nothing was ever
 * promised, and the log may be created anew (see `createLog`). True for an empty list.
 */
export function neverBegun(segments: readonly LogSegment[]): boolean {
  return segments.every((segment) => {
    const name = parseSegmentName(segment.name);
    if (name?.sequence !== 0) return false;
    const place = { sequence: 0, offset: 0 };
    return recordAt(segment.bytes, place, 0) === undefined && looksTorn(segment.bytes, place, 0);
  });
}

/** Replays the segments, given in any order. The list is not empty. */
export function readLog(found: readonly LogSegment[]): RecoveredLog | RefusedLog {
  const segments = nameSegments(found);
  if ("ok" in segments) return segments;
  const restart = lastRestart(segments);
  const live = segments.slice(restart);
  const replay = new Replay();
  const problem = replaySegments(live, replay);
  if (typeof problem === "string") return refuse(problem);
  const repaired = problem === undefined ? { kept: live, notes: [], operations: [] } : repair(live, problem, replay);
  if ("ok" in repaired) return repaired;
  const gap = replay.gap;
  if (gap !== undefined && replay.neededFrom < gap.resumedAt) {
    return refuse(
      `log segment with sequence ${hex(gap.missing)} is missing: ${gap.before} is there and so is ${gap.after}. ${restoreAdvice}`,
    );
  }
  const { identity } = replay;
  if (identity === undefined) return refuse(`the log has no segment that can be read. ${restoreAdvice}`);
  const last = repaired.kept[repaired.kept.length - 1] as NamedSegment;
  const operations: LogOperation[] = [...repaired.operations];
  if (last.bytes.length > replay.end.offset) {
    operations.push({ type: "truncate", segment: last.name, sizeBytes: replay.end.offset });
  }
  const superseded = segments.slice(0, restart).concat(gap === undefined ? [] : gap.skipped);
  return {
    ok: true,
    identity,
    ...replay.result(),
    segments: replay.segments,
    end: replay.end,
    link: replay.link,
    superseded: superseded.map((segment) => segment.name),
    operations,
    notes: repaired.notes,
  };
}

const refuse = (reason: string): RefusedLog => ({ ok: false, reason });
const hex = (value: number): string => value.toString(16).padStart(16, "0");
const at = (segment: LogSegment, offset: number): string => `log segment ${segment.name}, offset ${offset}`;

/** In order of their sequence, every sequence once. */
function nameSegments(found: readonly LogSegment[]): readonly NamedSegment[] | RefusedLog {
  const named: NamedSegment[] = [];
  for (const { name, bytes } of found) {
    const parsed = parseSegmentName(name);
    if (parsed === undefined) {
      return refuse(
        `${name} is not the name of a log segment (<sequence>-<first index>.wal in hex). Move it out of the log directory.`,
      );
    }
    named.push({ name, bytes, ...parsed });
  }
  named.sort((a, b) => a.sequence - b.sequence || a.firstIndex - b.firstIndex);
  for (let position = 1; position < named.length; position++) {
    const [a, b] = [named[position - 1], named[position]];
    if (a && b && a.sequence === b.sequence) {
      return refuse(
        `log segment with sequence ${hex(a.sequence)} is there twice: ${a.name} and ${b.name}. Move the one that does not belong there out of the log directory.`,
      );
    }
  }
  return named;
}

/** Position of the last segment with which the log began anew; 0 when it never did. */
function lastRestart(segments: readonly NamedSegment[]): number {
  for (let position = segments.length - 1; position > 0; position--) {
    const segment = segments[position] as NamedSegment;
    const record = recordAt(segment.bytes, { sequence: segment.sequence, offset: 0 }, 0);
    const start = record && decodeSegmentStart(segment.bytes, record.payload);
    if (start?.identity !== undefined && start.restart) return position;
  }
  return 0;
}

/** Gathers what the records say; later records win. */
class Replay {
  identity: LogIdentity | undefined;
  owner = 0;
  segments: SegmentState[] = [];
  link = 0;
  end: LogPosition = { sequence: 0, offset: 0 };
  neededFrom = 0;
  gap:
    | { missing: number; before: string; after: string; resumedAt: number; skipped: readonly NamedSegment[] }
    | undefined;
  /** Base of the oldest segment: entry i stands at entries[i − oldest.index − 1]. */
  #oldest: LogBase = { index: noIndex, term: noTerm };
  #base: LogBase = this.#oldest;
  #entries: Entry[] = [];
  readonly #slab = new ByteSlab();
  #hardState: HardState = { term: noTerm, votedFor: undefined, commitIndex: noIndex };

  /** Forgets all but the identity: the log is taken to begin with the segment that comes next. */
  beginAgain(): void {
    this.segments = [];
    this.#entries = [];
  }

  get last(): LogBase {
    return this.#entries[this.#entries.length - 1] ?? this.#oldest;
  }

  /** What is wrong with it, undefined when it is accepted. */
  beginSegment(segment: NamedSegment, start: SegmentStart, record: FoundRecord): string | undefined {
    if (start.sequence !== segment.sequence || start.base.index + 1 !== segment.firstIndex) {
      return `the segment was written as ${segmentName(start.sequence, start.base.index + 1)}: it was renamed or copied`;
    }
    const { last } = this;
    if (this.segments.length === 0) {
      this.#oldest = start.base;
      this.#base = start.base;
      if (start.restart) this.neededFrom = start.sequence;
    } else if (start.base.index !== last.index || start.base.term !== last.term) {
      return `the segment follows entry ${start.base.index} of term ${start.base.term}, but the log before it ends at entry ${last.index} of term ${last.term}`;
    }
    this.#hardState = start.hardState;
    this.segments.push({
      name: segment.name,
      sequence: segment.sequence,
      base: start.base,
      startBytes: record.next,
      lowestIndex: Number.POSITIVE_INFINITY,
    });
    return undefined;
  }

  /** What is wrong with it, undefined when it is accepted. */
  addRecord(bytes: Uint8Array, record: FoundRecord): string | undefined {
    switch (record.kind) {
      case "segment":
        return "a second beginning of a segment";
      case "base": {
        const moved = decodeBaseMoved(bytes, record.payload);
        if (moved === undefined) return "a record that cannot be read";
        const { index, term } = moved.base;
        if (index > this.last.index) return `a base at index ${index}, beyond the last entry ${this.last.index}`;
        if (index > this.#base.index && this.#termAt(index) !== term) return `a base of another term at index ${index}`;
        if (index > this.#base.index) this.#base = moved.base;
        this.neededFrom = Math.max(this.neededFrom, moved.neededFrom);
        return undefined;
      }
      case "write": {
        const write = decodeWrite(bytes, record.payload, this.#slab);
        if (write === undefined) return "a record that cannot be read";
        if (write.hardState !== undefined) this.#hardState = write.hardState;
        return this.#addEntries(write.entries);
      }
      default:
        return unreachable(record.kind);
    }
  }

  #addEntries(entries: readonly Entry[]): string | undefined {
    const first = entries[0];
    if (first === undefined) return undefined;
    if (first.index <= this.#base.index) return `entry ${first.index} at or below the base ${this.#base.index}`;
    if (first.index > this.last.index + 1) return `entry ${first.index} after entry ${this.last.index}`;
    this.#entries.length = first.index - this.#oldest.index - 1;
    let { term } = this.last;
    for (const entry of entries) {
      if (entry.term < term) return `entry ${entry.index} of term ${entry.term} after one of term ${term}`;
      term = entry.term;
      this.#entries.push(entry);
    }
    const segment = this.segments[this.segments.length - 1] as SegmentState;
    segment.lowestIndex = Math.min(segment.lowestIndex, first.index);
    return undefined;
  }

  #termAt(index: LogIndex): number | undefined {
    return this.#entries[index - this.#oldest.index - 1]?.term;
  }

  /** The commit index is a hint written before the entries it speaks of: it is brought into the log's range. */
  result(): { hardState: HardState; base: LogBase; entries: readonly Entry[] } {
    const { term, votedFor, commitIndex } = this.#hardState;
    const base = this.#base;
    const clamped = Math.max(base.index, Math.min(commitIndex, this.last.index));
    const skipped = base.index - this.#oldest.index;
    return {
      base,
      entries: skipped === 0 ? this.#entries : this.#entries.slice(skipped),
      hardState: { term, votedFor, commitIndex: clamped === commitIndex ? commitIndex : indexOf(clamped) },
    };
  }
}

/** Undefined when all of it was replayed; a text is the whole reason of a refusal. */
function replaySegments(segments: readonly NamedSegment[], replay: Replay): BadPlace | string | undefined {
  for (let position = 0; position < segments.length; position++) {
    const segment = segments[position] as NamedSegment;
    const before = segments[position - 1];
    const sequence = segment.sequence;
    const record = recordAt(segment.bytes, { sequence, offset: 0 }, 0);
    if (record === undefined) {
      const torn = looksTorn(segment.bytes, { sequence, offset: 0 }, 0);
      return { position, offset: 0, torn, text: "the segment has no readable beginning" };
    }
    const start = decodeSegmentStart(segment.bytes, record.payload);
    if (start === undefined || record.kind !== "segment") return cannotRead(segment, 0, "not a segment's beginning");
    if (start.identity === undefined) {
      return `log segment ${segment.name} was written in format version ${start.version}; this program reads version ${formatVersion}. Start the member with a program that reads that version.`;
    }
    const owner = checkOwner(segment, start.identity, replay);
    if (owner !== undefined) return owner;
    if (before !== undefined && sequence !== before.sequence + 1) {
      const missing = before.sequence + 1;
      const skipped = segments.slice(0, position);
      replay.gap = { missing, before: before.name, after: segment.name, resumedAt: sequence, skipped };
      replay.beginAgain();
    } else if (before !== undefined && record.link !== replay.link) {
      const text = `records are missing before segment ${segment.name}`;
      return { position: position - 1, offset: replay.end.offset, torn: true, text };
    }
    const wrong = replay.beginSegment(segment, start, record);
    if (wrong !== undefined) return cannotRead(segment, 0, wrong);
    replay.link = record.sum;
    replay.end = { sequence, offset: record.next };
    const problem = replayRecords(segment, position, replay);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function checkOwner(segment: NamedSegment, identity: LogIdentity, replay: Replay): string | undefined {
  if (replay.identity === undefined) {
    replay.identity = identity;
    replay.owner = ownerOf(identity);
    return undefined;
  }
  const { clusterId, memberId } = replay.identity;
  if (identity.clusterId === clusterId && identity.memberId === memberId) return undefined;
  return `log segment ${segment.name} belongs to member ${hexOf(identity.memberId)} of cluster ${hexOf(identity.clusterId)}, the segments before it to member ${hexOf(memberId)} of cluster ${hexOf(clusterId)}. Move the files that do not belong to this member out of the log directory.`;
}

/** The records of one segment after its beginning. */
function replayRecords(segment: NamedSegment, position: number, replay: Replay): BadPlace | string | undefined {
  const { bytes, sequence } = segment;
  for (;;) {
    const { offset } = replay.end;
    const record = recordAt(bytes, replay.end, replay.owner);
    if (record === undefined) {
      if (endsAt(bytes, offset)) return undefined;
      return { position, offset, torn: looksTorn(bytes, replay.end, replay.owner), text: "no whole record is there" };
    }
    if (record.link !== replay.link)
      return { position, offset, torn: false, text: "a record of another past is there" };
    const wrong = replay.addRecord(bytes, record);
    if (wrong !== undefined) return cannotRead(segment, offset, wrong);
    replay.link = record.sum;
    replay.end = { sequence, offset: record.next };
  }
}

const cannotRead = (segment: NamedSegment, offset: number, text: string): string =>
  `${at(segment, offset)}: ${text}. ${restoreAdvice}`;

interface Repaired {
  readonly kept: readonly NamedSegment[];
  readonly operations: readonly LogOperation[];
  readonly notes: readonly string[];
}

/** The bad place is the end of the log if it can be the trace of a crash; everything behind it goes. */
function repair(segments: readonly NamedSegment[], bad: BadPlace, replay: Replay): Repaired | RefusedLog {
  const segment = segments[bad.position] as NamedSegment;
  const place = { sequence: segment.sequence, offset: bad.offset };
  for (let position = bad.position; position < segments.length; position++) {
    const later = segments[position] as NamedSegment;
    const from = { sequence: later.sequence, offset: position === bad.position ? bad.offset + 1 : 0 };
    const solid = furthestSolid(later.bytes, from, replay.owner);
    if (solid !== undefined && comparePositions(solid, place) > 0) {
      return refuse(
        `${at(segment, bad.offset)}: ${bad.text}, but ${later.name} holds records written after this place was durable: the disk damaged it. ${restoreAdvice}`,
      );
    }
  }
  if (!bad.torn) {
    return refuse(
      `${at(segment, bad.offset)}: ${bad.text}, and it is not a write cut short by a crash: the disk damaged it. ${restoreAdvice}`,
    );
  }
  const keepsSegment = bad.offset > 0;
  const kept = segments.slice(0, bad.position + (keepsSegment ? 1 : 0));
  if (kept.length === 0) {
    return refuse(
      `log segment ${segment.name} has no readable beginning, and no segment is there before it. ${restoreAdvice}`,
    );
  }
  // The newest goes first, so that a crash among these operations leaves the log without a hole.
  const operations: LogOperation[] = [];
  for (let position = segments.length - 1; position >= kept.length; position--) {
    operations.push({ type: "remove", segment: (segments[position] as NamedSegment).name });
  }
  const cutBytes = segment.bytes.length - bad.offset;
  const note = `${at(segment, bad.offset)}: the last write was cut short by a crash; ${cutBytes} bytes ${keepsSegment ? "cut off" : "removed with the segment"}, ${operations.length} segments removed`;
  return { kept, operations, notes: [note] };
}
