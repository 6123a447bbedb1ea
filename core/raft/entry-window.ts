/*
 * The entries a member holds in memory, by their position after the log's base. Those it found on its disk stay in the
 * form they were found in, and an entry of them is made when somebody asks: a start after a million entries needs the
 * last few of them at most. Those of this life are objects. Not here: indexes and terms (log.ts).
 */
import { assert } from "../assert.ts";
import type { Entry, EntryList } from "./message.ts";

const noEntries: readonly Entry[] = [];

export class EntryWindow {
  /** Before those of this life. */
  private found: EntryList;
  private own: Entry[];

  constructor(found: EntryList) {
    const isArray = Array.isArray(found);
    this.found = isArray ? noEntries : found;
    this.own = isArray ? found.slice() : [];
    for (let position = 1; position < this.own.length; position++) {
      const { index } = this.own[position] as Entry;
      assert(index === (this.own[position - 1] as Entry).index + 1, "the log has a gap", index);
    }
  }

  get length(): number {
    return this.found.length + this.own.length;
  }

  /** Undefined outside of the window. */
  at(position: number): Entry | undefined {
    const foundLength = this.found.length;
    if (position >= foundLength) return this.own[position - foundLength];
    return position < 0 ? undefined : this.found.at(position);
  }

  get last(): Entry | undefined {
    return this.own.length > 0 ? this.own[this.own.length - 1] : this.found.at(-1);
  }

  push(entry: Entry): void {
    this.own.push(entry);
  }

  /** Entries from ≤ position < to. */
  slice(from: number, to: number): readonly Entry[] {
    const foundLength = this.found.length;
    if (from >= foundLength) return this.own.slice(from - foundLength, to - foundLength);
    const entries: Entry[] = [];
    for (let position = from; position < to; position++) entries.push(this.at(position) as Entry);
    return entries;
  }

  /** Only so many stay, from the beginning. */
  cutTo(length: number): void {
    assert(length >= 0 && length <= this.length, "a log is cut at an entry it holds", length, this.length);
    const foundLength = this.found.length;
    if (length < foundLength) this.found = this.found.slice(0, length);
    this.own.length = Math.max(0, length - foundLength);
  }

  /** So many go, from the beginning. */
  drop(count: number): void {
    assert(count >= 0 && count <= this.length, "entries are forgotten that are held", count, this.length);
    const foundLength = this.found.length;
    if (count >= foundLength) {
      this.found = noEntries;
      this.own = this.own.slice(count - foundLength);
    } else this.found = this.found.slice(count);
  }
}
