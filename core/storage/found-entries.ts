/*
 * The entries of a log as they lie in the bytes of its segments. What is kept of an entry is where it stands; the entry
 * itself is made when somebody asks for it. A member that starts asks for those its backend lacks, and later for what
 * slow followers need: of a million entries, hardly any.
 *
 * Segments are kept from their first entry in the list to their last, as a copy when that is the smaller part of them.
 */
import { assert } from "../assert.ts";
import { ByteSlab } from "../byte-slab.ts";
import { indexOf, type LogIndex, type Term } from "../ids.ts";
import type { Entry, EntryList } from "../raft/message.ts";
import { readEntry } from "./log-record.ts";
import { UntrustedReader } from "./untrusted-reader.ts";

/** Some bytes of one segment. */
interface Piece {
  readonly bytes: Uint8Array;
  /** Where in the segment they begin. */
  readonly from: number;
}

const nothing: Piece = { bytes: new Uint8Array(0), from: 0 };

/** Gathers places while a log is read, segment after segment. */
export class EntryPlaces {
  readonly #segments: Uint8Array[] = [];
  /** Two numbers an entry: which segment, and the offset in it. They rise together. */
  #places = new Uint32Array(64);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Places are in this segment from now on. */
  enter(segment: Uint8Array): void {
    this.#segments.push(segment);
  }

  add(offset: number): void {
    const at = 2 * this.#length;
    if (at === this.#places.length) {
      const larger = new Uint32Array(2 * at);
      larger.set(this.#places);
      this.#places = larger;
    }
    this.#places[at] = this.#segments.length - 1;
    this.#places[at + 1] = offset;
    this.#length += 1;
  }

  /** The entries from that position on count no more. */
  cutTo(length: number): void {
    assert(length <= this.#length, "a log is cut at an entry it holds", length, this.#length);
    this.#length = length;
  }

  /** Undefined outside of the list. */
  termAt(position: number): Term | undefined {
    if (position < 0 || position >= this.#length) return undefined;
    const bytes = this.#segments[this.#places[2 * position] as number] as Uint8Array;
    const from = this.#places[2 * position + 1] as number;
    return entryIn(new UntrustedReader(bytes, { from, to: bytes.length }), indexOf(0)).term;
  }

  /**
   * The entries from that position on.
   *
   * @param firstIndex index of the first of them
   */
  entriesFrom(position: number, firstIndex: LogIndex): EntryList {
    const places = this.#places.slice(2 * position, 2 * this.#length);
    return new FoundEntries(keptOf(this.#segments, places), places, firstIndex);
  }
}

/** The part of each segment in which those places are. */
function keptOf(segments: readonly Uint8Array[], places: Uint32Array): readonly Piece[] {
  const kept = segments.map(() => nothing);
  for (let at = 0; at < places.length; ) {
    const ordinal = places[at] as number;
    const bytes = segments[ordinal] as Uint8Array;
    const from = places[at + 1] as number;
    while (at < places.length && places[at] === ordinal) at += 2;
    const last = new UntrustedReader(bytes, { from: places[at - 1] as number, to: bytes.length });
    entryIn(last, indexOf(0));
    const to = last.position;
    const isMost = to - from > bytes.length / 2;
    kept[ordinal] = isMost ? { bytes, from: 0 } : { bytes: bytes.slice(from, to), from };
  }
  return kept;
}

function entryIn(reader: UntrustedReader, index: LogIndex): Entry {
  const entry = readEntry(reader, index);
  assert(entry !== undefined, "an entry that was read once can be read again", index);
  return entry;
}

class FoundEntries implements EntryList {
  /** By their number; `nothing` where no entry is in. */
  readonly #pieces: readonly Piece[];
  readonly #places: Uint32Array;
  readonly #firstIndex: LogIndex;
  readonly #slab = new ByteSlab();

  constructor(pieces: readonly Piece[], places: Uint32Array, firstIndex: LogIndex) {
    this.#pieces = pieces;
    this.#places = places;
    this.#firstIndex = firstIndex;
  }

  get length(): number {
    return this.#places.length >> 1;
  }

  at(position: number): Entry | undefined {
    const at = position < 0 ? position + this.length : position;
    if (at < 0 || at >= this.length) return undefined;
    const { bytes, from } = this.#pieces[this.#places[2 * at] as number] as Piece;
    const slice = { from: (this.#places[2 * at + 1] as number) - from, to: bytes.length };
    return entryIn(new UntrustedReader(bytes, slice, this.#slab), indexOf(this.#firstIndex + at));
  }

  /** What only others need of the segments is let go. */
  slice(from: number, to = this.length): EntryList {
    const places = this.#places.slice(2 * from, 2 * to);
    const first = places[0] ?? this.#pieces.length;
    const last = places[places.length - 2] ?? 0;
    const pieces = this.#pieces.map((piece, ordinal) => (ordinal < first || ordinal > last ? nothing : piece));
    return new FoundEntries(pieces, places, indexOf(this.#firstIndex + from));
  }

  *[Symbol.iterator](): Iterator<Entry> {
    for (let position = 0; position < this.length; position++) yield this.at(position) as Entry;
  }
}
