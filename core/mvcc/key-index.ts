/*
 * The revisions of one key, oldest first. A generation is a run of puts from a key's creation to the tombstone that ends
 * it; the next put begins a new one. Values are not here: they lie in the backend under these revisions.
 * The newest revision has fields of its own, because most keys have only that one and most reads want only that one.
 * Source: etcd data model (generations, compaction of a key).
 */
import { assert } from "../assert.ts";

export class KeyIndex {
  /** The key, one character a byte; see textOfBytes. */
  readonly text: string;
  /** Newest change: its mainRevision, and twice its subRevision, plus 1 for a tombstone. */
  private main: number;
  private code: number;
  /** Of the live generation; both 0 when the newest change is a tombstone. */
  createRevision: number;
  version: number;
  /** Changes before the newest, oldest first: main, code, main, code, … */
  private older: number[] | undefined = undefined;

  /** An index without any revision: the first call must be a put or a tombstone. */
  constructor(text: string) {
    this.text = text;
    this.main = 0;
    this.code = 0;
    this.createRevision = 0;
    this.version = 0;
  }

  get isLive(): boolean {
    return this.version > 0;
  }

  /** Position of the newest change; positions count changes from 0, oldest first. */
  get newest(): number {
    return this.older === undefined ? 0 : this.older.length >> 1;
  }

  put(mainRevision: number, subRevision: number): void {
    this.append(mainRevision, subRevision * 2);
    if (this.version === 0) this.createRevision = mainRevision;
    this.version += 1;
  }

  tombstone(mainRevision: number, subRevision: number): void {
    this.append(mainRevision, subRevision * 2 + 1);
    this.createRevision = 0;
    this.version = 0;
  }

  /** A put found in a backend, whose earlier history may be compacted away. */
  restorePut(
    mainRevision: number,
    subRevision: number,
    stored: { readonly createRevision: number; readonly version: number },
  ): void {
    this.append(mainRevision, subRevision * 2);
    this.createRevision = stored.createRevision;
    this.version = stored.version;
  }

  /** Position of the newest change at or before that main revision; −1 when there is none. */
  findAt(mainRevision: number): number {
    const older = this.older;
    if (older === undefined) return this.main <= mainRevision ? 0 : -1;
    const count = older.length >> 1;
    if (this.main <= mainRevision) return count;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((older[middle * 2] as number) <= mainRevision) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  mainAt(position: number): number {
    return position === this.newest ? this.main : (this.older?.[position * 2] as number);
  }
  subAt(position: number): number {
    return Math.floor(this.codeAt(position) / 2);
  }
  isTombstoneAt(position: number): boolean {
    return this.codeAt(position) % 2 === 1;
  }

  /** True when the key existed at the end of that main revision. */
  isLiveAt(mainRevision: number): boolean {
    const position = this.findAt(mainRevision);
    return position >= 0 && !this.isTombstoneAt(position);
  }

  /**
   * Whether a compaction at `compactRevision` keeps this change: only the newest at or before it is kept, and that not
   * when it is a tombstone from before it.
   */
  keeps(compactRevision: number, mainRevision: number, subRevision: number): boolean {
    if (mainRevision > compactRevision) return true;
    const position = this.findAt(compactRevision);
    if (position < 0 || this.mainAt(position) !== mainRevision || this.subAt(position) !== subRevision) return false;
    return !this.isTombstoneAt(position) || mainRevision === compactRevision;
  }

  /** Forgets what a compaction at that revision drops; true when nothing is left of the key. */
  compact(compactRevision: number): boolean {
    const position = this.findAt(compactRevision);
    if (position < 0) return false;
    const dropsTombstone = this.isTombstoneAt(position) && this.mainAt(position) < compactRevision;
    if (dropsTombstone && position === this.newest) return true;
    const dropped = dropsTombstone ? position + 1 : position;
    if (dropped > 0 && this.older !== undefined) {
      this.older = dropped === this.older.length >> 1 ? undefined : this.older.slice(dropped * 2);
    }
    return false;
  }

  private codeAt(position: number): number {
    return position === this.newest ? this.code : (this.older?.[position * 2 + 1] as number);
  }

  private append(main: number, code: number): void {
    assert(
      main > this.main || (main === this.main && code > this.code),
      "revisions of a key only go up",
      main,
      this.main,
    );
    if (this.main > 0) {
      if (this.older === undefined) this.older = [this.main, this.code];
      else this.older.push(this.main, this.code);
    }
    this.main = main;
    this.code = code;
  }
}
