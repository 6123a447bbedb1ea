/*
 * What the records of a log say, one after the other: later ones win. An entry cuts off whatever stood at its index and
 * after it; a base moves the beginning of the log. Not here: which records are whole, and what to do about those that are
 * not (recovery.ts).
 */
import { unreachable } from "../assert.ts";
import { emptyBytes } from "../bytes.ts";
import { indexOf, type LogIndex, noIndex, noTerm, type Term } from "../ids.ts";
import { blankHardState } from "../raft/hard-state.ts";
import type { EntryList, HardState } from "../raft/message.ts";
import { EntryPlaces } from "./found-entries.ts";
import {
  decodeBaseMoved,
  hardStateAt,
  type LogBase,
  type LogIdentity,
  type LogSegment,
  passEntry,
  type SegmentStart,
  segmentName,
  WriteHead,
} from "./log-record.ts";
import type { LogPosition, RecordReader } from "./record.ts";
import { UntrustedReader } from "./untrusted-reader.ts";

const unreadable = "a record that cannot be read";

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

/** A segment whose name was understood. */
export interface NamedSegment extends LogSegment {
  readonly sequence: number;
  readonly firstIndex: number;
}

/** Gathers what the records say; later records win. */
export class Replay {
  identity: LogIdentity | undefined;
  /** Of the identity; 0 as long as that is unknown. */
  owner = 0;
  segments: SegmentState[] = [];
  /** Header sum of the last record. */
  link = 0;
  /** Segments of a lower sequence are needed no more, as the records so far say. */
  neededFrom = 0;
  /** The last entry, or the oldest segment's base. */
  last: LogBase = { index: noIndex, term: noTerm };
  /** Base of the oldest segment: entry i stands at position i − oldest.index − 1. */
  #oldest: LogBase = this.last;
  #base: LogBase = this.last;
  readonly #entries = new EntryPlaces();
  #hardState: HardState = blankHardState;
  /** Where in the segment a newer one begins; −1: nowhere. */
  #hardStateFrom = -1;
  readonly #head = new WriteHead();
  /** Of the segment that is read. */
  #bytes: Uint8Array = emptyBytes;
  #reader = new UntrustedReader(emptyBytes);
  #sequence = 0;
  #endOffset = 0;
  #solidSequence = 0;
  #solidOffset = 0;

  /** Behind the last record. */
  get end(): LogPosition {
    return { sequence: this.#sequence, offset: this.#endOffset };
  }
  /** Everything before it was durable, as the records so far say. */
  get solid(): LogPosition {
    return { sequence: this.#solidSequence, offset: this.#solidOffset };
  }

  /** The log goes on behind this record. */
  pass(record: RecordReader, sequence: number): void {
    this.link = record.sum;
    this.#sequence = sequence;
    this.#endOffset = record.next;
    const { solidSequence, solidOffset } = record;
    if (solidSequence < this.#solidSequence) return;
    if (solidSequence === this.#solidSequence && solidOffset <= this.#solidOffset) return;
    this.#solidSequence = solidSequence;
    this.#solidOffset = solidOffset;
  }

  /** What is wrong with it, undefined when it is accepted. */
  beginSegment(segment: NamedSegment, start: SegmentStart, record: RecordReader): string | undefined {
    if (start.sequence !== segment.sequence || start.base.index + 1 !== segment.firstIndex) {
      return `the segment was written as ${segmentName(start.sequence, start.base.index + 1)}: it was renamed or copied`;
    }
    const { last } = this;
    if (this.segments.length === 0) {
      this.#oldest = start.base;
      this.#base = start.base;
      this.last = start.base;
    } else if (start.base.index !== last.index || start.base.term !== last.term) {
      return `the segment follows entry ${start.base.index} of term ${start.base.term}, but the log before it ends at entry ${last.index} of term ${last.term}`;
    }
    this.#entries.enter(segment.bytes);
    this.#bytes = segment.bytes;
    this.#reader = new UntrustedReader(segment.bytes);
    this.#hardState = start.hardState;
    this.#hardStateFrom = -1;
    this.neededFrom = start.neededFrom;
    this.segments.push({
      name: segment.name,
      sequence: segment.sequence,
      base: start.base,
      startBytes: record.next,
      lowestIndex: Number.POSITIVE_INFINITY,
    });
    return undefined;
  }

  /** A record of the segment begun last: what is wrong with it, undefined when it is accepted. */
  addRecord(record: RecordReader): string | undefined {
    switch (record.kind) {
      case "segment":
        return "a second beginning of a segment";
      case "base": {
        const moved = decodeBaseMoved(this.#bytes, record.payload);
        if (moved === undefined) return unreadable;
        const { index, term } = moved.base;
        if (index > this.last.index) return `a base at index ${index}, beyond the last entry ${this.last.index}`;
        if (index > this.#base.index && this.#termAt(index) !== term) return `a base of another term at index ${index}`;
        if (index > this.#base.index) this.#base = moved.base;
        this.neededFrom = moved.neededFrom;
        return undefined;
      }
      case "write":
        this.#reader.enter(record.payloadFrom, record.payloadTo);
        return this.#addWrite(this.#reader);
      default:
        return unreachable(record.kind);
    }
  }

  #addWrite(reader: UntrustedReader): string | undefined {
    const head = this.#head;
    head.read(reader);
    if (head.hardStateFrom >= 0) this.#hardStateFrom = head.hardStateFrom;
    if (head.count > 0 && !reader.failed) {
      const wrong = this.#addEntries(reader, head.firstIndex, head.count);
      if (wrong !== undefined) return wrong;
    }
    return reader.complete ? undefined : unreadable;
  }

  #addEntries(reader: UntrustedReader, firstIndex: LogIndex, count: number): string | undefined {
    if (firstIndex <= this.#base.index) return `entry ${firstIndex} at or below the base ${this.#base.index}`;
    if (firstIndex > this.last.index + 1) return `entry ${firstIndex} after entry ${this.last.index}`;
    if (firstIndex <= this.last.index) this.#cutFrom(firstIndex);
    let last = this.last.term;
    for (let position = 0; position < count; position++) {
      const from = reader.position;
      const term = passEntry(reader);
      if (term === undefined) return unreadable;
      if (term < last) return `entry ${firstIndex + position} of term ${term} after one of term ${last}`;
      last = term;
      this.#entries.add(from);
    }
    this.last = { index: indexOf(firstIndex + count - 1), term: last };
    const segment = this.segments[this.segments.length - 1] as SegmentState;
    segment.lowestIndex = Math.min(segment.lowestIndex, firstIndex);
    return undefined;
  }

  /** An entry with that index follows: those at and after it count no more. */
  #cutFrom(index: LogIndex): void {
    const before = indexOf(index - 1);
    this.last = { index: before, term: this.#termAt(before) ?? this.#oldest.term };
    this.#entries.cutTo(before - this.#oldest.index);
  }

  #termAt(index: LogIndex): Term | undefined {
    return this.#entries.termAt(index - this.#oldest.index - 1);
  }

  /** The commit index is a hint written before the entries it speaks of: it is brought into the log's range. */
  result(): { hardState: HardState; base: LogBase; entries: EntryList } {
    const hardState = this.#hardStateFrom < 0 ? this.#hardState : hardStateAt(this.#bytes, this.#hardStateFrom);
    const { commitIndex } = hardState;
    const base = this.#base;
    const clamped = Math.max(base.index, Math.min(commitIndex, this.last.index));
    const skipped = base.index - this.#oldest.index;
    return {
      base,
      entries: this.#entries.entriesFrom(skipped, indexOf(base.index + 1)),
      hardState: { ...hardState, commitIndex: clamped === commitIndex ? commitIndex : indexOf(clamped) },
    };
  }
}
