/*
 * The Backend port as a model of exactly its contract: ordered maps of bytes that remember enough to fall back to any
 * commit since the last synced one. Each bucket is a sorted array, because its keys are mostly appended in order; a view
 * shares the arrays until the next write. Deleted keys stay as gaps until they are half of the bucket.
 */
import {
  assert,
  type Backend,
  type BackendInstall,
  type BackendView,
  type Bucket,
  buckets,
  compareBytes,
  type Random,
  type Visit,
} from "../core/index.ts";

const keyBytesMax = 511;
const entryOverheadBytes = 16;
const pageBytes = 4_096;

class SortedBucket {
  keys: Uint8Array[] = [];
  /** undefined: the key was deleted and its place is kept. */
  values: (Uint8Array | undefined)[] = [];
  gaps = 0;
  /** Somebody else reads these arrays: copy them before the next write. */
  shared = false;
  usedBytes = 0;

  /** Position of the first key ≥ the given one. */
  lowerBound(key: Uint8Array): number {
    const keys = this.keys;
    let high = keys.length;
    if (high === 0 || compareBytes(keys[high - 1] as Uint8Array, key) < 0) return high;
    high -= 1;
    let low = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(keys[middle] as Uint8Array, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Position of that very key, −1 when it has none. */
  find(key: Uint8Array): number {
    const position = this.lowerBound(key);
    const found = this.keys[position];
    return found !== undefined && compareBytes(found, key) === 0 ? position : -1;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const position = this.find(key);
    return position < 0 ? undefined : this.values[position];
  }

  /** @returns the value before, undefined when there was none */
  set(key: Uint8Array, value: Uint8Array | undefined): Uint8Array | undefined {
    if (this.shared) this.#unshare();
    const position = this.lowerBound(key);
    const present = this.keys[position];
    if (present === undefined || compareBytes(present, key) !== 0) {
      if (value === undefined) return undefined;
      if (position === this.keys.length) {
        this.keys.push(key);
        this.values.push(value);
      } else {
        this.keys.splice(position, 0, key);
        this.values.splice(position, 0, value);
      }
      this.usedBytes += key.length + value.length + entryOverheadBytes;
      return undefined;
    }
    const before = this.values[position];
    this.values[position] = value;
    if (before === undefined && value !== undefined) this.gaps -= 1;
    else if (before !== undefined && value === undefined) this.gaps += 1;
    this.usedBytes += sizeOf(key, value) - sizeOf(key, before);
    if (this.gaps > 32 && this.gaps * 2 > this.keys.length) this.#unshare();
    return before;
  }

  scan(from: Uint8Array, to: Uint8Array | undefined, visit: Visit): void {
    const wasShared = this.shared;
    // The visitor may write to this bucket: then it writes to a copy, and this scan goes on over what it began with.
    const { keys, values } = this;
    this.shared = true;
    const end = to === undefined ? keys.length : this.lowerBound(to);
    for (let position = this.lowerBound(from); position < end; position++) {
      const value = values[position];
      if (value !== undefined && !visit(keys[position] as Uint8Array, value)) break;
    }
    if (this.keys === keys) this.shared = wasShared;
  }

  snapshot(): SortedBucket {
    this.shared = true;
    const copy = new SortedBucket();
    copy.keys = this.keys;
    copy.values = this.values;
    copy.gaps = this.gaps;
    copy.shared = true;
    copy.usedBytes = this.usedBytes;
    return copy;
  }

  /** New arrays of its own, without gaps. */
  #unshare(): void {
    const { keys, values } = this;
    if (this.gaps === 0) {
      this.keys = keys.slice();
      this.values = values.slice();
    } else {
      this.keys = keys.filter((_key, position) => values[position] !== undefined);
      this.values = values.filter((value) => value !== undefined);
      this.gaps = 0;
    }
    this.shared = false;
  }
}

const sizeOf = (key: Uint8Array, value: Uint8Array | undefined): number =>
  value === undefined ? 0 : key.length + value.length + entryOverheadBytes;

type Contents = { readonly [Name in Bucket]: SortedBucket };

const emptyContents = (): Contents => ({
  alarm: new SortedBucket(),
  cluster: new SortedBucket(),
  key: new SortedBucket(),
  lease: new SortedBucket(),
  members: new SortedBucket(),
  membersRemoved: new SortedBucket(),
  meta: new SortedBucket(),
  auth: new SortedBucket(),
  authUsers: new SortedBucket(),
  authRoles: new SortedBucket(),
});

function snapshotOf(contents: Contents): Contents {
  const copy = emptyContents();
  for (const bucket of buckets) Object.assign(copy[bucket], contents[bucket].snapshot());
  return copy;
}

/** One write that can be taken back: either a key's value before it, or the whole content before an install. */
type Undo =
  | { readonly bucket: Bucket; readonly key: Uint8Array; readonly before: Uint8Array | undefined }
  | { readonly bucket: undefined; readonly contents: Contents };

export class SimBackend implements Backend {
  #contents: Contents = emptyContents();
  /** Writes since the last durable commit, oldest first. */
  #undo: Undo[] = [];
  /** Length of `#undo` at each commit since the last durable one; ascending. */
  #commits: number[] = [];
  #durableCommits = 0;
  #install: SimInstall | undefined;
  #usedBytes = 0;
  #allocatedPages = 4;

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return this.#contents[bucket].get(key);
  }

  scan(bucket: Bucket, range: { readonly from: Uint8Array; readonly to: Uint8Array | undefined }, visit: Visit): void {
    this.#contents[bucket].scan(range.from, range.to, visit);
  }

  scanLent(
    bucket: Bucket,
    range: { readonly from: Uint8Array; readonly to: Uint8Array | undefined },
    visit: Visit,
  ): void {
    this.scan(bucket, range, lending(visit));
  }

  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): void {
    assert(key.length >= 1 && key.length <= keyBytesMax, "a backend key has 1..511 bytes", key.length);
    this.#undo.push({ bucket, key, before: this.#set(bucket, key, value) });
  }

  delete(bucket: Bucket, key: Uint8Array): void {
    const before = this.#set(bucket, key, undefined);
    if (before !== undefined) this.#undo.push({ bucket, key, before });
  }

  openView(): BackendView {
    return new SimView(snapshotOf(this.#contents));
  }

  beginInstall(): BackendInstall {
    this.#install?.abort();
    this.#install = new SimInstall((contents) => {
      this.#undo.push({ bucket: undefined, contents: this.#contents });
      this.#replace(contents);
      this.commit();
    });
    return this.#install;
  }

  size(): { readonly allocatedBytes: number; readonly usedBytes: number } {
    const usedBytes = 4 * pageBytes + this.#usedBytes;
    this.#allocatedPages = Math.max(this.#allocatedPages, Math.ceil(usedBytes / pageBytes));
    return { allocatedBytes: this.#allocatedPages * pageBytes, usedBytes };
  }

  /** The file shrinks to what is in it. */
  defragment(): void {
    this.#allocatedPages = 0;
  }

  // ---- the world's side ---------------------------------------------------------------------------------------

  /**
   * Makes everything written so far one atomic batch, unless nothing was.
   *
   * @returns number of the last commit, counted from 1 over all lives
   */
  commit(): number {
    const length = this.#undo.length;
    if (length > (this.#commits.at(-1) ?? 0)) this.#commits.push(length);
    return this.lastCommit;
  }

  get lastCommit(): number {
    return this.#durableCommits + this.#commits.length;
  }

  /**
   * Flips the lowest bit of the last byte of one entry of bucket `key`, one of the older half: what is new may still be
   * undone by a crash and written again. Nobody is told. @returns which; undefined: there is none
   */
  flipValue(drawn: number): string | undefined {
    const bucket = this.#contents.key;
    const filled: Uint8Array[] = [];
    bucket.scan(new Uint8Array(1), undefined, (key, value) => {
      if (value.length > 0) filled.push(key);
      return true;
    });
    const number = drawn % Math.max(1, filled.length >> 1);
    const key = filled[number];
    const value = key === undefined ? undefined : bucket.get(key);
    if (key === undefined || value === undefined) return undefined;
    const flipped = value.slice();
    flipped[flipped.length - 1] = (flipped[flipped.length - 1] ?? 0) ^ 1;
    bucket.set(key, flipped);
    return `stored entry ${number + 1} of ${filled.length}`;
  }

  /** Commits that a power loss might still take back. */
  get unsyncedCommits(): number {
    return this.#commits.length;
  }

  /** Commits up to that number are durable; a number passed already changes nothing. */
  synced(commit: number): void {
    const commits = Math.min(commit - this.#durableCommits, this.#commits.length);
    if (commits <= 0) return;
    this.#durableCommits += commits;
    const length = this.#commits[commits - 1] as number;
    if (length === this.#undo.length) this.#undo.length = 0;
    else this.#undo.splice(0, length);
    this.#commits = this.#commits.slice(commits).map((position) => position - length);
  }

  /** The process ended: writes after the last commit are gone. */
  crash(): void {
    this.#fallBackTo(this.#commits.length);
  }

  /** Keeps the durable commits and a drawn number of those after them. @returns how many commits are lost */
  losePower(random: Random): number {
    const total = this.#commits.length;
    const kept = random.below(total + 1);
    this.#fallBackTo(kept);
    return total - kept;
  }

  /** A second backend with the committed content of this one, all of it durable. */
  copy(): SimBackend {
    const copy = new SimBackend();
    copy.#replace(snapshotOf(this.#contents));
    copy.#undo = [...this.#undo];
    copy.#commits = [...this.#commits];
    copy.#allocatedPages = this.#allocatedPages;
    copy.crash();
    copy.synced(copy.lastCommit);
    return copy;
  }

  /** Counts what is stored as it changes: members ask for it at every tick. */
  #set(name: Bucket, key: Uint8Array, value: Uint8Array | undefined): Uint8Array | undefined {
    const bucket = this.#contents[name];
    const usedBytes = bucket.usedBytes;
    const before = bucket.set(key, value);
    this.#usedBytes += bucket.usedBytes - usedBytes;
    return before;
  }

  #replace(contents: Contents): void {
    this.#contents = contents;
    this.#usedBytes = 0;
    for (const bucket of buckets) this.#usedBytes += contents[bucket].usedBytes;
  }

  #fallBackTo(commits: number): void {
    this.#install?.abort();
    this.#install = undefined;
    const length = commits === 0 ? 0 : (this.#commits[commits - 1] as number);
    for (let position = this.#undo.length - 1; position >= length; position--) {
      const undo = this.#undo[position] as Undo;
      if (undo.bucket === undefined) this.#replace(undo.contents);
      else this.#set(undo.bucket, undo.key, undo.before);
    }
    this.#undo.length = length;
    this.#commits.length = commits;
  }
}

/** Lent bytes are spoilt when the visitor returns, so that whoever keeps them is found out. */
function lending(visit: Visit): Visit {
  return (key, value) => {
    const lentKey = key.slice();
    const lentValue = value.slice();
    const goesOn = visit(lentKey, lentValue);
    lentKey.fill(0xff);
    lentValue.fill(0xff);
    return goesOn;
  };
}

class SimView implements BackendView {
  #contents: Contents | undefined;

  constructor(contents: Contents) {
    this.#contents = contents;
  }

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    assert(this.#contents !== undefined, "a closed view is not read");
    return this.#contents[bucket].get(key);
  }

  scan(bucket: Bucket, range: { readonly from: Uint8Array; readonly to: Uint8Array | undefined }, visit: Visit): void {
    assert(this.#contents !== undefined, "a closed view is not read");
    this.#contents[bucket].scan(range.from, range.to, visit);
  }

  scanLent(
    bucket: Bucket,
    range: { readonly from: Uint8Array; readonly to: Uint8Array | undefined },
    visit: Visit,
  ): void {
    this.scan(bucket, range, lending(visit));
  }

  close(): void {
    this.#contents = undefined;
  }
}

class SimInstall implements BackendInstall {
  #contents: Contents | undefined = emptyContents();
  readonly #finished: (contents: Contents) => void;

  constructor(finished: (contents: Contents) => void) {
    this.#finished = finished;
  }

  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): void {
    assert(this.#contents !== undefined, "an ended install receives nothing");
    assert(key.length >= 1 && key.length <= keyBytesMax, "a backend key has 1..511 bytes", key.length);
    this.#contents[bucket].set(key, value);
  }

  finish(): void {
    assert(this.#contents !== undefined, "an install is finished once");
    const contents = this.#contents;
    this.#contents = undefined;
    this.#finished(contents);
  }

  abort(): void {
    this.#contents = undefined;
  }
}
