/*
 * What of a member's log is on its disk for good, written down after every sync for the drill that made the fault points:
 * when the process was killed, it takes away what a loss of power would have taken (power-loss.ts). Killing a process
 * alone loses nothing, as the system's cache outlives it.
 *
 * A log is durable up to one place: segments of earlier names whole, that one up to an offset, later ones not at all.
 * The record is written after a sync and before anybody is told of it, so it may lag behind the disk, but never
 * behind a promise. One short line at the start of the file: a kill leaves the old line or the new one.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import type { SegmentFile } from "./disk.ts";

/** Up to there the log is durable; an empty name: nothing of it is. */
export interface DurablePlace {
  readonly segment: string;
  readonly offset: number;
}

export class DurableRecord {
  readonly #path: string | undefined;
  #handle: number | undefined;

  /** @param path undefined: nothing is ever written */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  note(place: DurablePlace): void {
    if (this.#path === undefined) return;
    // What an earlier life noted stays until the first word of this one.
    this.#handle ??= openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    writeSync(this.#handle, `${JSON.stringify(place)}\n`, 0);
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }
}

/** The end of what is written in the last of those segments, which come in order of their names. */
export function endOfLog(segments: readonly SegmentFile[]): DurablePlace {
  const last = segments.at(-1);
  if (last === undefined) return { segment: "", offset: 0 };
  return { segment: last.name, offset: last.bytes.findLastIndex((byte) => byte !== 0) + 1 };
}

/** @returns undefined: no member has noted anything there */
export function readDurableRecord(path: string): DurablePlace | undefined {
  let line: string;
  try {
    line = readFileSync(path, "utf8").split("\n")[0] ?? "";
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  return line === "" ? undefined : (JSON.parse(line) as DurablePlace);
}
