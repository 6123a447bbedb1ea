/*
 * Warnings that whoever can reach a port may cause as often as it likes: a log must not fill a disk because of it. Each
 * is told a few times in a while and counted after that; the next one that is told says how many were not.
 */
import type { Log, LogFields } from "./log.ts";

/** Of one kind, in one period. */
const toldMax = 3;
const periodMs = 10_000;
/** Kinds kept apart; more share one. */
const kindsMax = 64;

interface Kind {
  sinceMs: number;
  told: number;
  suppressed: number;
}

export class BoundedWarnings {
  readonly #log: Log;
  readonly #nowMs: () => number;
  readonly #kinds = new Map<string, Kind>();

  constructor(log: Log, nowMs: () => number = () => performance.now()) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /** Warnings are of one kind when text and fields are the same. */
  warn(text: string, fields: LogFields): void {
    const kind = this.#kindOf(`${text} ${JSON.stringify(fields)}`);
    if (this.#nowMs() - kind.sinceMs >= periodMs) {
      kind.sinceMs = this.#nowMs();
      kind.told = 0;
    }
    kind.told += 1;
    if (kind.told > toldMax) {
      kind.suppressed += 1;
      return;
    }
    this.#log.warn(text, kind.suppressed === 0 ? fields : { ...fields, suppressed: kind.suppressed });
    kind.suppressed = 0;
  }

  #kindOf(name: string): Kind {
    const known = this.#kinds.get(name);
    if (known !== undefined) return known;
    if (this.#kinds.size >= kindsMax - 1) this.#forget();
    // One place is kept for what they share.
    if (this.#kinds.size >= kindsMax - 1 && name !== "") return this.#kindOf("");
    const kind = { sinceMs: this.#nowMs(), told: 0, suppressed: 0 };
    this.#kinds.set(name, kind);
    return kind;
  }

  #forget(): void {
    for (const [name, { sinceMs }] of this.#kinds) {
      if (name !== "" && this.#nowMs() - sinceMs >= periodMs) this.#kinds.delete(name);
    }
  }
}
