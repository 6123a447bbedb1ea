/*
 * The log disk of a real member: segments are files in one directory. Writes wait in a queue; whatever has gathered
 * while one batch was on its way to the disk becomes the next batch: one write and one fdatasync for all of it. So
 * group commit falls out, and a write is reported durable only by a sync that began after it was written. The first
 * batch after a pause begins when the step that wrote it has been carried out: the loop (loop.ts) has gathered in that
 * step what arrived in one turn.
 *
 * Small batches are written by a direct call: it only fills the page cache, and is over before a thread would have
 * begun. What waits for the disk itself, the sync, always runs on a thread.
 *
 * Segments grow ahead of their content by steps of zeros, so that most syncs change no file metadata. What follows the
 * last record of a segment may therefore be zeros; the log's own format tells records from zeros.
 *
 * A write that finds no room takes what was set aside (room.ts) and is made again. Any other failed call, and every failed
 * sync, ends everything: nothing is retried, nothing more is written, and the owner is told once. After a failed fsync
 * the kernel may have dropped the dirty pages, so a second try would lie.
 */
import {
  close,
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncate,
  linkSync,
  mkdirSync,
  open,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  unlink,
  writeSync,
  writev,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import type { DoubtfulBytes, LogOperation, WriteId } from "../../core/index.ts";
import { assert } from "../../core/index.ts";
import type { DurableRecord } from "./durable-record.ts";
import type { FaultPoints } from "./fault-points.ts";
import type { Room } from "./room.ts";
import { syncDirectory } from "./sync.ts";

export interface LogDiskOptions {
  readonly directory: string;
  /** False: writes are reported done without a sync (etcd: unsafe-no-fsync). */
  readonly fsync: boolean;
  /** That write, and every earlier one, is durable. */
  readonly onDone: (writeId: WriteId) => void;
  /** Called at most once; nothing is written afterwards. */
  readonly onFailure: (error: Error) => void;
  /** Absent: the log ends when it finds no room. */
  readonly room?: Pick<Room, "explains" | "takeReserve" | "beforeGrowth" | "isFull">;
  readonly points?: Pick<FaultPoints, "takeSyncFailure" | "slowSyncMs" | "holdsSyncs">;
  /** Told after every sync how far the log is durable, before anybody else is. */
  readonly durable?: Pick<DurableRecord, "note">;
  /** One batch went to the disk: how long the sync took, and how many bytes it covered. */
  readonly onBatch?: (batch: { readonly writeMs: number; readonly syncMs: number; readonly bytes: number }) => void;
}

const openAsync = promisify(open);
const closeAsync = promisify(close);
const fdatasyncAsync = promisify(fdatasync);
const ftruncateAsync = promisify(ftruncate);
const unlinkAsync = promisify(unlink);

/** Space set aside in one step. */
const stepBytes = 1024 * 1024;
/** Between two looks whether syncs are held back still. */
const heldSyncLookMs = 10;
/** Buffers in one writev; the kernel's limit is 1024. */
const buffersPerCallMax = 1000;

interface OpenSegment {
  readonly handle: number;
  /** Length of the file, zeros included. */
  allocatedBytes: number;
  /** How far it is worth setting space aside. */
  readonly expectedBytes: number;
  /** Where what was appended in this life ends; 0: nothing was. */
  writtenBytes: number;
  dirty: boolean;
}

interface QueuedWrite {
  readonly writeId: WriteId;
  readonly operations: readonly LogOperation[];
  readonly sync: boolean;
}

export interface SegmentFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A problem with what was found in a log's directory; the text names it and is for the operator. */
export class LogProblem extends Error {
  override readonly name = "LogProblem";
}

/** Every segment in the directory, by name; the directory is made when absent. */
export function readSegments(directory: string): SegmentFile[] {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const names = readdirSync(directory).sort((a, b) => (a < b ? -1 : 1));
  return names.map((name) => {
    const path = join(directory, name);
    if (!statSync(path).isFile())
      throw new LogProblem(`${path} is not a file, and no segment of a log; move it out of there`);
    const { buffer, byteOffset, length } = readFileSync(path);
    return { name, bytes: new Uint8Array(buffer, byteOffset, length) };
  });
}

/** Writes those bytes again, as they were read, and syncs them: only then is it sure that they are on the disk. */
export function rewriteDoubtful(directory: string, doubtful: readonly DoubtfulBytes[]): void {
  for (const { segment, offset } of doubtful) {
    const handle = openSync(join(directory, segment), "r+");
    try {
      const bytes = new Uint8Array(Math.max(0, fstatSync(handle).size - offset));
      const length = readSync(handle, bytes, 0, bytes.length, offset);
      const end = bytes.subarray(0, length).findLastIndex((byte) => byte !== 0) + 1;
      writeSmall(handle, bytes.subarray(0, end), offset);
      fdatasyncSync(handle);
    } finally {
      closeSync(handle);
    }
  }
  syncDirectory(directory);
}

export class LogDisk {
  readonly #options: LogDiskOptions;
  readonly #segments = new Map<string, OpenSegment>();
  #queue: QueuedWrite[] = [];
  #running: Promise<void> | undefined;
  #failed = false;
  #directoryDirty = false;
  /** Small appends are copied together here: one large buffer costs less to write than a hundred small ones. */
  readonly #slab = new Uint8Array(256 * 1024);

  constructor(options: LogDiskOptions) {
    this.#options = options;
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  }

  /** Queues the write; answered through `onDone` when it asked for a sync. */
  write(writeId: WriteId, operations: readonly LogOperation[], sync: boolean): void {
    if (this.#failed) return;
    this.#queue.push({ writeId, operations, sync });
    this.#running ??= this.#run();
  }

  /** Writes handed over and not on the disk yet. */
  get queuedWrites(): number {
    return this.#queue.length;
  }

  /** Resolves when everything handed over is on the disk, or the disk has failed. */
  async settle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Finishes what is under way and closes the files. */
  async close(): Promise<void> {
    await this.settle();
    for (const segment of this.#segments.values()) closeSync(segment.handle);
    this.#segments.clear();
  }

  async #run(): Promise<void> {
    // All writes of the step under way share the batch.
    await undefined;
    try {
      while (this.#queue.length > 0) {
        const batch = this.#queue;
        this.#queue = [];
        await this.#carryOut(batch);
      }
    } catch (error) {
      this.#failed = true;
      this.#queue = [];
      this.#options.onFailure(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#running = undefined;
    }
  }

  async #carryOut(batch: readonly QueuedWrite[]): Promise<void> {
    const begunMs = performance.now();
    const pieces = new Pieces((segment, offset, buffers) => this.#append(segment, offset, buffers));
    let lastSynced: WriteId | undefined;
    for (const { writeId, operations, sync } of batch) {
      for (const operation of operations) {
        if (operation.type === "append") {
          const written = pieces.add(operation.segment, operation.offset, operation.bytes);
          if (written !== undefined) await written;
          continue;
        }
        await pieces.flush();
        await this.#restructure(operation);
      }
      if (sync) lastSynced = writeId;
    }
    await pieces.flush();
    if (lastSynced === undefined) return;
    const startedMs = performance.now();
    await this.#sync();
    const syncMs = performance.now() - startedMs;
    this.#options.onBatch?.({ writeMs: startedMs - begunMs, syncMs, bytes: pieces.bytes });
    this.#options.onDone(lastSynced);
  }

  async #restructure(operation: Exclude<LogOperation, { readonly type: "append" }>): Promise<void> {
    switch (operation.type) {
      case "create": {
        assert(!this.#segments.has(operation.segment), "a new segment has a new name", operation.segment);
        // A log that lacks a segment before one that is there would not be taken for the trace of a crash.
        if (this.#directoryDirty) this.#syncNames();
        const handle = await this.#withRoom(() => openAsync(this.#path(operation.segment), "wx+", 0o600));
        this.#segments.set(operation.segment, {
          handle,
          allocatedBytes: 0,
          expectedBytes: operation.expectedBytes,
          writtenBytes: 0,
          dirty: true,
        });
        this.#directoryDirty = true;
        return;
      }
      case "truncate": {
        const segment = await this.#segment(operation.segment);
        await ftruncateAsync(segment.handle, operation.sizeBytes);
        segment.allocatedBytes = operation.sizeBytes;
        segment.writtenBytes = operation.sizeBytes;
        // What follows must never be on the disk while the cut is not.
        if (this.#options.fsync) await fdatasyncAsync(segment.handle);
        this.#options.durable?.note({ segment: operation.segment, offset: operation.sizeBytes });
        return;
      }
      case "remove": {
        // What replaces the segment is durable before it goes.
        await this.#sync();
        const segment = this.#segments.get(operation.segment);
        if (segment !== undefined) {
          this.#segments.delete(operation.segment);
          await closeAsync(segment.handle);
        }
        await unlinkAsync(this.#path(operation.segment));
        this.#directoryDirty = true;
        return;
      }
      case "setAside":
        await this.#withRoom(() => this.#setAside(operation.segment));
        return;
    }
  }

  /** A second name for the file, in a directory beside the log's; nothing is written to it any more. */
  #setAside(name: string): void {
    const directory = `${this.#options.directory}-damaged`;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    // A start that was cut short may have got as far as this.
    if (existsSync(join(directory, name))) return;
    linkSync(this.#path(name), join(directory, name));
    syncDirectory(directory);
  }

  async #append(name: string, offset: number, buffers: readonly Uint8Array[]): Promise<void> {
    const segment = await this.#segment(name);
    assert(offset <= segment.allocatedBytes, "an append leaves no gap", offset, segment.allocatedBytes);
    let end = offset;
    for (const buffer of buffers) end += buffer.length;
    segment.dirty = true;
    segment.writtenBytes = end;
    const isSmall = end - offset <= this.#slab.length;
    if (isSmall && end <= segment.allocatedBytes) {
      writeSmall(segment.handle, joined(buffers, this.#slab), offset);
      return;
    }
    const content = isSmall ? [joined(buffers, this.#slab)] : buffers;
    if (end <= segment.allocatedBytes) {
      await writeFully(segment.handle, content, offset);
      return;
    }
    await this.#withRoom(async () => {
      const ahead = this.#aheadOf(end, segment);
      this.#options.room?.beforeGrowth(ahead - segment.allocatedBytes);
      await writeFully(segment.handle, ahead > end ? [...content, zeros.subarray(0, ahead - end)] : content, offset);
    });
    segment.allocatedBytes = fstatSync(segment.handle).size;
  }

  /** How long to make a file that has to hold so many bytes: a full disk has none to spare. */
  #aheadOf(end: number, segment: OpenSegment): number {
    if (this.#options.room?.isFull === true) return end;
    return Math.min(Math.ceil((end + 1) / stepBytes) * stepBytes, Math.max(segment.expectedBytes, end));
  }

  /** Does it again in the place of what was set aside when there is no room. What a first try wrote is written over. */
  async #withRoom<Result>(body: () => Result | Promise<Result>): Promise<Result> {
    try {
      return await body();
    } catch (error) {
      const { room } = this.#options;
      if (room === undefined || !room.explains(error) || !room.takeReserve()) throw error;
      return await body();
    }
  }

  async #segment(name: string): Promise<OpenSegment> {
    const known = this.#segments.get(name);
    if (known !== undefined) return known;
    const handle = await openAsync(this.#path(name), "r+");
    const allocatedBytes = fstatSync(handle).size;
    // Left by an earlier life: never grown ahead, because where its records end is known only by the log.
    const segment = { handle, allocatedBytes, expectedBytes: 0, writtenBytes: 0, dirty: false };
    this.#segments.set(name, segment);
    return segment;
  }

  async #sync(): Promise<void> {
    if (!this.#options.fsync) return;
    let newest: { readonly name: string; readonly segment: OpenSegment } | undefined;
    for (const [name, segment] of this.#segments) {
      if (newest === undefined || name > newest.name) newest = { name, segment };
      if (!segment.dirty) continue;
      segment.dirty = false;
      await this.#meetFaultPoints();
      await fdatasyncAsync(segment.handle);
    }
    if (this.#directoryDirty) this.#syncNames();
    if (newest !== undefined && newest.segment.writtenBytes > 0) {
      this.#options.durable?.note({ segment: newest.name, offset: newest.segment.writtenBytes });
    }
  }

  /** @throws the error of a sync that has to fail */
  async #meetFaultPoints(): Promise<void> {
    const { points } = this.#options;
    if (points === undefined) return;
    if (points.takeSyncFailure()) throw new Error("EIO: i/o error, fdatasync (a fault point)");
    const { slowSyncMs } = points;
    if (slowSyncMs > 0) await pause(slowSyncMs);
    while (points.holdsSyncs) await pause(heldSyncLookMs);
  }

  #syncNames(): void {
    this.#directoryDirty = false;
    if (this.#options.fsync) syncDirectory(this.#options.directory);
  }

  #path(segment: string): string {
    assert(/^[\w.-]+$/.test(segment) && !segment.startsWith("."), "a segment's name is a file name", segment);
    return join(this.#options.directory, segment);
  }
}

/** Appends that follow each other in one segment, gathered into one write. */
class Pieces {
  readonly #write: (segment: string, offset: number, buffers: readonly Uint8Array[]) => Promise<void>;
  #segment = "";
  #offset = 0;
  #end = 0;
  #buffers: Uint8Array[] = [];
  /** Bytes gathered in all. */
  bytes = 0;

  constructor(write: (segment: string, offset: number, buffers: readonly Uint8Array[]) => Promise<void>) {
    this.#write = write;
  }

  /** @returns the write of earlier pieces that had to go first, if there was one */
  add(segment: string, offset: number, bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length === 0) return undefined;
    this.bytes += bytes.length;
    const follows = segment === this.#segment && offset === this.#end && this.#buffers.length < buffersPerCallMax;
    const written = follows || this.#buffers.length === 0 ? undefined : this.flush();
    if (this.#buffers.length === 0) {
      this.#segment = segment;
      this.#offset = offset;
    }
    this.#buffers.push(bytes);
    this.#end = offset + bytes.length;
    return written;
  }

  async flush(): Promise<void> {
    if (this.#buffers.length === 0) return;
    const buffers = this.#buffers;
    this.#buffers = [];
    await this.#write(this.#segment, this.#offset, buffers);
  }
}

const zeros = new Uint8Array(stepBytes);

function joined(buffers: readonly Uint8Array[], slab: Uint8Array): Uint8Array {
  let length = 0;
  for (const buffer of buffers) {
    slab.set(buffer, length);
    length += buffer.length;
  }
  return slab.subarray(0, length);
}

function writeSmall(handle: number, bytes: Uint8Array, position: number): void {
  for (let written = 0; written < bytes.length; ) {
    const more = writeSync(handle, bytes, written, bytes.length - written, position + written);
    if (more === 0) throw new Error(`no byte could be written at offset ${position + written}`);
    written += more;
  }
}

/** A short write is followed by another; one that writes nothing is a failure. */
async function writeFully(handle: number, buffers: readonly Uint8Array[], position: number): Promise<void> {
  let rest: readonly Uint8Array[] = buffers;
  let at = position;
  while (rest.length > 0) {
    const written = await writeSome(handle, rest, at);
    if (written === 0) throw new Error(`no byte could be written at offset ${at}`);
    at += written;
    rest = after(rest, written);
  }
}

const writeSome = (handle: number, buffers: readonly Uint8Array[], position: number): Promise<number> =>
  new Promise((resolve, reject) => {
    writev(handle, buffers, position, (error, written) => (error === null ? resolve(written) : reject(error)));
  });

/** What is left of the buffers behind so many bytes. */
function after(buffers: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skip = bytes;
  for (const [position, buffer] of buffers.entries()) {
    if (skip < buffer.length) return [buffer.subarray(skip), ...buffers.slice(position + 1)];
    skip -= buffer.length;
  }
  return [];
}
