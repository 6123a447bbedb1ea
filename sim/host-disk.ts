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
  readonly incarnation: number;
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

/** Log bytes that a full disk still takes: what a real member sets aside beforehand, in small. */
const reserveBytes = 128 * 1_024;

export class HostDisk {
  readonly #options: HostDiskOptions;
  #disk = new SimDisk();
  #backend = new SimBackend();
  /** Number of the last life on it; 0: none yet. Durable as soon as it is set. */
  incarnation = 0;
  #slowByUs = 0;
  #syncRunning = false;
  /** Highest write that asked for a sync and is not covered by the running one; 0: none. */
  #syncWanted = 0;
  #syncs = 0;
  #backendSyncRunning = false;
  #isFull = false;
  /** Of a full disk, for the log. */
  #roomBytes = 0;
  /** The full disk was in this life's way. */
  #isNoticed = false;
  /** What the member of this life was told. */
  #toldFull = false;
  /** Backend syncs that wait for room. */
  #heldSyncs: WriteId[] = [];
  #failingSyncs: "none" | "next" | "all" = "none";
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

  /** A process begins: what it finds is durable from then on. */
  open(): readonly SegmentContent[] {
    this.#backend.synced(this.#backend.lastCommit);
    return this.#disk.open();
  }

  /**
   * The process ended. What no sync covered survives a kill, in part a power loss; a failed sync leaves a part of what it
   * was to cover. @returns what that cost, as the end of a sentence; empty when nothing
   */
  processEnded(how: {
    readonly powerLoss: boolean;
    readonly failed?: "log" | "backend" | undefined;
    readonly random: () => Random;
  }): string {
    this.#syncRunning = false;
    this.#syncWanted = 0;
    this.#backendSyncRunning = false;
    this.#isNoticed = false;
    this.#toldFull = false;
    this.#heldSyncs = [];
    const losesLog = how.powerLoss || how.failed === "log";
    const losesBackend = how.powerLoss || how.failed === "backend";
    if (!losesBackend) this.#backend.crash();
    if (!losesLog && !losesBackend) return "";
    const random = how.random();
    const log = losesLog ? this.#disk.losePower(random) : { lostOperations: 0, end: "nothing lost" };
    const commits = losesBackend ? this.#backend.losePower(random) : 0;
    const why = how.powerLoss ? "power lost" : "lost";
    return `, ${why}: ${log.lostOperations} log operations (${log.end}), ${commits} backend commits`;
  }

  slow(byMs: number): void {
    this.#slowByUs = byMs * 1_000;
  }

  fill(): void {
    if (this.#isFull) return;
    this.#isFull = true;
    this.#roomBytes = reserveBytes;
  }

  /** What the member has to be told of its disk now, once: full or not full; undefined: nothing new. */
  takeNotice(): boolean | undefined {
    const isFull = this.#isFull && this.#isNoticed;
    if (isFull === this.#toldFull) return undefined;
    this.#toldFull = isFull;
    return isFull;
  }

  failSyncs(how: { readonly persistent: boolean }): void {
    this.#failingSyncs = how.persistent ? "all" : "next";
  }

  /** Every fault of the disk is over; content that was lost stays lost. */
  mend(): void {
    this.#slowByUs = 0;
    this.#failingSyncs = "none";
    this.makeRoom();
  }

  makeRoom(): void {
    this.#isFull = false;
    const held = this.#heldSyncs;
    this.#heldSyncs = [];
    for (const writeId of held) this.syncBackend(writeId);
  }

  /** No process may be running. @returns which bit flipped; undefined: the log is empty */
  damageLog(random: Random): string | undefined {
    return this.#disk.damage(random);
  }

  copy(): DiskCopy {
    return { disk: this.#disk.copy(), backend: this.#backend.copy(), incarnation: this.incarnation };
  }

  /** No process may be running. */
  restore(copy: DiskCopy): void {
    this.#disk = copy.disk.copy();
    this.#backend = copy.backend.copy();
    this.incarnation = copy.incarnation;
  }

  /** No process may be running. */
  wipe(): void {
    this.#disk = new SimDisk();
    this.#backend = new SimBackend();
    this.incarnation = 0;
  }

  // ---- what a member asks for ----------------------------------------------------------------------------------

  /**
   * False: there is no room for all of it, and what was set aside is used up.
   *
   * @throws InvariantViolation when the member lost count of its own disk
   */
  write(operations: readonly LogOperation[]): boolean {
    for (const operation of operations) {
      if (this.#isFull && !this.#fits(operation)) return false;
      this.#disk.carryOut(operation);
    }
    return true;
  }

  #fits(operation: LogOperation): boolean {
    this.#isNoticed = true;
    if (operation.type === "append") this.#roomBytes -= operation.bytes.length;
    else if (operation.type === "remove") this.#roomBytes += this.#disk.sizeOf(operation.segment);
    return this.#roomBytes >= 0;
  }

  /** A full disk takes no commit: what was written since the last one waits in memory. */
  #commit(): number {
    if (!this.#isFull) return this.#backend.commit();
    this.#isNoticed = true;
    return this.#backend.lastCommit;
  }

  /** Makes that write and all before it durable, now or with the sync after the one under way. */
  sync(writeId: WriteId): void {
    this.#syncWanted = writeId;
    if (!this.#syncRunning) this.#beginSync();
  }

  syncBackend(writeId: WriteId): void {
    if (this.#isFull) {
      this.#isNoticed = true;
      this.#heldSyncs.push(writeId);
      return;
    }
    this.#options.schedule(this.#syncUs() * 2, kinds.backendSynced, this.#commit(), writeId);
  }

  /** A step was carried out. */
  stepped(): void {
    this.#stepsToCommit -= 1;
    if (this.#stepsToCommit > 0) return;
    this.#stepsToCommit = this.#commitInterval;
    this.#commit();
  }

  ticked(): void {
    const commit = this.#commit();
    if (this.#backendSyncRunning || this.#backend.unsyncedCommits === 0) return;
    this.#backendSyncRunning = true;
    this.#options.schedule(this.#syncUs() * 4, kinds.backendSynced, commit, undefined);
  }

  // ---- syncs end -----------------------------------------------------------------------------------------------

  /** So many operations are durable; false: the sync failed instead. */
  logSynced(operations: number): boolean {
    if (this.#syncFails()) return false;
    this.#disk.synced(operations);
    this.#syncRunning = false;
    if (this.#syncWanted > 0) this.#beginSync();
    return true;
  }

  /** @param asked whether the member asked for it. False: the sync failed */
  backendSynced(commit: number, asked: boolean): boolean {
    if (this.#syncFails()) return false;
    this.#backend.synced(commit);
    if (!asked) this.#backendSyncRunning = false;
    return true;
  }

  #syncFails(): boolean {
    if (this.#failingSyncs === "none") return false;
    if (this.#failingSyncs === "next") this.#failingSyncs = "none";
    return true;
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
