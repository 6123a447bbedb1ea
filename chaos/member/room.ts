/*
 * Room on the member's disk. Some of it is set aside in a file of its own while there is plenty; when the log can grow no
 * more, that file goes, and the log has its place: enough for the alarm that stops writes, and for the deletes and
 * compactions that come after. The backend never gets it: what it cannot commit waits in memory, and is in the log.
 *
 * The owner is told when there is no room left, and when there is room again and the set-aside file is back. Sizes follow
 * the disk's: a small disk is not filled by what is set aside.
 */
import { closeSync, openSync, rmSync, statfsSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { FaultPoints } from "./fault-points.ts";

export interface RoomOptions {
  /** Where the log is; the set-aside file lies in it. */
  readonly directory: string;
  /** Where the backend is, perhaps on another disk; absent: with the log. */
  readonly beside?: string;
  readonly points: FaultPoints;
}

const kib = 1024;
const mib = 1024 * kib;
/** Shorter than an election timeout: after one, core believes that the disk is still as full as it was. */
const checkMs = 250;
/** A quota may have room where the disk shows none. */
const tryMs = 10_000;
/** Kinds of "no room" among the system's errors: no space left, and a quota on the disk. */
const noRoomCodes: readonly string[] = ["ENOSPC", "EDQUOT"];

export class Room {
  readonly #points: FaultPoints;
  readonly #directories: readonly string[];
  readonly #file: string;
  readonly #reserveBytes: number;
  /** Less than this is no room. */
  readonly #lowBytes: number;
  #isFull = false;
  #isReserved: boolean;
  /** Room there was, and when, as the owner last tried in vain: LMDB writes a line of its own every time. */
  #inVain: { readonly freeBytes: number; readonly atMs: number } | undefined;
  /** What is left of the set-aside room while a fault point stands for the full disk. */
  #pretendedBytes: number;
  #onChange: (isFull: boolean) => void = () => {};
  #onCheck: () => boolean = () => true;
  #timer: NodeJS.Timeout | undefined;

  /** Sets room aside, or gives it up at once when there is too little to start with. */
  constructor({ directory, beside = directory, points }: RoomOptions) {
    this.#points = points;
    this.#directories = [...new Set([directory, beside])];
    this.#file = join(directory, "reserve");
    const { blocks, bsize } = statfsSync(directory);
    this.#reserveBytes = clamp((blocks * bsize) / 32, { min: 512 * kib, max: 8 * mib });
    this.#lowBytes = clamp((blocks * bsize) / 64, { min: mib, max: 16 * mib });
    this.#pretendedBytes = this.#reserveBytes;
    // One that a kill cut short is no room yet.
    const found = statSync(this.#file, { throwIfNoEntry: false });
    this.#isReserved = found?.isFile() === true && found.size >= this.#reserveBytes;
    if (this.#freeBytes() < this.#lowBytes) {
      this.#isFull = true;
      this.#giveUpReserve();
    } else this.#reserve();
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /**
   * From now on the owner is told of changes, at once when there is no room already, and called to try again; it says
   * whether that worked.
   */
  watch(owner: { readonly onChange: (isFull: boolean) => void; readonly onCheck: () => boolean }): void {
    this.#onChange = owner.onChange;
    this.#onCheck = owner.onCheck;
    if (this.#isFull) this.#onChange(true);
    this.#timer = setInterval(() => this.#check(), checkMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Whether want of room explains that error. LMDB reports a full disk as any other failed write. */
  explains(error: unknown): boolean {
    if (error instanceof Error && "code" in error && noRoomCodes.includes(String(error.code))) return true;
    return this.#freeBytes() < this.#lowBytes;
  }

  /** Something did not fit. */
  noteFull(): void {
    if (this.#isFull) return;
    this.#isFull = true;
    this.#onChange(true);
  }

  /** The log takes what was set aside. @returns false when that is gone already */
  takeReserve(): boolean {
    const had = this.#isReserved;
    this.#giveUpReserve();
    this.noteFull();
    return had;
  }

  /** A file is about to grow. @throws as the system would, while a fault point says that the disk is full */
  beforeGrowth(bytes: number): void {
    if (!this.#points.hasNoRoom) return;
    if (!this.#isReserved && this.#pretendedBytes >= bytes) {
      this.#pretendedBytes -= bytes;
      return;
    }
    throw Object.assign(new Error("ENOSPC: no space left on device (a fault point)"), { code: "ENOSPC" });
  }

  #check(): void {
    if (!this.#isFull) return;
    const freeBytes = this.#freeBytes();
    const nowMs = performance.now();
    const inVain = this.#inVain;
    if (inVain === undefined || freeBytes > inVain.freeBytes || nowMs - inVain.atMs >= tryMs) {
      this.#inVain = this.#onCheck() ? undefined : { freeBytes, atMs: nowMs };
    }
    if (freeBytes < 2 * this.#lowBytes + (this.#isReserved ? 0 : this.#reserveBytes)) return;
    if (!this.#reserve()) return;
    this.#isFull = false;
    this.#pretendedBytes = this.#reserveBytes;
    this.#onChange(false);
  }

  /** False: there is no room to set aside. */
  #reserve(): boolean {
    if (this.#isReserved) return true;
    let handle: number | undefined;
    try {
      handle = openSync(this.#file, "w", 0o600);
      const zeros = new Uint8Array(Math.min(this.#reserveBytes, 256 * kib));
      for (let written = 0; written < this.#reserveBytes; ) {
        written += writeSync(handle, zeros, 0, Math.min(zeros.length, this.#reserveBytes - written));
      }
      this.#isReserved = true;
    } catch (error) {
      if (!this.explains(error)) throw error;
      rmSync(this.#file, { force: true });
    } finally {
      if (handle !== undefined) closeSync(handle);
    }
    return this.#isReserved;
  }

  #giveUpReserve(): void {
    rmSync(this.#file, { force: true });
    this.#isReserved = false;
  }

  #freeBytes(): number {
    if (this.#points.hasNoRoom) return 0;
    const free = this.#directories.map((directory) => {
      const { bavail, blocks, bsize } = statfsSync(directory);
      // Some file systems do not say how large they are.
      return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
    });
    return Math.min(...free);
  }
}

const clamp = (value: number, { min, max }: { readonly min: number; readonly max: number }): number =>
  Math.floor(Math.min(max, Math.max(min, value)));
