/*
 * A small disk of its own for each member, so that it can be filled without harm to any other: a tmpfs below the drill's
 * directory, mounted in the drill's own mount namespace.
 */
import { mkdirSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "./tools.ts";

/** A stock etcd sets two log segments of 64 MB aside. */
const sizeMegabytes = 256;
const chunk = new Uint8Array(1024 * 1024);
const smallestChunkBytes = 4096;

export class SmallDisks {
  readonly #directory: string;
  readonly #mounted: string[] = [];
  readonly #full = new Set<string>();

  /** @param directory below which the disks are mounted */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @returns a directory on that member's disk */
  async mount(name: string): Promise<string> {
    const place = this.#placeOf(name);
    mkdirSync(place, { recursive: true });
    await runTool(["mount", "-t", "tmpfs", "-o", `size=${sizeMegabytes}m,mode=0700`, "tmpfs", place]);
    this.#mounted.push(place);
    return join(place, "data");
  }

  /** Leaves no byte of room. @returns how much was left before */
  async fill(name: string): Promise<number> {
    this.#full.add(name);
    const filler = await open(this.#fillerOf(name), "a");
    let filledBytes = 0;
    try {
      for (let size = chunk.length; size >= smallestChunkBytes; ) {
        const written = await filler.write(chunk, 0, size).then(
          ({ bytesWritten }) => bytesWritten,
          (error: NodeJS.ErrnoException) => {
            if (error.code !== "ENOSPC") throw error;
            return 0;
          },
        );
        filledBytes += written;
        if (written < size) size /= 2;
      }
    } finally {
      await filler.close();
    }
    return filledBytes;
  }

  mend(name: string): void {
    this.#full.delete(name);
    rmSync(this.#fillerOf(name), { force: true });
  }

  isFull(name: string): boolean {
    return this.#full.has(name);
  }

  async close(): Promise<void> {
    if (this.#mounted.length > 0) await runTool(["umount", "--lazy", ...this.#mounted]);
  }

  #placeOf(name: string): string {
    return join(this.#directory, `${name}.disk`);
  }

  #fillerOf(name: string): string {
    return join(this.#placeOf(name), "filler");
  }
}
