/*
 * A directory and those above it. The runtime's own way goes round for ever where nothing can be made, as below /proc.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

/** What is there already is well. @throws an error of the system */
export function makeDirectory(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    makeDirectory(dirname(path), mode);
    mkdirSync(path, { mode });
  }
}
