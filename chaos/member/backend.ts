/*
 * The backend of a real member: LMDB behind a write buffer. Writes gather in the buffer and reach LMDB as one
 * transaction, durable when `commit` returns; until then reads and scans see them through the buffer. The owner calls
 * `commit` between steps, never inside one, so that a commit never holds half of an applied entry.
 *
 * On disk: one directory `db-N` for each content the backend ever had, the highest N being the current one. A
 * snapshot is received in `db-N.part` and takes effect by one rename; after a crash the backend holds either all of
 * the old content or all of the new. What is not current is removed at the next start, once that has found the current
 * one to be its own.
 */
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { RootDatabase } from "lmdb";
import {
  assert,
  type Backend,
  type BackendInstall,
  type BackendView,
  type Bucket,
  buckets,
  bytesOfText,
  compareBytes,
  textOfBytes,
  type Visit,
} from "../../core/index.ts";
import { BackendProblem, discard, type Environment, lendingOf, lmdbRange, openAt, sizeOf } from "./lmdb-environment.ts";
import { syncDirectory, syncFile } from "./sync.ts";
import { copyPending, newPending, type PendingBuckets, plain, scanMerged } from "./write-buffer.ts";

type Bytes = Uint8Array;
type Range = { readonly from: Bytes; readonly to: Bytes | undefined };

const currentName = /^db-([0-9]+)$/;
const installBytesPerCommit = 8 * 1024 * 1024;

/**
 * Opens the newest complete content below the directory, or makes an empty one.
 *
 * @returns `created`: there was none before
 */
export function openBackend(directory: string): { readonly backend: LmdbBackend; readonly created: boolean } {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const numbers: number[] = [];
  for (const name of readdirSync(directory)) {
    const match = currentName.exec(name);
    if (match?.[1] !== undefined) numbers.push(Number(match[1]));
  }
  const newest = numbers.length === 0 ? 1 : Math.max(...numbers);
  const environment = openAt(join(directory, `db-${newest}`), numbers.length === 0);
  // The last commit of a process that was killed may be in the system's cache alone; the log may soon stand on it.
  syncFile(join(environment.directory, "data.mdb"));
  syncDirectory(directory);
  return { backend: new LmdbBackend(directory, newest, environment), created: numbers.length === 0 };
}

export class LmdbBackend implements Backend {
  readonly #directory: string;
  #number: number;
  #environment: Environment;
  #pending = newPending();
  #install: Install | undefined;
  #size: { readonly allocatedBytes: number; readonly usedBytes: number } | undefined;
  /** What was committed since a rewrite began, for its copy; bounded by how long a rewrite takes. */
  #sinceRewrite: Write[] | undefined;

  constructor(directory: string, number: number, environment: Environment) {
    this.#directory = directory;
    this.#number = number;
    this.#environment = environment;
  }

  /** Where its files lie. */
  get directory(): string {
    return this.#directory;
  }

  /** Removes what a crash left of earlier contents, and of later ones that were never finished. */
  removeStale(): void {
    for (const name of readdirSync(this.#directory)) {
      const stale = name.endsWith(".part") || (currentName.test(name) && name !== `db-${this.#number}`);
      if (stale) rmSync(join(this.#directory, name), { recursive: true });
    }
    syncDirectory(this.#directory);
  }

  /** Writes gathered since the last commit; a key written twice counts once. */
  get pendingWrites(): number {
    let count = 0;
    for (const bucket of buckets) count += this.#pending[bucket].size;
    return count;
  }

  get(bucket: Bucket, key: Bytes): Bytes | undefined {
    const pending = this.#pending[bucket];
    if (pending.size > 0) {
      const write = pending.get(textOfBytes(key));
      if (write !== undefined) return write.value;
    }
    return copied(this.#environment.databases[bucket].getBinaryFast(key));
  }

  scan(bucket: Bucket, range: Range, visit: Visit): void {
    scanMerged(this.#environment.databases[bucket].getRange(lmdbRange(range)), this.#pending[bucket], range, visit);
  }

  scanLent(bucket: Bucket, range: Range, visit: Visit): void {
    const stored = lendingOf(this.#environment, bucket).getRange(lmdbRange(range));
    scanMerged(stored, this.#pending[bucket], range, visit);
  }

  put(bucket: Bucket, key: Bytes, value: Bytes): void {
    assert(key.length >= 1 && key.length <= 511, "a backend key has 1 to 511 bytes", key.length);
    this.#pending[bucket].set(textOfBytes(key), value);
  }

  delete(bucket: Bucket, key: Bytes): void {
    this.#pending[bucket].set(textOfBytes(key), undefined);
  }

  /** Writes everything gathered so far as one transaction; durable on return. Throws when the disk fails. */
  commit(): void {
    if (this.pendingWrites === 0) return;
    const { root, databases } = this.#environment;
    try {
      root.transactionSync(() => {
        for (const bucket of buckets) {
          const database = databases[bucket];
          for (const [text, { value }] of this.#pending[bucket].entries()) {
            const key = bytesOfText(text);
            if (value === undefined) database.removeSync(key);
            else database.putSync(key, value);
            this.#sinceRewrite?.push({ bucket, key, value });
          }
        }
      });
    } catch (error) {
      // LMDB says so itself, to standard error and without an end of line: the log's next line would be part of that.
      process.stderr.write("\n");
      throw error;
    }
    this.#pending = newPending();
    this.#size = undefined;
  }

  /** Views nobody closed yet, of the environment in use. */
  get openViews(): number {
    return this.#environment.views;
  }

  openView(): BackendView {
    const environment = this.#environment;
    environment.views++;
    return new View(environment, copyPending(this.#pending), () => {
      environment.views--;
      if (environment.replaced && environment.views === 0) discard(environment);
    });
  }

  beginInstall(): BackendInstall {
    return this.#beginInstall();
  }

  /**
   * Begins a copy of the whole content that takes no more space than it needs. The member goes on meanwhile: what it
   * commits goes to both. A snapshot that is received ends the rewrite; while one is being received none can begin.
   *
   * @throws BackendProblem
   */
  beginRewrite(): BackendRewrite {
    if (this.#install?.isOpen === true) throw new BackendProblem("the backend is being replaced already");
    this.commit();
    const view = this.openView();
    const install = this.#beginInstall();
    const since: Write[] = [];
    this.#sinceRewrite = since;
    const checkOpen = (): void => {
      if (!install.isOpen) throw new BackendProblem("the backend was replaced by a snapshot meanwhile");
    };
    return {
      view,
      append: (bucket, key, value) => {
        checkOpen();
        install.put(bucket, key, value);
      },
      scanCopy: (bucket, range, visit) => {
        checkOpen();
        install.scan(bucket, range, visit);
      },
      finish: () => {
        checkOpen();
        this.commit();
        this.#sinceRewrite = undefined;
        install.catchUp(since);
        view.close();
        install.finish();
      },
      abort: () => {
        if (this.#sinceRewrite === since) this.#sinceRewrite = undefined;
        view.close();
        install.abort();
      },
    };
  }

  #beginInstall(): Install {
    this.#install?.abort();
    this.#sinceRewrite = undefined;
    const number = this.#number + 1;
    const directory = join(this.#directory, `db-${number}.part`);
    rmSync(directory, { recursive: true, force: true });
    const install = new Install(openAt(directory, true), (environment) => {
      const finished = join(this.#directory, `db-${number}`);
      renameSync(directory, finished);
      syncDirectory(this.#directory);
      const previous = this.#environment;
      this.#environment = { ...environment, directory: finished };
      this.#number = number;
      this.#pending = newPending();
      this.#size = undefined;
      this.#install = undefined;
      previous.replaced = true;
      if (previous.views === 0) discard(previous);
    });
    this.#install = install;
    return install;
  }

  /** As of the last commit. Allocated is the file's length, used what of it holds data. */
  size(): { readonly allocatedBytes: number; readonly usedBytes: number } {
    this.#size ??= sizeOf(this.#environment);
    return this.#size;
  }

  /** Closes without a commit: what was not committed is lost, as after a crash. */
  close(): void {
    this.#install?.abort();
    this.#environment.closed = true;
    void this.#environment.root.close();
  }
}

// ---- views and installs --------------------------------------------------------------------------------------

class View implements BackendView {
  readonly #environment: Environment;
  readonly #pending: PendingBuckets;
  readonly #transaction: ReturnType<RootDatabase["useReadTransaction"]>;
  readonly #closed: () => void;
  #open = true;

  constructor(environment: Environment, pending: PendingBuckets, closed: () => void) {
    this.#environment = environment;
    this.#pending = pending;
    this.#transaction = environment.root.useReadTransaction();
    this.#closed = closed;
  }

  get(bucket: Bucket, key: Bytes): Bytes | undefined {
    this.#checkReadable();
    const write = this.#pending[bucket].get(textOfBytes(key));
    if (write !== undefined) return write.value;
    const value = this.#environment.databases[bucket].get(key, { transaction: this.#transaction });
    return value === undefined ? undefined : plain(value);
  }

  scan(bucket: Bucket, range: Range, visit: Visit): void {
    this.#checkReadable();
    const stored = this.#environment.databases[bucket].getRange({
      ...lmdbRange(range),
      transaction: this.#transaction,
    });
    scanMerged(stored, this.#pending[bucket], range, visit);
  }

  scanLent(bucket: Bucket, range: Range, visit: Visit): void {
    this.#checkReadable();
    const transaction = this.#transaction;
    const stored = lendingOf(this.#environment, bucket).getRange({ ...lmdbRange(range), transaction });
    scanMerged(stored, this.#pending[bucket], range, visit);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    // With its environment the transaction is gone.
    if (this.#environment.closed) return;
    this.#transaction.done();
    this.#closed();
  }

  /** A long reading in pieces may come back after the member's end. */
  #checkReadable(): void {
    assert(this.#open, "a closed view is not read");
    if (this.#environment.closed) throw new BackendProblem("the backend is closed");
  }
}

/** A value of undefined is a removal. */
interface Write {
  readonly bucket: Bucket;
  readonly key: Bytes;
  readonly value: Bytes | undefined;
}

/** A copy under way; it ends with `finish` or `abort`. Every call but `abort` throws BackendProblem once it was ended. */
export interface BackendRewrite {
  /** The content as it was at the beginning. */
  readonly view: BackendView;
  /** Entries of a bucket, in ascending order, each once. */
  append(bucket: Bucket, key: Bytes, value: Bytes): void;
  /** Reads what was copied; the bytes are only lent. */
  scanCopy(bucket: Bucket, range: Range, visit: Visit): void;
  /** The copy, with all that was committed since, takes the place of the backend: as one change, durable. */
  finish(): void;
  abort(): void;
}

class Install implements BackendInstall {
  readonly #environment: Environment;
  readonly #finished: (environment: Environment) => void;
  #writes: (Write & { readonly append: boolean })[] = [];
  /** The greatest key put into each bucket. */
  readonly #lastKeys = new Map<Bucket, Bytes>();
  #bytes = 0;
  #open = true;

  constructor(environment: Environment, finished: (environment: Environment) => void) {
    this.#environment = environment;
    this.#finished = finished;
  }

  /** Where keys of a bucket ascend, as they do in a snapshot, its pages become full, and LMDB need not look for places. */
  put(bucket: Bucket, key: Bytes, value: Bytes): void {
    const last = this.#lastKeys.get(bucket);
    const append = last === undefined || compareBytes(last, key) < 0;
    if (append) this.#lastKeys.set(bucket, key);
    this.#add({ bucket, key, value, append });
  }

  get isOpen(): boolean {
    return this.#open;
  }

  catchUp(writes: readonly Write[]): void {
    for (const write of writes) this.#add({ ...write, append: false });
  }

  scan(bucket: Bucket, range: Range, visit: Visit): void {
    this.#flush();
    for (const { key, value } of lendingOf(this.#environment, bucket).getRange(lmdbRange(range))) {
      if (!visit(key, value)) return;
    }
  }

  #add(write: Write & { readonly append: boolean }): void {
    assert(this.#open, "an ended install takes no more entries");
    this.#writes.push(write);
    this.#bytes += write.key.length + (write.value?.length ?? 0);
    if (this.#bytes >= installBytesPerCommit) this.#flush();
  }

  finish(): void {
    assert(this.#open, "an install ends once");
    this.#flush();
    this.#open = false;
    this.#finished(this.#environment);
  }

  abort(): void {
    if (!this.#open) return;
    this.#open = false;
    discard(this.#environment);
  }

  #flush(): void {
    const writes = this.#writes;
    if (writes.length === 0) return;
    try {
      this.#environment.root.transactionSync(() => {
        for (const { bucket, key, value, append } of writes) {
          const database = this.#environment.databases[bucket];
          if (value === undefined) database.removeSync(key);
          else database.putSync(key, value, append ? { append } : {});
        }
      });
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      throw new BackendProblem(
        `a copy of the backend could not be written to ${this.#environment.directory}: ${cause}`,
      );
    }
    this.#writes = [];
    this.#bytes = 0;
  }
}

/** LMDB's fast reads lend one buffer for all, whose `length` alone says how much of it is the value. */
function copied(lent: Buffer | undefined): Bytes | undefined {
  return lent === undefined ? undefined : new Uint8Array(lent.buffer, lent.byteOffset, lent.length).slice();
}
