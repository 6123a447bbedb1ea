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
import { assert } from "../assert.ts";
import { hexOf } from "../ids.ts";
import type { LogOperation } from "../output.ts";
import type { EntryList, HardState } from "../raft/message.ts";
import {
  decodeBaseMoved,
  decodeSegmentStart,
  formatVersion,
  type LogBase,
  type LogIdentity,
  type LogSegment,
  ownerOf,
  parseSegmentName,
} from "./log-record.ts";
import { endsAt, type LogPosition, looksTorn, RecordReader, recordAt, saysDurable } from "./record.ts";
import { type NamedSegment, Replay, type SegmentState } from "./replay.ts";

export interface RecoveredLog {
  readonly ok: true;
  readonly identity: LogIdentity;
  readonly hardState: HardState;
  readonly base: LogBase;
  /** Consecutive, from base.index + 1. */
  readonly entries: EntryList;
  readonly segments: readonly SegmentState[];
  readonly end: LogPosition;
  /** Everything before it was durable once: what follows may be in the system's cache alone. */
  readonly solid: LogPosition;
  /** Link of the next record. */
  readonly link: number;
  /** Sequence of the oldest segment that counts. */
  readonly neededFrom: number;
  /** Segments that nothing needs any more, in rising order. */
  readonly superseded: readonly string[];
  /** Repairs: to be carried out and made durable before anything else is written. */
  readonly operations: readonly LogOperation[];
  readonly notes: readonly string[];
}
export interface RefusedLog {
  readonly ok: false;
  readonly reason: string;
  /** Present when the disk damaged records that were whole once: what can still be said for certain. */
  readonly damage?: Damage;
}

/** Where a log stopped being as it was written, and what stands before that place. */
export interface Damage {
  /** Place and finding, without a remedy. */
  readonly text: string;
  /** Every segment that was found, in order. */
  readonly found: readonly NamedSegment[];
  /** Position in `found`, and the offset in there, from which on nothing counts. */
  readonly position: number;
  readonly offset: number;
  /** Undefined when no segment that was read has a readable beginning. */
  readonly identity: LogIdentity | undefined;
  /** Undefined when nothing stands before the place. */
  readonly before: { readonly hardState: HardState; readonly base: LogBase; readonly entries: EntryList } | undefined;
}

/** A place where the log does not go on as it should. */
interface BadPlace {
  readonly position: number;
  readonly offset: number;
  readonly torn: boolean;
  readonly text: string;
}

export const restoreAdvice =
  "Do not start this member on this log. Put the damaged file back from an exact copy, or remove the member from the cluster and add it again with an empty data directory.";

/**
 * True when the segments are what a crash before the very first sync leaves: nothing was ever durable, so nothing was ever
 * promised, and the log may be created anew (see `createLog`). True for an empty list. Later segments may hold records
 * while the first one is empty: what was written in one go may reach the disk in any order.
 */
export function neverBegun(segments: readonly LogSegment[]): boolean {
  if (segments.length === 0) return true;
  let isFirstTorn = false;
  for (const segment of segments) {
    const name = parseSegmentName(segment.name);
    if (name === undefined) return false;
    const place = { sequence: name.sequence, offset: 0 };
    const start = startOf({ ...segment, ...name });
    if (start === undefined) {
      if (!looksTorn(segment.bytes, place, 0)) return false;
      isFirstTorn ||= name.sequence === 0;
      continue;
    }
    if (start.identity === undefined) return false;
    const beginning = { sequence: 0, offset: 0 };
    if (saysDurable(segment.bytes, place, { owner: ownerOf(start.identity), place: beginning })) return false;
  }
  return isFirstTorn;
}

/** Replays the segments, given in any order. The list is not empty. */
export function readLog(found: readonly LogSegment[]): RecoveredLog | RefusedLog {
  const segments = nameSegments(found);
  if ("ok" in segments) return segments;
  const replay = new Replay();
  const foreign = findOwner(segments, replay);
  if (foreign !== undefined) return refuse(foreign);
  return readFrom(segments, neededFrom(segments, replay.owner), replay);
}

/** Replays the segments from that sequence on, all of them when it is undefined. `replay` knows whose they are. */
function readFrom(
  segments: readonly NamedSegment[],
  needed: number | undefined,
  replay: Replay,
): RecoveredLog | RefusedLog {
  const live = segments.filter(({ sequence }) => needed === undefined || sequence >= needed);
  const missing = findMissing(live, needed);
  if (missing !== undefined) return damageBehindGap(segments, live, replay) ?? refuse(missing);
  const problem = replaySegments(live, replay);
  if (typeof problem === "string") return refuse(problem);
  const repaired = problem === undefined ? { kept: live, notes: [], operations: [] } : repair(live, problem, replay);
  if (typeof repaired === "string") {
    return {
      ok: false,
      reason: `${repaired}. ${restoreAdvice}`,
      damage: damageAt(segments, live, problem, replay, repaired),
    };
  }
  const { identity } = replay;
  if (needed !== undefined && problem !== undefined && replay.neededFrom < needed) {
    // What said that older segments are needed no more is cut off with what never became durable: they still are.
    const again = new Replay();
    again.identity = identity;
    again.owner = replay.owner;
    return readFrom(segments, replay.neededFrom, again);
  }
  if (identity === undefined) return refuse(`the log has no segment that can be read. ${restoreAdvice}`);
  const last = repaired.kept[repaired.kept.length - 1] as NamedSegment;
  const operations: LogOperation[] = [...repaired.operations];
  if (last.bytes.length > replay.end.offset) {
    operations.push({ type: "truncate", segment: last.name, sizeBytes: replay.end.offset });
  }
  return {
    ok: true,
    identity,
    ...replay.result(),
    segments: replay.segments,
    end: replay.end,
    solid: replay.solid,
    link: replay.link,
    neededFrom: needed ?? 0,
    superseded: segments.slice(0, segments.length - live.length).map((segment) => segment.name),
    operations,
    notes: repaired.notes,
  };
}

/** The damage of a log of which all was read, and which goes no further than it may. */
export function missingEnd(
  found: readonly LogSegment[],
  before: {
    readonly identity: LogIdentity;
    readonly hardState: HardState;
    readonly base: LogBase;
    readonly entries: EntryList;
  },
  text: string,
): Damage {
  const segments = nameSegments(found);
  assert(!("ok" in segments), "segments that were read have names");
  return { text, found: segments, position: segments.length, offset: 0, identity: before.identity, before };
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

/** Whose log it is; a reason to refuse it when its segments are not all of one member, of this version. */
function findOwner(segments: readonly NamedSegment[], replay: Replay): string | undefined {
  for (const segment of segments) {
    const start = startOf(segment);
    if (start === undefined) continue;
    if (start.identity === undefined) {
      return `log segment ${segment.name} was written in format version ${start.version}; this program reads version ${formatVersion}. Start the member with a program that reads that version.`;
    }
    if (replay.identity === undefined) {
      replay.identity = start.identity;
      replay.owner = ownerOf(start.identity);
      continue;
    }
    const [mine, other] = [replay.identity, start.identity];
    if (mine.clusterId === other.clusterId && mine.memberId === other.memberId) continue;
    return `log segment ${segment.name} belongs to member ${hexOf(other.memberId)} of cluster ${hexOf(other.clusterId)}, the segments before it to member ${hexOf(mine.memberId)} of cluster ${hexOf(mine.clusterId)}. Move the files that do not belong to this member out of the log directory.`;
  }
  return undefined;
}

/** undefined: nothing can be read there. */
function startOf(segment: NamedSegment): ReturnType<typeof decodeSegmentStart> {
  const record = recordAt(segment.bytes, { sequence: segment.sequence, offset: 0 }, 0);
  return record && decodeSegmentStart(segment.bytes, record.payload);
}

/**
 * Sequence of the oldest segment that counts, by the newest record that says so: a segment's beginning or a compaction.
 * Older segments may be there or not, in any combination: their removal may have been cut short. Undefined when no
 * segment has a readable beginning.
 */
function neededFrom(segments: readonly NamedSegment[], owner: number): number | undefined {
  for (let position = segments.length - 1; position >= 0; position--) {
    const segment = segments[position] as NamedSegment;
    const { bytes, sequence } = segment;
    const start = startOf(segment);
    if (start?.identity === undefined) continue;
    let needed = start.neededFrom;
    const record = new RecordReader(bytes, sequence);
    for (let offset = 0; record.readHeader(offset, offset === 0 ? 0 : owner); offset = record.next) {
      if (record.kind !== "base" || !record.read(offset, owner)) continue;
      needed = decodeBaseMoved(bytes, record.payload)?.neededFrom ?? needed;
    }
    return needed;
  }
  return undefined;
}

function findMissing(live: readonly NamedSegment[], needed: number | undefined): string | undefined {
  let expected = needed ?? live[0]?.sequence;
  for (const { name, sequence } of live) {
    if (sequence !== expected) {
      return `log segment with sequence ${hex(expected ?? 0)} is missing: the next one that is there is ${name}. ${restoreAdvice}`;
    }
    expected = sequence + 1;
  }
  return undefined;
}

/**
 * Segments seem to be missing also when the record that said they are needed no more was damaged. Undefined when nothing
 * behind the last gap is damaged; else of what stands before the damage nothing is certain.
 */
function damageBehindGap(
  found: readonly NamedSegment[],
  live: readonly NamedSegment[],
  { identity, owner }: Replay,
): RefusedLog | undefined {
  const gap = live.findLastIndex((segment, position) => segment.sequence !== (live[position - 1]?.sequence ?? -1) + 1);
  const rest = live.slice(Math.max(0, gap));
  const replay = new Replay();
  replay.identity = identity;
  replay.owner = owner;
  const problem = replaySegments(rest, replay);
  if (problem === undefined || typeof problem === "string") return undefined;
  const text = repair(rest, problem, replay);
  if (typeof text !== "string") return undefined;
  const damage = { text, found, position: 0, offset: 0, identity, before: undefined };
  return { ok: false, reason: `${text}. ${restoreAdvice}`, damage };
}

/** Undefined when all of it was replayed; a text is the whole reason of a refusal. */
function replaySegments(segments: readonly NamedSegment[], replay: Replay): BadPlace | string | undefined {
  for (let position = 0; position < segments.length; position++) {
    const segment = segments[position] as NamedSegment;
    const sequence = segment.sequence;
    const record = new RecordReader(segment.bytes, sequence);
    if (!record.read(0, 0)) {
      const torn = looksTorn(segment.bytes, { sequence, offset: 0 }, 0);
      return { position, offset: 0, torn, text: "the segment has no readable beginning" };
    }
    const start = decodeSegmentStart(segment.bytes, record.payload);
    if (start?.identity === undefined || record.kind !== "segment") {
      return cannotRead(segment, 0, "not a segment's beginning");
    }
    if (position > 0 && record.link !== replay.link) {
      const text = `records are missing before segment ${segment.name}`;
      return { position: position - 1, offset: replay.end.offset, torn: true, text };
    }
    const wrong = replay.beginSegment(segment, start, record);
    if (wrong !== undefined) return cannotRead(segment, 0, wrong);
    replay.pass(record, sequence);
    const problem = replayRecords(segment, position, replay);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** The records of one segment after its beginning. */
function replayRecords(segment: NamedSegment, position: number, replay: Replay): BadPlace | string | undefined {
  const { bytes, sequence } = segment;
  const { owner } = replay;
  const record = new RecordReader(bytes, sequence);
  for (let { offset } = replay.end; ; offset = record.next) {
    if (!record.read(offset, owner)) {
      if (endsAt(bytes, offset)) return undefined;
      const torn = looksTorn(bytes, { sequence, offset }, owner);
      return { position, offset, torn, text: "no whole record is there" };
    }
    if (record.link !== replay.link)
      return { position, offset, torn: false, text: "a record of another past is there" };
    const wrong = replay.addRecord(record);
    if (wrong !== undefined) return cannotRead(segment, offset, wrong);
    replay.pass(record, sequence);
  }
}

const cannotRead = (segment: NamedSegment, offset: number, text: string): string =>
  `${at(segment, offset)}: ${text}. ${restoreAdvice}`;

function damageAt(
  found: readonly NamedSegment[],
  live: readonly NamedSegment[],
  bad: BadPlace | undefined,
  replay: Replay,
  text: string,
): Damage {
  assert(bad !== undefined, "damage is found at a bad place");
  const { identity } = replay;
  const before = replay.segments.length === 0 ? undefined : replay.result();
  return { text, found, position: found.length - live.length + bad.position, offset: bad.offset, identity, before };
}

interface Repaired {
  readonly kept: readonly NamedSegment[];
  readonly operations: readonly LogOperation[];
  readonly notes: readonly string[];
}

/**
 * The bad place is the end of the log if it can be the trace of a crash; everything behind it goes. A text says why it
 * cannot be one.
 */
function repair(segments: readonly NamedSegment[], bad: BadPlace, replay: Replay): Repaired | string {
  const segment = segments[bad.position] as NamedSegment;
  const place = { sequence: segment.sequence, offset: bad.offset };
  for (let position = bad.position; position < segments.length; position++) {
    const later = segments[position] as NamedSegment;
    const from = { sequence: later.sequence, offset: position === bad.position ? bad.offset + 1 : 0 };
    if (saysDurable(later.bytes, from, { owner: replay.owner, place })) {
      return `${at(segment, bad.offset)}: ${bad.text}, but ${later.name} holds records written after this place was durable: the disk damaged it`;
    }
  }
  if (!bad.torn) {
    return `${at(segment, bad.offset)}: ${bad.text}, and it is not a write cut short by a crash: the disk damaged it`;
  }
  const keepsSegment = bad.offset > 0;
  const kept = segments.slice(0, bad.position + (keepsSegment ? 1 : 0));
  if (kept.length === 0) {
    return `log segment ${segment.name} has no readable beginning, and no segment is there before it`;
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
