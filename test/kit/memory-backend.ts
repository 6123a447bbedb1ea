/*
 * The Backend port for tests of the rooms above it: buckets as Maps whose sorted key lists are made when a scan wants
 * them. Commits and syncs happen when the test says so; a crash keeps as many commits as the test says.
 */
import { bytesOfText, textOfBytes } from "../../core/bytes.ts";
import type { Backend, BackendInstall, BackendReader, BackendView, Bucket, Visit } from "../../core/ports.ts";

const keyBytesMax = 511;

/** One write; `install` replaces everything. */
type Write =
  | { readonly bucket: Bucket; readonly key: string; readonly value: Uint8Array | undefined }
  | { readonly install: Contents };

class MemoryBucket {
  private readonly values = new Map<string, Uint8Array>();
  /** Keys ascending; may name deleted ones. undefined: make it anew. */
  private sorted: string[] | undefined = [];

  get(key: string): Uint8Array | undefined {
    return this.values.get(key);
  }

  set(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) {
      this.values.delete(key);
      return;
    }
    const sizeBefore = this.values.size;
    this.values.set(key, value);
    if (this.values.size === sizeBefore || this.sorted === undefined) return;
    const last = this.sorted[this.sorted.length - 1];
    if (last === undefined || last < key) this.sorted.push(key);
    else this.sorted = undefined;
  }

  scan(from: string, to: string | undefined, visit: Visit): void {
    if (this.sorted === undefined || this.sorted.length > 2 * this.values.size) this.sorted = this.keys();
    const sorted = this.sorted;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] as string) < from) low = middle + 1;
      else high = middle;
    }
    for (; low < sorted.length; low++) {
      const key = sorted[low] as string;
      if (to !== undefined && key >= to) return;
      const value = this.values.get(key);
      if (value !== undefined && !visit(bytesOfText(key), value)) return;
    }
  }

  copy(): MemoryBucket {
    const copy = new MemoryBucket();
    for (const key of this.keys()) copy.set(key, this.values.get(key));
    return copy;
  }

  get usedBytes(): number {
    let bytes = 0;
    for (const [key, value] of this.values) bytes += key.length + value.length;
    return bytes;
  }

  private keys(): string[] {
    return [...this.values.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }
}

class Contents implements BackendReader {
  private readonly buckets = new Map<Bucket, MemoryBucket>();

  bucket(name: Bucket): MemoryBucket {
    let bucket = this.buckets.get(name);
    if (bucket === undefined) {
      bucket = new MemoryBucket();
      this.buckets.set(name, bucket);
    }
    return bucket;
  }

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return this.bucket(bucket).get(textOfBytes(key));
  }

  scan(bucket: Bucket, range: { readonly from: Uint8Array; readonly to: Uint8Array | undefined }, visit: Visit): void {
    this.bucket(bucket).scan(
      textOfBytes(range.from),
      range.to === undefined ? undefined : textOfBytes(range.to),
      visit,
    );
  }

  scanLent: BackendReader["scanLent"] = (bucket, range, visit) => this.scan(bucket, range, visit);

  copy(): Contents {
    const copy = new Contents();
    for (const [name, bucket] of this.buckets) copy.buckets.set(name, bucket.copy());
    return copy;
  }

  get usedBytes(): number {
    let bytes = 0;
    for (const bucket of this.buckets.values()) bytes += bucket.usedBytes;
    return bytes;
  }
}

export interface MemoryBackendOptions {
  /** false: commits are not remembered, and a crash cannot be asked for; for long runs. */
  readonly crashes: boolean;
}

export class MemoryBackend implements Backend {
  private readonly options: MemoryBackendOptions;
  private contents = new Contents();
  /** As of the last sync. */
  private durable = new Contents();
  private pending: Write[] = [];
  /** Commits since the last sync. */
  private commits: (readonly Write[])[] = [];
  private install: Contents | undefined = undefined;

  constructor(options: MemoryBackendOptions = { crashes: true }) {
    this.options = options;
  }

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return this.contents.get(bucket, key);
  }

  scan(bucket: Bucket, range: { readonly from: Uint8Array; readonly to: Uint8Array | undefined }, visit: Visit): void {
    this.contents.scan(bucket, range, visit);
  }

  scanLent: BackendReader["scanLent"] = (bucket, range, visit) => this.scan(bucket, range, visit);

  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): void {
    this.write(bucket, key, value);
  }

  delete(bucket: Bucket, key: Uint8Array): void {
    this.write(bucket, key, undefined);
  }

  openView(): BackendView {
    const contents = this.contents.copy();
    const { scanLent } = contents;
    return { get: contents.get.bind(contents), scan: contents.scan.bind(contents), scanLent, close: () => undefined };
  }

  beginInstall(): BackendInstall {
    const received = new Contents();
    this.install = received;
    return {
      put: (bucket, key, value) => received.bucket(bucket).set(textOfBytes(key), value),
      finish: () => {
        if (this.install !== received) throw new Error("this install was dropped");
        this.install = undefined;
        this.commit();
        this.contents = received;
        if (this.options.crashes) this.commits.push([{ install: received.copy() }]);
      },
      abort: () => {
        if (this.install === received) this.install = undefined;
      },
    };
  }

  size(): { readonly allocatedBytes: number; readonly usedBytes: number } {
    const usedBytes = this.contents.usedBytes;
    return { allocatedBytes: Math.ceil(usedBytes / 4_096 + 1) * 4_096, usedBytes };
  }

  /** Ends the batch gathered so far. */
  commit(): void {
    if (this.pending.length === 0) return;
    this.commits.push(this.pending);
    this.pending = [];
  }

  /** Commits, and makes every commit durable. */
  sync(): void {
    this.commit();
    for (const commit of this.commits) this.durable = replay(this.durable, commit);
    this.commits = [];
  }

  /** How many commits a crash could lose. */
  get commitsAtRisk(): number {
    return this.commits.length;
  }

  /** Falls back to the last sync and so many commits after it; pending writes are gone. */
  crash(commitsKept: number): void {
    if (!this.options.crashes) throw new Error("this backend was told not to remember commits");
    this.pending = [];
    this.install = undefined;
    this.commits = this.commits.slice(0, commitsKept);
    let contents = this.durable.copy();
    for (const commit of this.commits) contents = replay(contents, commit);
    this.contents = contents;
  }

  private write(bucket: Bucket, key: Uint8Array, value: Uint8Array | undefined): void {
    if (key.length < 1 || key.length > keyBytesMax) throw new Error(`a key has 1..${keyBytesMax} bytes`);
    const text = textOfBytes(key);
    this.contents.bucket(bucket).set(text, value);
    if (this.options.crashes) this.pending.push({ bucket, key: text, value });
  }
}

function replay(contents: Contents, commit: readonly Write[]): Contents {
  let result = contents;
  for (const write of commit) {
    if ("install" in write) result = write.install.copy();
    else result.bucket(write.bucket).set(write.key, write.value);
  }
  return result;
}
