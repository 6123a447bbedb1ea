/*
 * What the records of a log say, one after the other: later ones win. An entry cuts off whatever stood at its index and
 * after it; a base moves the beginning of the log. Not here: which records are whole, and what to do about those that are
 * not (recovery.ts).
 */
import { unreachable } from "../assert.ts";
import { ByteSlab } from "../byte-slab.ts";
import { indexOf, type LogIndex, noIndex, noTerm } from "../ids.ts";
import { blankHardState } from "../raft/hard-state.ts";
import type { Entry, HardState } from "../raft/message.ts";
import {
  decodeBaseMoved,
  decodeWrite,
  type LogBase,
  type LogIdentity,
  type LogSegment,
  type SegmentStart,
  segmentName,
} from "./log-record.ts";
import { comparePositions, type FoundRecord, type LogPosition } from "./record.ts";

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
  /** Behind the last record. */
  end: LogPosition = { sequence: 0, offset: 0 };
  /** Everything before it was durable, as the records so far say. */
  solid: LogPosition = { sequence: 0, offset: 0 };
  /** Segments of a lower sequence are needed no more, as the records so far say. */
  neededFrom = 0;
  /** Base of the oldest segment: entry i stands at entries[i − oldest.index − 1]. */
  #oldest: LogBase = { index: noIndex, term: noTerm };
  #base: LogBase = this.#oldest;
  #entries: Entry[] = [];
  readonly #slab = new ByteSlab();
  #hardState: HardState = blankHardState;

  get last(): LogBase {
    return this.#entries[this.#entries.length - 1] ?? this.#oldest;
  }

  /** The log goes on behind this record. */
  pass(record: FoundRecord, sequence: number): void {
    this.link = record.sum;
    this.end = { sequence, offset: record.next };
    if (comparePositions(record.solid, this.solid) > 0) this.solid = record.solid;
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
    } else if (start.base.index !== last.index || start.base.term !== last.term) {
      return `the segment follows entry ${start.base.index} of term ${start.base.term}, but the log before it ends at entry ${last.index} of term ${last.term}`;
    }
    this.#hardState = start.hardState;
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
        this.neededFrom = moved.neededFrom;
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
    const { commitIndex } = this.#hardState;
    const base = this.#base;
    const clamped = Math.max(base.index, Math.min(commitIndex, this.last.index));
    const skipped = base.index - this.#oldest.index;
    return {
      base,
      entries: skipped === 0 ? this.#entries : this.#entries.slice(skipped),
      hardState: { ...this.#hardState, commitIndex: clamped === commitIndex ? commitIndex : indexOf(clamped) },
    };
  }
}
