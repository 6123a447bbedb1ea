/*
 * Points at which a drill can make the disk of a running member fail, without a shim under it: words in the file that
 * the variable FAULTLINE_FAULT_POINTS names. Without the variable nothing is ever looked up.
 *
 *   fail-sync        every sync of the log reports an error
 *   fail-sync-once   the next one does; the file is removed
 *   no-room          files can grow no more, but for what was set aside
 */
import { readFileSync, rmSync } from "node:fs";

export const faultPointsVariable = "FAULTLINE_FAULT_POINTS";

export type FaultPoint = "fail-sync" | "fail-sync-once" | "no-room";

export class FaultPoints {
  readonly #path: string | undefined;

  /** @param path undefined: no point is ever set */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  get hasNoRoom(): boolean {
    return this.#words().includes("no-room");
  }

  /** True when the sync that is about to be made has to fail. */
  takeSyncFailure(): boolean {
    const words = this.#words();
    if (this.#path !== undefined && words.includes("fail-sync-once")) {
      rmSync(this.#path, { force: true });
      return true;
    }
    return words.includes("fail-sync");
  }

  #words(): readonly string[] {
    if (this.#path === undefined) return [];
    try {
      return readFileSync(this.#path, "utf8").split(/\s+/);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    }
  }
}
