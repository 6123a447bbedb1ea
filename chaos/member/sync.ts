/*
 * Makes durable what other handles wrote: names of a directory, or a file that an earlier process may have left in the
 * system's cache alone.
 */
import { closeSync, fsyncSync, openSync } from "node:fs";

/** Makes names made, renamed or removed in that directory survive a power loss. */
export function syncDirectory(directory: string): void {
  syncPath(directory);
}

/** Makes the content of a file survive a power loss, whoever wrote it. */
export function syncFile(path: string): void {
  syncPath(path);
}

function syncPath(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
