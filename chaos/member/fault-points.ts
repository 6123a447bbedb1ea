/*
 * Points at which a drill can make the disk or the clock of a running member fail, without a shim under it: words in the
 * file that the variable FAULTLINE_FAULT_POINTS names. Without the variable nothing is ever looked up.
 *
 *   fail-sync           every sync of the log reports an error
 *   fail-sync-once      the next one does; the word is taken out of the file
 *   slow-sync=250       every sync of the log takes so many milliseconds longer
 *   hold-sync           a sync of the log does not return, as when a machine is about to lose its power
 *   no-room             files can grow no more, but for what was set aside
 *   clock-drift=-30000  the clock, and with it all that core knows of time, runs so many parts per million faster
 *
 * Beside that file lies another, ".durable": what of the log no power loss takes away (durable-record.ts).
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";

export const faultPointsVariable = "FAULTLINE_FAULT_POINTS";

export type FaultPoint = "fail-sync" | "fail-sync-once" | "slow-sync" | "hold-sync" | "no-room" | "clock-drift";

/** What is set, with its number where it has one. */
export type SetPoints = ReadonlyMap<FaultPoint, number | undefined>;

export class FaultPoints {
  readonly #path: string | undefined;

  /** @param path undefined: no point is ever set */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  /** Where this member says what of its log is durable; undefined: nobody wants to know. */
  get durableRecordPath(): string | undefined {
    return this.#path === undefined ? undefined : durableRecordOf(this.#path);
  }

  get hasNoRoom(): boolean {
    return this.#words().includes("no-room");
  }

  get holdsSyncs(): boolean {
    return this.#words().includes("hold-sync");
  }

  get slowSyncMs(): number {
    return this.#numberOf("slow-sync");
  }

  get clockDriftPpm(): number {
    return this.#numberOf("clock-drift");
  }

  /** True when the sync that is about to be made has to fail. */
  takeSyncFailure(): boolean {
    const words = this.#words();
    if (this.#path !== undefined && words.includes("fail-sync-once")) {
      writeWords(
        this.#path,
        words.filter((word) => word !== "fail-sync-once"),
      );
      return true;
    }
    return words.includes("fail-sync");
  }

  #numberOf(point: FaultPoint): number {
    const word = this.#words().find((each) => each.startsWith(`${point}=`));
    return word === undefined ? 0 : Number(word.slice(point.length + 1));
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

/** Sets exactly those points for the member that looks at that file, as one change. */
export function setFaultPoints(path: string, points: SetPoints): void {
  const words = [...points].map(([point, value]) => (value === undefined ? point : `${point}=${value}`));
  writeWords(path, words);
}

/** The file beside the one of that path. */
export const durableRecordOf = (pointsPath: string): string => `${pointsPath}.durable`;

function writeWords(path: string, words: readonly string[]): void {
  writeFileSync(`${path}.new`, words.join("\n"));
  renameSync(`${path}.new`, path);
}
