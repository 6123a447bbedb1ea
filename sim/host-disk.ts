/*
 * The disk of one simulated machine: the log disk and the backend, when each is synced, and what their faults do. Group
 * commit: one log sync is under way at a time, and what is written meanwhile joins the next.
 *
 * It outlives processes. Who owns it schedules the ends of syncs and tells the member of them.
 */
import { type LogOperation, type Random, type WriteId, writeIdOf } from "../core/index.ts";
import { SimBackend } from "./backend.ts";
import { type SegmentContent, SimDisk } from "./disk.ts";
import { kinds } from "./event-kinds.ts";
import { combine32 } from "./random.ts";

/** Content of a machine's disk, put aside. */
export interface DiskCopy {
  readonly disk: SimDisk;
  readonly backend: SimBackend;
}

export interface HostDiskOptions {
  readonly slot: number;
  readonly seed: number;
  readonly syncMs: { readonly min: number; readonly max: number };
  /** An event of the present life, so long from now. */
  readonly schedule: (afterUs: number, kind: number, number: number, payload: unknown) => void;
}

/** Steps between two commits of the backend; drawn per member, so that crashes fall between different commits. */
const commitIntervals: readonly number[] = [1, 3, 10, 50, 1_000_000];

export class HostDisk {
  readonly #options: HostDiskOptions;
  #disk = new SimDisk();
  #backend = new SimBackend();
  #slowByUs = 0;
  #syncRunning = false;
  /** Highest write that asked for a sync and is not covered by the running one; 0: none. */
  #syncWanted = 0;
  #syncs = 0;
  #backendSyncRunning = false;
  readonly #commitInterval: number;
  #stepsToCommit: number;

  constructor(options: HostDiskOptions) {
    this.#options = options;
    this.#commitInterval = commitIntervals[combine32(options.seed, options.slot) % commitIntervals.length] ?? 1;
    this.#stepsToCommit = this.#commitInterval;
  }

  get backend(): SimBackend {
    return this.#backend;
  }

  // ---- lives ---------------------------------------------------------------------------------------------------

  /** A process begins: what it finds. */
  open(): readonly SegmentContent[] {
    return this.#disk.open();
  }

  /** The process ended. @returns what that cost, as the end of a sentence; empty when nothing */
  processEnded(how: { readonly powerLoss: boolean; readonly random: () => Random }): string {
    this.#syncRunning = false;
    this.#syncWanted = 0;
    this.#backendSyncRunning = false;
    if (!how.powerLoss) {
      this.#backend.crash();
      return "";
    }
    const random = how.random();
    const log = this.#disk.losePower(random);
    const commits = this.#backend.losePower(random);
    return `, power lost: ${log.lostOperations} log operations (${log.end}), ${commits} backend commits`;
  }

  slow(byMs: number): void {
    this.#slowByUs = byMs * 1_000;
  }

  copy(): DiskCopy {
    return { disk: this.#disk.copy(), backend: this.#backend.copy() };
  }

  /** No process may be running. */
  restore(copy: DiskCopy): void {
    this.#disk = copy.disk.copy();
    this.#backend = copy.backend.copy();
  }

  /** No process may be running. */
  wipe(): void {
    this.#disk = new SimDisk();
    this.#backend = new SimBackend();
  }

  // ---- what a member asks for ----------------------------------------------------------------------------------

  /** @throws InvariantViolation when the member lost count of its own disk */
  write(operations: readonly LogOperation[]): void {
    for (const operation of operations) this.#disk.carryOut(operation);
  }

  /** Makes that write and all before it durable, now or with the sync after the one under way. */
  sync(writeId: WriteId): void {
    this.#syncWanted = writeId;
    if (!this.#syncRunning) this.#beginSync();
  }

  syncBackend(writeId: WriteId): void {
    this.#options.schedule(this.#syncUs() * 2, kinds.backendSynced, this.#backend.commit(), writeId);
  }

  /** A step was carried out. */
  stepped(): void {
    this.#stepsToCommit -= 1;
    if (this.#stepsToCommit > 0) return;
    this.#stepsToCommit = this.#commitInterval;
    this.#backend.commit();
  }

  ticked(): void {
    const commit = this.#backend.commit();
    if (this.#backendSyncRunning || this.#backend.unsyncedCommits === 0) return;
    this.#backendSyncRunning = true;
    this.#options.schedule(this.#syncUs() * 4, kinds.backendSynced, commit, undefined);
  }

  // ---- syncs end -----------------------------------------------------------------------------------------------

  /** So many operations are durable. */
  logSynced(operations: number): void {
    this.#disk.synced(operations);
    this.#syncRunning = false;
    if (this.#syncWanted > 0) this.#beginSync();
  }

  /** @param asked whether the member asked for it */
  backendSynced(commit: number, asked: boolean): void {
    this.#backend.synced(commit);
    if (!asked) this.#backendSyncRunning = false;
  }

  #beginSync(): void {
    const writeId = writeIdOf(this.#syncWanted);
    this.#syncWanted = 0;
    this.#syncRunning = true;
    this.#options.schedule(this.#syncUs(), kinds.logSynced, this.#disk.unsyncedOperations, writeId);
  }

  /** A function of how many syncs this machine made, so that one sync more moves no other machine's. */
  #syncUs(): number {
    const { min, max } = this.#options.syncMs;
    const minUs = Math.round(min * 1_000);
    const maxUs = Math.max(minUs, Math.round(max * 1_000));
    this.#syncs += 1;
    const drawn = combine32(combine32(this.#options.seed ^ 0x5d15c, this.#options.slot), this.#syncs);
    return minUs + (drawn % (maxUs - minUs + 1)) + this.#slowByUs;
  }
}
