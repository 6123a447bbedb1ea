/*
 * A bit flips in the log of a member that is down. Only in what is written: segments are followed by zeros that were set
 * aside, and damage there costs nothing.
 */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "../core/index.ts";

/** @returns where; undefined: there is nothing in the log, or it is not one of our members' */
export function flipBitInLog(dataDirectory: string, random: Random): string | undefined {
  const directory = join(dataDirectory, "member", "wal");
  const segments = existsSync(directory) ? readdirSync(directory).sort((a, b) => (a < b ? -1 : 1)) : [];
  const contents = segments.map((segment) => readFileSync(join(directory, segment)));
  const ends = contents.map((bytes) => bytes.findLastIndex((byte) => byte !== 0) + 1);
  const total = ends.reduce((sum, end) => sum + end, 0);
  if (total === 0) return undefined;
  let offset = random.below(total);
  const position = ends.findIndex((end) => {
    if (offset < end) return true;
    offset -= end;
    return false;
  });
  const handle = openSync(join(directory, segments[position] ?? ""), "r+");
  try {
    writeSync(handle, Uint8Array.of((contents[position]?.[offset] ?? 0) ^ (1 << random.below(8))), 0, 1, offset);
  } finally {
    closeSync(handle);
  }
  return `${segments[position]}, offset ${offset}`;
}
