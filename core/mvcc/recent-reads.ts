/*
 * Key-values read a short while ago, decoded. A revision never changes once it is stored, so what was read stays right
 * until the whole store is replaced. It is filled by reads alone, never by writes: everything that is answered has been
 * through its stored bytes at least once on its member.
 */
import type { KeyValue } from "../request.ts";

/** A power of two. With {@link keptBytesMax} the bound of what is held. */
const places = 256;
const placeMask = places - 1;
/** Larger ones are read anew each time. */
const keptBytesMax = 1_024;

export class RecentReads {
  readonly #keyValues: (KeyValue | undefined)[] = new Array(places).fill(undefined);
  readonly #subRevisions = new Int32Array(places);

  /** The key-value put at that revision, if it was read lately. */
  find(mainRevision: number, subRevision: number): KeyValue | undefined {
    const place = (mainRevision + subRevision) & placeMask;
    const kept = this.#keyValues[place];
    return kept?.modRevision === mainRevision && this.#subRevisions[place] === subRevision ? kept : undefined;
  }

  keep(keyValue: KeyValue, subRevision: number, storedBytes: number): void {
    if (storedBytes > keptBytesMax) return;
    const place = (keyValue.modRevision + subRevision) & placeMask;
    this.#keyValues[place] = keyValue;
    this.#subRevisions[place] = subRevision;
  }

  clear(): void {
    this.#keyValues.fill(undefined);
  }
}
