/*
 * The log of one member as it stands in memory, and how far each of its prefixes has come:
 *
 *   baseIndex ≤ appliedIndex ≤ handedIndex ≤ min(commitIndex, stableIndex)       stableIndex ≤ writtenIndex ≤ lastIndex
 *   compacted   applied        given to apply                                     durable        given to the disk
 *
 * Bytes on disk are not here; `stableIndex` is told by whoever writes them. Source: Raft thesis §3.5, §5.
 */
import { assert } from "../assert.ts";
import { indexOf, type LogIndex, type Term } from "../ids.ts";
import { EntryWindow } from "./entry-window.ts";
import type { Entry, EntryList } from "./message.ts";

/** Bytes an entry counts for in batches and bounds: its data, its index and its term. */
export const entryBytes = (entry: Entry): number => entry.data.length + 16;

const noEntries: readonly Entry[] = [];

/** Entries given to the disk in one write that is not known to be done. */
interface WriteUnderWay {
  readonly index: LogIndex;
  readonly term: Term;
  /** How far the log is durable once this write is done; lowered when a conflict cuts the log meanwhile. */
  stableIndex: LogIndex;
  /** Term of the hard state that was written before or together with it. */
  readonly hardStateTerm: Term;
}

export class RaftLog {
  /** The entry at position 0 has index baseIndex + 1. */
  private entries: EntryWindow;
  private baseIndex: LogIndex;
  private baseTerm: Term;
  private readonly writes: WriteUnderWay[] = [];
  lastIndex: LogIndex;
  /** Highest index known committed; never falls. */
  commitIndex: LogIndex;
  appliedIndex: LogIndex;
  /** Last entry handed out for applying. */
  handedIndex: LogIndex;
  /** Last entry handed out for writing. */
  writtenIndex: LogIndex;
  /** Last entry known durable on this member. */
  stableIndex: LogIndex;

  /** What was found on disk: everything in it counts as durable. `commitIndex` is a hint and may be too high. */
  constructor(found: {
    readonly baseIndex: LogIndex;
    readonly baseTerm: Term;
    readonly entries: EntryList;
    readonly commitIndex: LogIndex;
    readonly appliedIndex: LogIndex;
  }) {
    this.baseIndex = found.baseIndex;
    this.baseTerm = found.baseTerm;
    this.entries = new EntryWindow(found.entries);
    this.lastIndex = indexOf(found.baseIndex + found.entries.length);
    const first = found.entries.at(0);
    assert(first === undefined || first.index === found.baseIndex + 1, "the log begins with a gap", found.baseIndex);
    assert(found.appliedIndex >= found.baseIndex, "the log begins after the applied state", found.appliedIndex);
    assert(found.appliedIndex <= this.lastIndex, "the applied state is ahead of the log", found.appliedIndex);
    this.appliedIndex = found.appliedIndex;
    this.handedIndex = found.appliedIndex;
    this.writtenIndex = this.lastIndex;
    this.stableIndex = this.lastIndex;
    this.commitIndex = indexOf(Math.max(found.appliedIndex, Math.min(found.commitIndex, this.lastIndex)));
  }

  get firstIndex(): LogIndex {
    return indexOf(this.baseIndex + 1);
  }

  get lastTerm(): Term {
    const { last } = this.entries;
    return last === undefined ? this.baseTerm : last.term;
  }

  /** The term at the base is known too. A position outside has no term: it equals no term, not even 0. */
  termAt(index: LogIndex): Term | undefined {
    if (index === this.baseIndex) return this.baseTerm;
    return this.entries.at(index - this.baseIndex - 1)?.term;
  }

  entryAt(index: LogIndex): Entry | undefined {
    return this.entries.at(index - this.baseIndex - 1);
  }

  /** True when a log that ends in (lastTerm, lastIndex) holds everything committed that this one holds: term first. */
  isUpToDate(other: { readonly lastIndex: LogIndex; readonly lastTerm: Term }): boolean {
    const lastTerm = this.lastTerm;
    return other.lastTerm > lastTerm || (other.lastTerm === lastTerm && other.lastIndex >= this.lastIndex);
  }

  /**
   * Highest index ≤ `index` whose term here is ≤ `term`. Used on both sides to skip, in one exchange, a whole run of
   * entries that cannot agree. Stops at the base, below which terms are unknown.
   */
  conflictHint(index: LogIndex, term: Term): LogIndex {
    let candidate = Math.min(index, this.lastIndex);
    while (candidate > this.baseIndex && (this.termAt(indexOf(candidate)) as Term) > term) candidate--;
    return indexOf(candidate);
  }

  /** Entries from `from`, at least one when there is one, then as many as fit into `bytesMax`, not beyond `to`. */
  slice(from: LogIndex, to: LogIndex, bytesMax: number): readonly Entry[] {
    if (from > to) return noEntries;
    assert(from > this.baseIndex && to <= this.lastIndex, "entries outside of the log were asked for", from, to);
    const start = from - this.baseIndex - 1;
    const limit = to - this.baseIndex;
    let end = start + 1;
    let bytes = entryBytes(this.entries.at(start) as Entry);
    while (end < limit) {
      bytes += entryBytes(this.entries.at(end) as Entry);
      if (bytes > bytesMax) break;
      end++;
    }
    return this.entries.slice(start, end);
  }

  /** One entry after the last: a leader's own. */
  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, "an entry does not follow the log", entry.index, this.lastIndex);
    assert(entry.term >= this.lastTerm, "an entry has a lower term than the one before it", entry.term);
    this.entries.push(entry);
    this.lastIndex = entry.index;
  }

  /**
   * Entries of a leader whose log agrees with this one just before them. Those already here stay; the first that has
   * another term cuts off what is here from it on, and never a committed entry.
   */
  merge(entries: readonly Entry[]): void {
    for (let position = 0; position < entries.length; position++) {
      const entry = entries[position] as Entry;
      if (entry.index <= this.baseIndex) continue;
      if (entry.index <= this.lastIndex) {
        if (this.termAt(entry.index) === entry.term) continue;
        assert(entry.index > this.commitIndex, "a committed entry would be overwritten", entry.index, this.commitIndex);
        this.cutFrom(entry.index);
      }
      this.append(entry);
    }
  }

  /** Never falls, never passes the last entry. Returns whether it rose. */
  commitTo(index: LogIndex): boolean {
    if (index <= this.commitIndex) return false;
    assert(index <= this.lastIndex, "an entry that this log never held was committed", index, this.lastIndex);
    this.commitIndex = index;
    return true;
  }

  get hasUnwritten(): boolean {
    return this.writtenIndex < this.lastIndex;
  }

  /** Entries not yet given to the disk, each once, unless a cut and a new entry at that index call for it again. */
  takeUnwritten(hardStateTerm: Term): readonly Entry[] {
    if (this.writtenIndex >= this.lastIndex) return noEntries;
    const taken = this.entries.slice(this.writtenIndex - this.baseIndex, this.entries.length);
    this.writtenIndex = this.lastIndex;
    this.writes.push({ index: this.lastIndex, term: this.lastTerm, stableIndex: this.lastIndex, hardStateTerm });
    return taken;
  }

  /**
   * The write that ended in (index, term) is done, and with it all earlier ones. Returns the term of a hard state that
   * is durable too, undefined when no write under way ended there.
   *
   * What counts is the write, not the entry. 1. (5, term 2) is written. 2. Term 3 overwrites it, term 4 brings it
   * back; neither write is done. 3. Write 1 is done: the entry in memory looks the same, but a crash between the
   * other two would leave term 3's entry on disk. So a cut lowers what every write under way can prove.
   */
  persisted(index: LogIndex, term: Term): Term | undefined {
    let done = 0;
    while (done < this.writes.length) {
      const write = this.writes[done] as WriteUnderWay;
      done++;
      if (write.index === index && write.term === term) {
        if (write.stableIndex > this.stableIndex) this.stableIndex = write.stableIndex;
        if (done === 1) this.writes.shift();
        else this.writes.splice(0, done);
        return write.hardStateTerm;
      }
    }
    return undefined;
  }

  get hasCommitted(): boolean {
    return this.handedIndex < this.commitIndex && this.handedIndex < this.stableIndex;
  }

  /** The next committed and durable entries to apply, at most `bytesMax` of them but at least one; each once. */
  takeCommitted(bytesMax: number): readonly Entry[] {
    if (!this.hasCommitted) return noEntries;
    const to = indexOf(Math.min(this.commitIndex, this.stableIndex));
    const taken = this.slice(indexOf(this.handedIndex + 1), to, bytesMax);
    this.handedIndex = indexOf(this.handedIndex + taken.length);
    return taken;
  }

  appliedTo(index: LogIndex): void {
    assert(index <= this.handedIndex, "an entry was applied that was not handed out", index, this.handedIndex);
    assert(index >= this.appliedIndex, "the applied index fell", index, this.appliedIndex);
    this.appliedIndex = index;
  }

  /** Forgets entries ≤ index; already forgotten ones are ignored. */
  compactTo(index: LogIndex): void {
    if (index <= this.baseIndex) return;
    assert(index <= this.appliedIndex, "an entry would be forgotten before it was applied", index, this.appliedIndex);
    const term = this.termAt(index) as Term;
    this.entries.drop(index - this.baseIndex);
    this.baseIndex = index;
    this.baseTerm = term;
  }

  /**
   * A snapshot that ends in (index, term) is in place. A log that holds that entry keeps the tail beyond it, since that
   * tail may have been acknowledged; any other log starts anew after it.
   */
  install(index: LogIndex, term: Term): void {
    assert(index > this.handedIndex, "a snapshot older than the applied state was installed", index, this.handedIndex);
    if (this.termAt(index) !== term) {
      assert(index > this.commitIndex, "a snapshot contradicts a committed entry", index, this.commitIndex);
      this.cutFrom(this.firstIndex);
      this.entries = new EntryWindow(noEntries);
      this.baseIndex = index;
      this.baseTerm = term;
      this.lastIndex = index;
    }
    if (this.commitIndex < index) this.commitIndex = index;
    this.handedIndex = index;
    this.appliedIndex = index;
    if (this.stableIndex < index) this.stableIndex = index;
    if (this.writtenIndex < index) this.writtenIndex = index;
  }

  /** True when some committed entry that is not yet applied changes the configuration. */
  hasUnappliedConfiguration(): boolean {
    for (let index = this.appliedIndex + 1; index <= this.commitIndex; index++) {
      if (this.entryAt(indexOf(index))?.kind === "configuration") return true;
    }
    return false;
  }

  /** What is not known to be committed is gone from memory; on the disk, once something is written in its place. */
  forgetUncommitted(): void {
    if (this.lastIndex > this.commitIndex) this.cutFrom(indexOf(this.commitIndex + 1));
  }

  private cutFrom(index: LogIndex): void {
    const kept = indexOf(index - 1);
    this.entries.cutTo(kept - this.baseIndex);
    this.lastIndex = kept;
    if (this.writtenIndex > kept) this.writtenIndex = kept;
    if (this.stableIndex > kept) this.stableIndex = kept;
    for (const write of this.writes) if (write.stableIndex > kept) write.stableIndex = kept;
  }
}
